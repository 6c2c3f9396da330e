import Glibc

/// A file on its way to a descriptor that cannot take bytes back (standard output, a fifo): they wait in memory, past a few MiB in
/// a temporary file without a name, and go out at `commit`.
public final class SpooledSink: ByteSink {
    private let descriptor: Descriptor
    private let pool: BufferPool
    private var bytes: [UInt8] = []
    private var file: FileWriter?

    /// As much as waits in memory.
    static let memoryBytes = 2 << 20

    public init(_ descriptor: consuming Descriptor, pool: BufferPool) {
        self.descriptor = descriptor
        self.pool = pool
    }

    public func write(_ more: RawSpan) throws(ImageError) {
        if let file { return try Self.spooling { () throws(ImageError) in try file.write(more) } }
        more.withUnsafeBytes { bytes.append(contentsOf: $0) }
        guard bytes.count >= Self.memoryBytes else { return }
        let file = try FileWriter(TemporaryFile.open(), pool: pool)
        let waiting = bytes
        bytes = []
        try Self.spooling { () throws(ImageError) in try file.write(waiting.span.bytes) }
        self.file = file
    }

    /// A failure of the file where bytes wait is none of where they are to go.
    private static func spooling(_ write: () throws(ImageError) -> Void) throws(ImageError) {
        do throws(ImageError) {
            try write()
        } catch .writeFailed(let code) {
            throw .temporaryFile(errno: code)
        }
    }

    public func reset() {
        bytes = []
        file = nil
    }

    public func commit() throws(ImageError) {
        guard let file else {
            let waiting = bytes
            bytes = []
            return try descriptor.write(waiting.span.bytes)
        }
        try Self.spooling { () throws(ImageError) in try file.flush() }
        guard lseek(file.number, 0, SEEK_SET) == 0 else { throw .readFailed(errno: errno) }
        let window = try pool.lease(ByteSource.windowBytes)
        let spooled = Descriptor(number: file.number, owned: false)
        while true {
            let n = try spooled.read(into: window.start, count: window.count)
            if n == 0 { break }
            let start = window.start
            try descriptor.write(RawSpan(_unsafeStart: start, byteCount: n))
        }
        self.file = nil
    }
}
