import CPlatformShims
import FilterSupport
import Glibc
import ImageCore
import ImageMetadata

/// What a run has done, so that a run after a crash need not do it again: a line for each job, appended, with a checksum.
///
///     done 0123456789abcdef0123456789abcdef 5120 89abcdef      key (JobKey), bytes of the output, CRC-32 of what is before it
///
/// Lines are written in groups, when the outputs that they are about are on the disk, and then are made to be there themselves: whoever
/// reads a line can rely on its output. What a crash takes is the last group.
public final class Journal: Sendable {
    private struct State: Sendable {
        var done: Set<JobKey> = []
        var group: [UInt8] = []
        var groupCount = 0
        /// An open directory of each file system that outputs of the group are on.
        var directories: [UInt64: Int32] = [:]
        /// One could not be opened: everything is made to be on its disk.
        var needsAll = false
        var isClosed = false
        var isEnded = false
        var failure: ImageError?
    }

    private let number: Int32
    private let monitor: Monitor<State>
    /// Lines that could not be read, but for a last one that was cut off.
    public let damagedLines: Int

    /// As much waits for the disk at most: this many lines, and for so long.
    private static let mostLines = 1024
    private static let nanoseconds: UInt64 = 1_000_000_000

    /// Opens the journal, or makes it. Throws `cannotCreate`, `refusedOutput` where another run has it, `readFailed`; `damaged` for a file that is none.
    public init(_ path: FilePath, pool: BufferPool) throws(ImageError) {
        number = path.withCString { imgpipe_open($0, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666) }
        guard number >= 0 else { throw .cannotCreate(errno: errno) }
        guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
            close(number)
            throw .refusedOutput("another run writes it")
        }
        do throws(ImageError) {
            let content = try Self.read(number, pool)
            damagedLines = content.damagedLines
            monitor = Monitor(State(done: content.keys))
            guard ftruncate(number, off_t(content.wholeBytes)) == 0 else { throw .writeFailed(errno: errno) }
            _ = try Thread { [self] in write() }
        } catch {
            close(number)
            throw error
        }
    }

    deinit { close(number) }

    /// Whether a run before this one has done it.
    public func isDone(_ key: JobKey) -> Bool { monitor.withLock { $0.done.contains(key) } }

    /// How many a run before this one has done.
    package var doneCount: Int { monitor.withLock { $0.done.count } }

    /// What the disk has refused: nothing is noted any more.
    public var failure: ImageError? { monitor.withLock { $0.failure } }

    /// A job is done. `directory`: where its output is, of a local one.
    public func add(_ key: JobKey, byteCount: Int, directory: FilePath?) {
        let line = Self.line(key, byteCount)
        var device: UInt64?
        if let directory {
            var status = stat()
            if directory.withCString({ stat($0, &status) }) == 0 { device = UInt64(status.st_dev) }
        }
        let isFull = monitor.withLock { (state) -> Bool in
            if let device, let directory, state.directories[device] == nil {
                let number = directory.withCString { imgpipe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
                if number >= 0 { state.directories[device] = number } else { state.needsAll = true }
            }
            state.group += line
            state.groupCount += 1
            return state.groupCount >= Self.mostLines
        }
        if isFull { monitor.wake() }
    }

    /// Writes what waits, and ends. Throws what the disk refuses.
    public func end() throws(ImageError) {
        monitor.update { $0.isClosed = true }
        let failure = monitor.wait { (state) -> ImageError?? in state.isEnded ? .some(state.failure) : nil }
        // From here on it is another run's, though this value may live on.
        flock(number, LOCK_UN)
        if let failure { throw failure }
    }

    // MARK: The thread that writes

    private func write() {
        var isClosed = false
        while !isClosed {
            let until = Deadline.now + Self.nanoseconds
            _ = monitor.wait(deadline: until) { state in state.isClosed || state.groupCount >= Self.mostLines ? true : nil }
            let group = monitor.withLock { state -> (bytes: [UInt8], directories: [Int32], needsAll: Bool) in
                isClosed = state.isClosed
                defer { (state.group, state.groupCount, state.directories, state.needsAll) = ([], 0, [:], false) }
                return (state.group, Array(state.directories.values), state.needsAll)
            }
            if group.needsAll { sync() }
            let failure = write(group.bytes, after: group.directories)
            if let failure { monitor.update { $0.failure = failure } }
            isClosed = isClosed || failure != nil
        }
        monitor.update { $0.isEnded = true }
    }

    private func write(_ lines: [UInt8], after directories: [Int32]) -> ImageError? {
        defer { for directory in directories { close(directory) } }
        if lines.isEmpty { return nil }
        // All outputs of the group at once: one by one each would wait for the disk.
        for directory in directories where imgpipe_sync_file_system(directory) != 0 { return .writeFailed(errno: errno) }
        do throws(ImageError) {
            try Descriptor(number: number, owned: false).write(lines.span.bytes)
        } catch {
            return error
        }
        return fdatasync(number) == 0 ? nil : .writeFailed(errno: errno)
    }

    // MARK: Lines

    private static func line(_ key: JobKey, _ byteCount: Int) -> [UInt8] {
        let text = "done \(key.text) \(byteCount)"
        return Array("\(text) \(String(checksum(text), radix: 16))\n".utf8)
    }

    private static func checksum(_ text: some StringProtocol) -> UInt32 { Zlib.crc(0, Array(text.utf8).span.bytes) }

    /// The key of a line, without its end; nil for one that is not as it was written.
    private static func key(_ line: [UInt8]) -> JobKey? {
        let text = String(decoding: line, as: UTF8.self)
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 4, words[0] == "done", let key = JobKey(words[1]), let byteCount = Int(words[2]),
            text.utf8.elementsEqual(Self.line(key, byteCount).dropLast())
        else { return nil }
        return key
    }

    private static func read(_ number: Int32, _ pool: BufferPool) throws(ImageError) -> (keys: Set<JobKey>, wholeBytes: UInt64, damagedLines: Int) {
        let source = try ByteSource(Descriptor(number: number, owned: false), pool: pool)
        guard source.isRegularFile else { throw .unsupported("a journal is a regular file") }
        var (keys, wholeBytes, damaged): (Set<JobKey>, UInt64, Int) = ([], 0, 0)
        var lines = LineReader(source)
        while let line = try lines.next() {
            // The last one was cut off; it is written over.
            guard line.isEnded else {
                if keys.isEmpty && !(line.bytes.starts(with: Array("done ".utf8)) || Array("done ".utf8).starts(with: line.bytes)) { throw .damaged("is not a journal") }
                break
            }
            wholeBytes = source.positionBytes
            if let key = key(line.bytes) { keys.insert(key) } else { damaged += 1 }
        }
        if keys.isEmpty && damaged > 0 { throw .damaged("is not a journal") }
        return (keys, wholeBytes, damaged)
    }
}
