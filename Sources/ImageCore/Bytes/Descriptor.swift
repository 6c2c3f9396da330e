import CPlatformShims
import Glibc

/// An open file descriptor, closed when this value ends, if it owns it.
public struct Descriptor: ~Copyable {
    /// The number that the system knows it by.
    public let number: Int32
    private let owned: Bool
    /// A named pipe, whose writer is still to come: it is waited for before each read.
    package private(set) var isNamedPipe = false

    /// Number 0, which stays open.
    public static var standardInput: Descriptor { Descriptor(number: 0, owned: false) }
    /// Number 1, which stays open.
    public static var standardOutput: Descriptor { Descriptor(number: 1, owned: false) }

    /// How many this process may have open.
    public static var most: Int {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }

    /// `number`: of an open descriptor. `owned`: it is closed when this value ends.
    public init(number: Int32, owned: Bool = true) {
        (self.number, self.owned) = (number, owned)
    }

    /// Fills 0, 1 and 2 where the caller has closed them, so that no file of ours gets these numbers and then a message; what they are
    /// filled with fails on use, as a closed one does.
    public static func reserveStandardStreams() {
        for (number, flags) in [(0, O_WRONLY), (1, O_RDONLY), (2, O_RDONLY)] as [(Int32, Int32)] where imgpipe_is_closed(number) != 0 {
            // The lowest free number, and those below are taken.
            _ = imgpipe_open("/dev/null", flags, 0)
        }
    }

    deinit { if owned { Glibc.close(number) } }

    /// open(2) for reading. A directory is refused here, not at the first read; a named pipe's writer is waited for there, not here.
    /// Throws `cannotOpen`.
    public static func open(reading path: borrowing FilePath) throws(ImageError) -> Descriptor {
        let number = path.withCString { imgpipe_open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0) }
        guard number >= 0 else { throw .cannotOpen(errno: errno) }
        var descriptor = Descriptor(number: number)
        switch descriptor.kind {
        case S_IFREG: break
        case S_IFDIR: throw .cannotOpen(errno: EISDIR)
        case S_IFIFO: descriptor.isNamedPipe = true
        default: _ = fcntl(number, F_SETFL, 0)
        }
        return descriptor
    }

    /// One that another process has opened, as `open(reading:)` does, and has handed over.
    package init(handed number: Int32) {
        self.init(number: number)
        isNamedPipe = kind == S_IFIFO
    }

    /// One that another process has opened.
    package init(number: Int32, isNamedPipe: Bool) {
        self.init(number: number)
        self.isNamedPipe = isNamedPipe
    }

    /// The same, for one who does not close it, while this value lives.
    package var borrowed: Descriptor {
        var other = Descriptor(number: number, owned: false)
        other.isNamedPipe = isNamedPipe
        return other
    }

    /// The number, which is the caller's from now on.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// The file type bits of fstat(2), 0 when that fails.
    public var kind: mode_t {
        var status = stat()
        return fstat(number, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    /// read(2) of up to `count` bytes; 0 at the end.
    func read(into start: UnsafeMutableRawPointer, count: Int) throws(ImageError) -> Int {
        while true {
            let n = Glibc.read(number, start, count)
            if n >= 0 { return n }
            if !canRetry(POLLIN) { throw .readFailed(errno: errno) }
        }
    }

    /// Whether a call that failed is to be made again: a signal came; or whoever shares the pipe has made it nonblocking, as Node.js does, and
    /// now it is ready. Keeps errno where not.
    func canRetry(_ events: Int32) -> Bool {
        guard errno == EAGAIN else { return errno == EINTR }
        var request = pollfd(fd: number, events: Int16(events), revents: 0)
        _ = poll(&request, 1, -1)
        return true
    }

    /// write(2) until all of `bytes` is out. Throws `writeFailed`.
    public func write(_ bytes: RawSpan) throws(ImageError) {
        try bytes.withUnsafeBytes { (buffer) throws(ImageError) in
            var done = 0
            while done < buffer.count {
                let n = Glibc.write(number, buffer.baseAddress! + done, buffer.count - done)
                if n >= 0 { done += n } else if !canRetry(POLLOUT) { throw .writeFailed(errno: errno) }
            }
        }
    }

    /// close(2), whose error is the last chance to hear that the bytes did not arrive (NFS, quotas): `writeFailed`.
    public consuming func close() throws(ImageError) {
        let result = owned ? Glibc.close(number) : 0
        let code = errno
        discard self
        if result != 0 && code != EINTR { throw .writeFailed(errno: code) }
    }
}
