import Glibc
import Synchronization

/// A pipe that is read as fast as it is written, whatever its reader waits for: what is ahead waits in memory, and past a few MiB in a
/// temporary file. Without it two pipes that one writer fills, as `tee` does, can wait for each other for ever.
public final class ReadAhead: @unchecked Sendable {
    // Unchecked, because `pump` alone, on one thread, touches what changes.
    private let open: @Sendable () -> Int32
    private var input: Int32 = -1
    private let output: Int32
    /// What waits, oldest first: `memory` from `taken` on, then the file from `fileStart` to `fileEnd`.
    private var memory: [UInt8] = []
    private var taken = 0
    private var file: Int32 = -1
    private var fileStart: off_t = 0, fileEnd: off_t = 0
    private var hasReader = true

    private static let memoryBytes = 4 << 20
    private static let blockBytes = 128 << 10

    /// Which of `failure`'s cases, in the upper half, and its errno.
    private let fault = Atomic<UInt64>(0)

    private enum Fault: UInt64 { case open = 1, read, temporaryFile }

    /// Why the output has ended before the input; known when it has ended.
    public var failure: ImageError? {
        let value = fault.load(ordering: .acquiring)
        let code = Int32(truncatingIfNeeded: value)
        return switch Fault(rawValue: value >> 32) {
        case .open: .cannotOpen(errno: code)
        case .read: .readFailed(errno: code)
        case .temporaryFile: .temporaryFile(errno: code)
        case nil: nil
        }
    }

    private func note(_ kind: Fault, _ code: Int32) {
        if fault.load(ordering: .relaxed) == 0 { fault.store(kind.rawValue << 32 | UInt64(UInt32(bitPattern: code)), ordering: .releasing) }
    }

    /// `pump` is to be called on a thread of its own, where `open` gives what is to be read, or -1 and errno: a named pipe waits there for its
    /// writer, who may be waiting for another reader of ours. Gives the end to read from.
    public static func begin(_ open: @escaping @Sendable () -> Int32) throws(ImageError) -> (readAhead: ReadAhead, output: Int32) {
        var ends: (Int32, Int32) = (-1, -1)
        let failed = withUnsafeMutableBytes(of: &ends) { pipe($0.baseAddress!.assumingMemoryBound(to: Int32.self)) } != 0
        if failed { throw .readFailed(errno: errno) }
        return (ReadAhead(open: open, output: ends.1), ends.0)
    }

    private init(open: @escaping @Sendable () -> Int32, output: Int32) { (self.open, self.output) = (open, output) }

    private var waitingInMemory: Int { memory.count - taken }

    /// Moves bytes until the input ends and all are out. An input that cannot be read further ends early, which its reader sees; a reader that
    /// is gone does not stop it, so that the writer is not killed.
    public func pump() {
        // A reader that is gone is no reason for a signal.
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        _ = fcntl(output, F_SETFL, O_NONBLOCK)
        input = open()
        if input < 0 { note(.open, errno) }
        var isAtEnd = input < 0
        var block = [UInt8](repeating: 0, count: Self.blockBytes)
        while !isAtEnd || waitingInMemory > 0 || fileStart < fileEnd {
            let hasBytes = waitingInMemory > 0 || fileStart < fileEnd
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
        close(output)
        if file >= 0 { close(file) }
    }

    private func hold(_ bytes: ArraySlice<UInt8>) {
        guard hasReader else { return }
        // What was taken is not held on to.
        if taken >= Self.memoryBytes / 4 {
            memory.removeFirst(taken)
            taken = 0
        }
        if fileStart == fileEnd && waitingInMemory + bytes.count <= Self.memoryBytes {
            memory += bytes
            return
        }
        do throws(ImageError) {
            if file < 0 { file = try TemporaryFile.open() }
        } catch {
            if case .temporaryFile(let code) = error { note(.temporaryFile, code) }
            return giveUp()
        }
        var done = 0
        while done < bytes.count {
            let n = bytes.withUnsafeBytes { pwrite(file, $0.baseAddress! + done, $0.count - done, fileEnd) }
            if n < 0 && errno == EINTR { continue }
            if n <= 0 {
                note(.temporaryFile, errno)
                return giveUp()
            }
            done += n
            fileEnd += off_t(n)
        }
    }

    /// The reader sees an end that is none of a picture.
    private func giveUp() {
        hasReader = false
        (memory, taken, fileStart, fileEnd) = ([], 0, 0, 0)
        shutOutput()
    }

    private func shutOutput() {
        // Closed twice it could be another's: a descriptor that leads nowhere takes its place.
        let nowhere = Glibc.open("/dev/null", O_WRONLY)
        if nowhere >= 0 {
            dup2(nowhere, output)
            close(nowhere)
        }
    }

    private func writeSome() {
        if waitingInMemory == 0 { refill() }
        let n = memory.withUnsafeBytes { write(output, $0.baseAddress! + taken, min($0.count - taken, Self.blockBytes)) }
        if n > 0 {
            taken += n
            if taken == memory.count { (memory, taken) = ([], 0) }
        } else if n < 0 && errno != EAGAIN && errno != EINTR {
            giveUp()
        }
    }

    /// From the file.
    private func refill() {
        let count = min(Self.memoryBytes / 4, Int(fileEnd - fileStart))
        memory = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in filled = max(0, pread(file, buffer.baseAddress, count, fileStart)) }
        taken = 0
        fileStart += off_t(memory.count)
        if memory.isEmpty {
            note(.temporaryFile, EIO)
            return giveUp()
        }
        if fileStart == fileEnd {
            (fileStart, fileEnd) = (0, 0)
            _ = ftruncate(file, 0)
        }
    }
}
