import Glibc
import ImageCore

/// A file that is read. It has to live as long as its descriptor is read from; when it ends, so does what it reads ahead.
public final class OpenedFile {
    public let file: StoredFile
    /// Taken by who reads; -1 then.
    private var number: Int32
    private let isNamedPipe: Bool
    private let pump: RangePump?
    /// The pump's.
    var threads: [Thread] = []
    /// Whose descriptor it is a copy of.
    private let scratch: ScratchFile.Whole?

    init(_ descriptor: consuming Descriptor, _ file: StoredFile, pump: RangePump? = nil, scratch: ScratchFile.Whole? = nil) {
        isNamedPipe = descriptor.isNamedPipe
        number = descriptor.release()
        (self.file, self.pump, self.scratch) = (file, pump, scratch)
    }

    deinit { close() }

    /// To be read from the start, once. A regular file unless it is read ahead or was given as something else.
    public func takeDescriptor() -> Descriptor {
        precondition(number >= 0, "it is taken already")
        defer { number = -1 }
        return Descriptor(number: number, isNamedPipe: isNamedPipe)
    }

    /// Whether it is all there, and can be looked into anywhere; before its descriptor is taken.
    public var isRegularFile: Bool {
        var status = stat()
        return fstat(number, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Until the other side of a pipe has sent something, or has gone. Throws `outOfTime` at `latest`, in nanoseconds of CLOCK_MONOTONIC, or when
    /// so many seconds have passed. Before its descriptor is taken.
    public func waitForBytes(latest: UInt64?, seconds: Double?) throws(ImageError) {
        let start = Deadline.now
        let end = min(latest ?? .max, seconds.map { start + UInt64(min($0, 1e9) * 1e9) } ?? .max)
        while true {
            let now = Deadline.now
            if now >= end { throw .outOfTime(seconds: (Double(now - start) / 1e9).rounded()) }
            var request = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, end == .max ? -1 : Int32(clamping: (end - now + 999_999) / 1_000_000))
            if ready > 0 || (ready < 0 && errno != EINTR) { return }
        }
    }

    /// To be asked when the descriptor has ended: throws `transferFailed` where that was not the file's end.
    public func check() throws(ImageError) {
        if let failure = pump?.failure { throw failure }
    }

    /// Ends what is under way, at once; nothing more can be read then.
    public func close() {
        if number >= 0 { _ = takeDescriptor() }
        pump?.cancel()
        for thread in threads { thread.join() }
        threads = []
    }
}
