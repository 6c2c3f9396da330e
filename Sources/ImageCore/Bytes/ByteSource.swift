import Glibc

/// Compressed bytes or a pixel stream, from a file or a pipe, a window of them at a time.
///
/// Files are read at offsets into one buffer, not mapped: it measures the same (docs/measurements.md), no page
/// stays behind the reader, and a file that shrinks meanwhile ends early instead of raising SIGBUS.
public final class ByteSource {
    private let descriptor: Descriptor
    private let deadline: Deadline
    private var buffer: BufferLease
    /// The bytes of `buffer` that nobody has taken yet.
    private var unread = 0..<0
    /// How many bytes before `unread` this source has given.
    public private(set) var positionBytes: UInt64 = 0
    /// The end was seen: the descriptor gives nothing any more.
    public private(set) var isAtEnd = false

    /// All that was read so far, for a caller that wants the file itself too; nil when nobody does, or when it was more than `copyLimit`.
    private var copy: [UInt8]?
    private var copyLimit = 0

    /// What the descriptor is of, where that is to be given back.
    private var file: ScratchFile.Whole?

    /// Pipes hold 64 KiB, and one read of a file twice that hides its system call.
    public static let windowBytes = 128 << 10

    /// What the next read takes at most: little after a jump, and twice as much each time from there.
    private var mostReadBytes = Int.max / 2
    private static let bytesAfterJump = 64

    /// `windowBytes`: what one read takes at most; less for those who want a file's head alone. `deadline`: where it is not the pool's.
    /// Throws `overLimit(.memory)`.
    public init(
        _ descriptor: consuming Descriptor, pool: BufferPool, windowBytes: Int = ByteSource.windowBytes, deadline: Deadline? = nil
    ) throws(ImageError) {
        self.descriptor = descriptor
        self.deadline = deadline ?? pool.deadline
        buffer = try pool.lease(windowBytes)
    }

    /// The waiting bytes: may be empty before `refill`, and is only then at the end after `refill` gave 0.
    public var waiting: RawSpan {
        @_lifetime(borrow self)
        get { unsafe _overrideLifetime(buffer.bytes.extracting(unread), borrowing: self) }
    }

    /// How many bytes wait.
    public var waitingCount: Int { unread.count }

    /// Takes `count` of the waiting bytes.
    public func skip(_ count: Int) {
        precondition(count <= unread.count)
        unread = unread.lowerBound + count..<unread.upperBound
        positionBytes += UInt64(count)
    }

    /// Reads once more behind the waiting bytes; returns how many came, 0 at the end. Throws `readFailed` and `outOfTime`.
    @discardableResult
    public func refill() throws(ImageError) -> Int {
        if isAtEnd { return 0 }
        if unread.isEmpty { unread = 0..<0 }
        if unread.upperBound == buffer.count {
            precondition(unread.lowerBound > 0, "refill of a full window")
            memmove(buffer.start, buffer.start + unread.lowerBound, unread.count)
            unread = 0..<unread.count
        }
        try waitForBytes()
        let n = try descriptor.read(into: buffer.start + unread.upperBound, count: min(buffer.count - unread.upperBound, mostReadBytes))
        mostReadBytes = min(2 * mostReadBytes, buffer.count)
        addToCopy(buffer.start + unread.upperBound, n)
        unread = unread.lowerBound..<unread.upperBound + n
        if n == 0 { isAtEnd = true }
        return n
    }

    /// Until there are some, or the deadline comes: a file's are always there.
    private func waitForBytes() throws(ImageError) {
        guard deadline.isSet || descriptor.isNamedPipe else { return }
        if isRegularFile { try deadline.check() } else { try deadline.wait(toRead: descriptor.number) }
    }

    /// Makes `count` bytes wait, at most the window's size, fewer only at the end. Throws as `refill`.
    public func prefetch(_ count: Int) throws(ImageError) {
        precondition(count <= buffer.count)
        if unread.lowerBound + count > buffer.count {
            memmove(buffer.start, buffer.start + unread.lowerBound, unread.count)
            unread = 0..<unread.count
        }
        while unread.count < count {
            if try refill() == 0 { return }
        }
    }

    /// Fills `target` unless the input ends before: then throws `truncated`.
    public func read(into target: inout MutableRawSpan) throws(ImageError) {
        try target.withUnsafeMutableBytes { (target) throws(ImageError) in try readAll(target) }
    }

    private func readAll(_ target: UnsafeMutableRawBufferPointer) throws(ImageError) {
        guard let start = target.baseAddress else { return }
        var done = min(target.count, unread.count)
        memcpy(start, buffer.start + unread.lowerBound, done)
        skip(done)
        while done < target.count {
            // The window is empty: what is wanted goes straight to its place, what comes after it into the window.
            var places = (
                iovec(iov_base: start + done, iov_len: target.count - done),
                iovec(iov_base: buffer.start, iov_len: buffer.count)
            )
            try waitForBytes()
            let n = withUnsafeBytes(of: &places) {
                readv(descriptor.number, $0.bindMemory(to: iovec.self).baseAddress!, 2)
            }
            if n < 0 {
                if descriptor.canRetry(POLLIN) { continue }
                throw .readFailed(errno: errno)
            }
            if n == 0 {
                isAtEnd = true
                throw .truncated(atByte: positionBytes)
            }
            let direct = min(n, target.count - done)
            addToCopy(start + done, direct)
            addToCopy(buffer.start, n - direct)
            done += direct
            positionBytes += UInt64(direct)
            unread = 0..<n - direct
        }
    }

    /// Goes over `count` bytes, in a regular file without reading those that do not wait. Throws `truncated` where there are not so many.
    package func pass(_ count: UInt64) throws(ImageError) {
        if count > UInt64(unread.count) && isRegularFile {
            let rest = count - UInt64(unread.count)
            guard let status = fileStatus, case let here = lseek(descriptor.number, 0, SEEK_CUR), here >= 0,
                rest <= UInt64(max(0, status.st_size - here)), lseek(descriptor.number, off_t(rest), SEEK_CUR) >= 0
            else { throw .truncated(atByte: positionBytes + (try countRest())) }
            positionBytes += count
            unread = 0..<0
            // Who jumps looks at little where he lands.
            mostReadBytes = Self.bytesAfterJump
            return
        }
        var left = count
        while left > 0 {
            if unread.isEmpty, try refill() == 0 { throw .truncated(atByte: positionBytes) }
            let part = Int(min(left, UInt64(unread.count)))
            skip(part)
            left -= UInt64(part)
        }
    }

    /// The next `count` bytes, of which fewer are there only at the end: then throws `truncated`. They may be more than the window holds.
    package func take(_ count: Int) throws(ImageError) -> [UInt8] {
        var bytes: [UInt8] = []
        // What a length claims is believed as it comes.
        while bytes.count < count {
            if unread.isEmpty, try refill() == 0 { throw .truncated(atByte: positionBytes) }
            let part = min(count - bytes.count, unread.count)
            bytes += window.prefix(part)
            skip(part)
        }
        return bytes
    }

    /// `count` bytes from `offset` on, counted from where this source began, while it stays where it is. Nil where the input is no
    /// regular file, or has not so many.
    package func peek(at offset: UInt64, count: Int) -> [UInt8]? {
        // What was read so far is behind the descriptor's offset.
        let read = positionBytes + UInt64(unread.count)
        guard isRegularFile, let here = UInt64(exactly: lseek(descriptor.number, 0, SEEK_CUR)), here >= read else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let n = pread(descriptor.number, buffer.baseAddress! + filled, count - filled, off_t(here - read + offset) + off_t(filled))
                if n > 0 { filled += n } else if n == 0 || errno != EINTR { break }
            }
        }
        return bytes.count == count ? bytes : nil
    }

    package private(set) lazy var isRegularFile = descriptor.kind == S_IFREG

    /// Keeps all bytes that are read, from now on, at most `limitBytes`: before the first is.
    package func keepCopy(limitBytes: Int) {
        precondition(positionBytes == 0 && unread.isEmpty)
        (copy, copyLimit) = ([], limitBytes)
    }

    /// All bytes of the input, when it was read to its end with `keepCopy`; nil when it has more than the limit.
    package func takeCopy() -> [UInt8]? {
        defer { copy = nil }
        return copy
    }

    private func addToCopy(_ start: UnsafeMutableRawPointer, _ count: Int) {
        guard let size = copy?.count else { return }
        if size + count > copyLimit { copy = nil } else { copy?.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count)) }
    }

    /// fstat(2) of what is read; nil where that fails.
    public var fileStatus: stat? {
        var status = stat()
        return fstat(descriptor.number, &status) == 0 ? status : nil
    }

    /// How many bytes are left; read and dropped where that is the only way to know, and so that a pipe's writer is not killed.
    package func countRest() throws(ImageError) -> UInt64 {
        var status = stat()
        if isRegularFile, fstat(descriptor.number, &status) == 0, case let here = lseek(descriptor.number, 0, SEEK_CUR), here >= 0 {
            // What is left of a file need not be read.
            return UInt64(max(0, status.st_size - here)) + UInt64(unread.count)
        }
        let before = positionBytes
        try drain()
        return positionBytes - before
    }

    /// The same bytes from a file, which can be looked into anywhere: this source, or all that it has, in the scratch file.
    package func seekable(pool: BufferPool) throws(ImageError) -> ByteSource {
        if isRegularFile { return self }
        let file = try ScratchFile.Whole()
        repeat {
            try file.write(waiting)
            skip(unread.count)
        } while try refill() > 0
        guard lseek(file.number, 0, SEEK_SET) == 0 else { throw .temporaryFile(errno: errno) }
        let source = try ByteSource(Descriptor(number: file.number, owned: false), pool: pool)
        source.file = file
        return source
    }

    /// Reads and drops whatever is left, so that a pipe's writer is not killed for bytes behind the picture. Throws as `refill`.
    public func drain() throws(ImageError) {
        repeat { skip(unread.count) } while try refill() > 0
    }

    /// The waiting bytes; valid until the next call on this source.
    package var window: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: waitingStart, count: unread.count) }

    /// The waiting bytes' address for a C library; valid until the next call on this source.
    package var waitingStart: UnsafeRawPointer { UnsafeRawPointer(buffer.start + unread.lowerBound) }
}
