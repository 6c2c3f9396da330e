import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

/// What goes between the process that hands out pictures and one that works on them, each in one packet of a socket pair. The file itself goes
/// along with the request, as a descriptor that can only be read.
enum WorkerMessage {
    /// To the worker. `milliseconds`: how long the result is wanted; 0 for ever.
    case request(words: [String], format: EncodedFormat, milliseconds: UInt64)
    /// From it: the size of the output, then its bytes, then the report; or instead of what is left, why it cannot be.
    case size(width: UInt32, height: UInt32)
    case bytes([UInt8])
    case report(Pipeline.Report)
    case failure(ImageError)

    /// What a packet holds at most; a socket takes twice as much.
    static let mostBytes = 64 << 10

    /// False where nobody listens, or has not for so many `milliseconds`.
    func send(to socket: Int32, _ descriptors: [Int32] = [], milliseconds: Int32? = nil) -> Bool {
        var packet = Packet()
        switch self {
        case .request(let words, let format, let milliseconds):
            packet.put(byte: 1)
            packet.put(Array(format.rawValue.utf8))
            packet.put(wide: milliseconds)
            packet.put(Array(words.map { Array($0.utf8) }.joined(separator: [0])))
        case .size(let width, let height):
            packet.put(byte: 2)
            packet.put(number: Int32(bitPattern: width))
            packet.put(number: Int32(bitPattern: height))
        case .bytes(let bytes):
            packet.put(byte: 3)
            packet.put(bytes)
        case .report(let report):
            packet.put(byte: 4)
            packet.put(wide: UInt64(report.byteCount))
            packet.put(number: Int32(bitPattern: report.width))
            packet.put(number: Int32(bitPattern: report.height))
            packet.put(wide: report.pixels)
            for duration in [report.durations.decode, report.durations.resize, report.durations.encode] { packet.put(wide: duration) }
            for count in [report.buffers.leases, report.buffers.allocations] { packet.put(wide: count) }
            // Neither may grow with what a stranger's file says.
            packet.put(Array((report.found ?? "").utf8.prefix(Self.mostTextBytes)))
            let warnings = report.warnings.prefix(Self.mostWarnings)
            packet.put(byte: UInt8(warnings.count))
            for warning in warnings { packet.put(Array(warning.utf8.prefix(Self.mostTextBytes))) }
        case .failure(let error):
            packet.put(byte: 5)
            packet.put(byte: FailureKind(error).rawValue)
            if case .outOfTime(let seconds) = error { packet.put(wide: seconds.bitPattern) }
            packet.put(number: Int32(error.status.rawValue))
            packet.put(byte: error.mayPass ? 1 : 0)
            packet.put(Array(error.description.utf8.prefix(Self.mostTextBytes)))
        }
        return packet.send(to: socket, descriptors, milliseconds: milliseconds)
    }

    /// Who is to blame, which the status alone does not say.
    private enum FailureKind: UInt8 {
        case other, damaged, unsupported, overLimit, outOfMemory, outOfTime, notReached

        init(_ error: ImageError) {
            self = switch error {
            case .truncated, .damaged: .damaged
            case .unsupported: .unsupported
            case .overLimit: .overLimit
            case .outOfMemory: .outOfMemory
            case .outOfTime: .outOfTime
            case .notReached: .notReached
            default: .other
            }
        }
    }

    private static let mostTextBytes = 2048
    private static let mostWarnings = 16

    /// Waits for one; nil where the other side has gone, or sends what is not exactly one: it may be in a stranger's hands.
    /// The descriptor is a request's.
    static func receive(from socket: Int32) -> (message: WorkerMessage, descriptor: Int32?)? {
        guard case (var packet, let descriptors)? = Packet.receive(from: socket, mostBytes: mostBytes + 1024) else { return nil }
        let kind = packet.byte()
        let descriptor = kind == 1 ? descriptors.first : nil
        // Nobody has asked for more, and each would stay open.
        for number in descriptors where number != descriptor { close(number) }
        guard let message = WorkerMessage(kind, &packet), packet.isReadWhole else {
            if let descriptor { close(descriptor) }
            return nil
        }
        return (message, descriptor)
    }

    private init?(_ kind: UInt8, _ packet: inout Packet) {
        switch kind {
        case 1:
            guard let format = EncodedFormat(rawValue: String(decoding: packet.text(), as: UTF8.self)) else { return nil }
            let milliseconds = packet.wide()
            let words = packet.text().split(separator: 0, omittingEmptySubsequences: true).map { String(decoding: $0, as: UTF8.self) }
            self = .request(words: words, format: format, milliseconds: milliseconds)
        case 2: self = .size(width: UInt32(bitPattern: packet.number()), height: UInt32(bitPattern: packet.number()))
        case 3: self = .bytes(packet.text())
        case 4:
            var report = Pipeline.Report()
            report.byteCount = Int(clamping: packet.wide())
            (report.width, report.height) = (UInt32(bitPattern: packet.number()), UInt32(bitPattern: packet.number()))
            report.pixels = packet.wide()
            report.durations = StageDurations(decode: packet.wide(), resize: packet.wide(), encode: packet.wide())
            report.buffers = BufferPool.Counts(leases: packet.wide(), allocations: packet.wide())
            let found = Self.text(&packet)
            report.found = found.isEmpty ? nil : found
            let count = Int(packet.byte())
            guard count <= Self.mostWarnings else { return nil }
            for _ in 0..<count { report.warnings.append(Self.text(&packet)) }
            self = .report(report)
        case 5:
            let kind = FailureKind(rawValue: packet.byte()) ?? .other
            let seconds = kind == .outOfTime ? Double(bitPattern: packet.wide()) : 0
            guard (0...1e9).contains(seconds) else { return nil }
            let status = UInt32(bitPattern: packet.number())
            let mayPass = packet.byte() == 1
            let message = Self.text(&packet)
            let error: ImageError = switch kind {
            case .damaged: .damaged(message)
            case .unsupported: .unsupported(message)
            case .outOfMemory: .outOfMemory
            case .outOfTime: .outOfTime(seconds: seconds)
            case .notReached: .notReached(message)
            case .overLimit, .other: .upstream(StreamFailure(status: status, name: [], message: message), mayPass: mayPass)
            }
            self = .failure(error)
        default: return nil
        }
    }
    /// What a worker says: no more than an honest one does.
    private static func text(_ packet: inout Packet) -> String { String(decoding: packet.text().prefix(mostTextBytes), as: UTF8.self) }
}
