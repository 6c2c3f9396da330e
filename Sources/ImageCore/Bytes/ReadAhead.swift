import Glibc
import Synchronization

/// A pipe that is read as fast as it is written, whatever its reader waits for: what is ahead waits in memory, and past a few MiB in a
/// scratch file. Without it two pipes that one writer fills, as `tee` does, can wait for each other for ever.
package final class ReadAhead: @unchecked Sendable {
    // Unchecked, because `pump` alone, on one thread, touches what changes.
    private let input: Int32
    private var output: Int32
    /// What waits, oldest first: `memory` from `taken` on, then `parts`, then `tail`, which is to become one.
    private var memory: [UInt8] = []
    private var taken = 0
    private var parts: [ScratchFile.Part] = []
    private var tail: [UInt8] = []
    private var hasReader = true

    private static let memoryBytes = 4 << 20
    private static let blockBytes = 128 << 10
    private static let partBytes = 1 << 20

    /// Which of `failure`'s cases, in the upper half, and its errno.
    private let fault = Atomic<UInt64>(0)

    private enum Fault: UInt64 { case read = 1, temporaryFile }

    /// Why the output has ended before the input; known when it has ended.
    package var failure: ImageError? {
        let value = fault.load(ordering: .acquiring)
        let code = Int32(truncatingIfNeeded: value)
        return switch Fault(rawValue: value >> 32) {
        case .read: .readFailed(errno: code)
        case .temporaryFile: .temporaryFile(errno: code)
        case nil: nil
        }
    }

    private func note(_ kind: Fault, _ code: Int32) {
        if fault.load(ordering: .relaxed) == 0 { fault.store(kind.rawValue << 32 | UInt64(UInt32(bitPattern: code)), ordering: .releasing) }
    }

    /// `input` is to be read by `pump`, which is to be called on a thread of its own. Gives the end to read from.
    package static func begin(_ input: consuming Descriptor) throws(ImageError) -> (readAhead: ReadAhead, output: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        let failed = withUnsafeMutableBytes(of: &ends) { pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) } != 0
        if failed { throw .readFailed(errno: errno) }
        return (ReadAhead(input: input.release(), output: ends.1), ends.0)
    }

    private init(input: Int32, output: Int32) { (self.input, self.output) = (input, output) }

    private var waitingInMemory: Int { memory.count - taken }

    /// Moves bytes until the input ends and all are out. An input that cannot be read further ends early, which its reader sees; a reader that
    /// is gone does not stop it, so that the writer is not killed.
    package func pump() {
        Thread.blockBrokenPipe()
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
        var isAtEnd = false
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        while !isAtEnd || hasBytes {
            let hasBytes = hasBytes
            if isAtEnd && !hasReader { break }
            var events = [
                pollfd(fd: isAtEnd ? -1 : input, events: Int16(POLLIN), revents: 0),
                pollfd(fd: hasBytes && hasReader ? output : -1, events: Int16(POLLOUT), revents: 0),
            ]
            if poll(&events, 2, -1) < 0 && errno != EINTR { break }
            if events[0].revents != 0 {
                let n = read(input, &block, block.count)
                if n > 0 {
                    hold(block[..<n])
                } else if n == 0 || (errno != EINTR && errno != EAGAIN) {
                    if n < 0 { note(.read, errno) }
                    isAtEnd = true
                }
            }
            if events[1].revents != 0 { writeSome() }
        }
        shutOutput()
    }

    private var hasBytes: Bool { waitingInMemory > 0 || !parts.isEmpty || !tail.isEmpty }

    private func hold(_ bytes: ArraySlice<UInt8>) {
        guard hasReader else { return }
        // What was taken is not held on to.
        if taken >= Self.memoryBytes / 4 {
            memory.removeFirst(taken)
            taken = 0
        }
        if parts.isEmpty && tail.isEmpty && waitingInMemory + bytes.count <= Self.memoryBytes {
            memory += bytes
            return
        }
        tail += bytes
        guard tail.count >= Self.partBytes else { return }
        var waiting = tail
        tail = []
        do throws(ImageError) {
            let part = try ScratchFile.Part(byteCount: waiting.count)
            try part.write(waiting.span.bytes)
            parts.append(part)
            waiting.removeAll(keepingCapacity: true)
            tail = waiting
        } catch {
            giveUp(error)
        }
    }

    /// The reader sees an end that is none of a picture.
    private func giveUp(_ error: ImageError? = nil) {
        if case .temporaryFile(let code) = error { note(.temporaryFile, code) }
        hasReader = false
        (memory, taken, parts, tail) = ([], 0, [], [])
        shutOutput()
    }

    private func shutOutput() {
        if output >= 0 { close(output) }
        output = -1
    }

    private func writeSome() {
        if waitingInMemory == 0 { refill() }
        guard hasReader else { return }
        let n = memory.withUnsafeBytes { write(output, $0.baseAddress! + taken, min($0.count - taken, Self.blockBytes)) }
        if n > 0 {
            taken += n
            if taken == memory.count { (memory, taken) = ([], 0) }
        } else if n < 0 && errno != EAGAIN && errno != EINTR {
            giveUp()
        }
    }

    /// From the scratch file, or what was to go there.
    private func refill() {
        taken = 0
        guard let part = parts.first else {
            (memory, tail) = (tail, [])
            return
        }
        parts.removeFirst()
        do throws(ImageError) {
            memory = try part.content()
        } catch {
            giveUp(error)
        }
    }
}
