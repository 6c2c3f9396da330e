import CPlatformShims
import Glibc
import ImageCore

/// Bytes and numbers one after the other.
package struct Packet: Sendable {
    package private(set) var bytes: [UInt8] = []

    /// A path and a fault's text.
    package static let mostBytes = 3 * Int(PATH_MAX)

    package init() {}

    /// With descriptors, which the sender keeps. False where nobody listens, or has not for so many `milliseconds`.
    package func send(to socket: Int32, _ descriptors: [Int32] = [], milliseconds: Int32? = nil) -> Bool {
        imgpipe_send(socket, bytes, bytes.count, descriptors, Int32(descriptors.count), milliseconds ?? -1) == 0
    }

    /// Waits for one; nil where the sender has gone, or has sent more than `mostBytes`. The descriptors are none where this process may not have as many open as were sent.
    package static func receive(from socket: Int32, mostBytes: Int = mostBytes) -> (Packet, descriptors: ArraySlice<Int32>)? {
        var packet = Packet()
        packet.bytes = [UInt8](repeating: 0, count: mostBytes)
        var (descriptors, count): ([Int32], Int32) = ([-1, -1], 0)
        let n = imgpipe_receive(socket, &packet.bytes, mostBytes, &descriptors, &count)
        guard n > 0 else {
            // An empty packet may have some too.
            for number in descriptors[..<Int(max(0, count))] { close(number) }
            return nil
        }
        packet.bytes.removeLast(mostBytes - n)
        return (packet, descriptors[..<Int(max(0, count))])
    }

    package mutating func put(byte: UInt8) { bytes.append(byte) }

    package mutating func put(number: Int32) { withUnsafeBytes(of: number) { bytes += $0 } }

    package mutating func put(_ text: [UInt8]) {
        put(number: Int32(text.count))
        bytes += text
    }

    private var next = 0
    /// More was asked for than there is.
    package private(set) var isCutOff = false
    /// All of it was read, and nothing was missing.
    package var isReadWhole: Bool { !isCutOff && next == bytes.count }

    /// What is not there is 0.
    package mutating func byte() -> UInt8 {
        guard next < bytes.count else {
            isCutOff = true
            return 0
        }
        defer { next += 1 }
        return bytes[next]
    }

    package mutating func number() -> Int32 {
        var number: Int32 = 0
        withUnsafeMutableBytes(of: &number) { for i in $0.indices { $0[i] = byte() } }
        return number
    }

    package mutating func put(wide number: UInt64) { withUnsafeBytes(of: number) { bytes += $0 } }

    package mutating func wide() -> UInt64 {
        var number: UInt64 = 0
        withUnsafeMutableBytes(of: &number) { for i in $0.indices { $0[i] = byte() } }
        return number
    }

    package mutating func text() -> [UInt8] {
        let wanted = Int(number())
        guard (0...(bytes.count - next)).contains(wanted) else {
            isCutOff = true
            return []
        }
        defer { next += wanted }
        return Array(bytes[next..<next + wanted])
    }
}
