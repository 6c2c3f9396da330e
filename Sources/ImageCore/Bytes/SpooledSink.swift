import Glibc

/// A file on its way to a descriptor that cannot take bytes back (standard output, a fifo): they wait in memory, past a few MiB in
/// a file without a name, and go out at `commit`.
public final class SpooledSink: ByteSink {
    private let descriptor: Descriptor
    private let pool: BufferPool
    /// What waits, oldest first.
    private var parts: [ScratchFile.Part] = []
    private var bytes: [UInt8] = []

    /// As much as waits in memory.
    static let memoryBytes = 2 << 20

    /// `descriptor`: open for writing. `pool`: lends the window that the bytes go out through.
    public init(_ descriptor: consuming Descriptor, pool: BufferPool) {
        self.descriptor = descriptor
        self.pool = pool
    }

    public func write(_ more: RawSpan) throws(ImageError) {
        more.withUnsafeBytes { bytes.append(contentsOf: $0) }
        guard bytes.count >= Self.memoryBytes else { return }
        var waiting = bytes
        bytes = []
        let part = try ScratchFile.Part(byteCount: waiting.count)
        try part.write(waiting.span.bytes)
        parts.append(part)
        // The room serves the next part.
        waiting.removeAll(keepingCapacity: true)
        bytes = waiting
    }

    public func reset() { (parts, bytes) = ([], []) }

    public func commit() throws(ImageError) {
        defer { reset() }
        if !parts.isEmpty {
            let window = try pool.lease(ByteSource.windowBytes)
            for part in parts {
                for at in stride(from: 0, to: part.byteCount, by: window.count) {
                    let (start, count) = (window.start, min(window.count, part.byteCount - at))
                    try part.read(at: at, to: start, count: count)
                    try descriptor.write(RawSpan(_unsafeStart: start, byteCount: count))
                }
            }
        }
        let waiting = bytes
        try descriptor.write(waiting.span.bytes)
    }
}
