import CPlatformShims
import Glibc

/// A file in memory that is written once, and read like any other.
public final class MemoryFile: ByteSink {
    private let number: Int32
    /// Bytes written since the start, or the last `reset`.
    public private(set) var byteCount = 0

    /// An empty one. Throws `temporaryFile` where the system gives none.
    public init() throws(ImageError) {
        number = imgpipe_memory_file()
        guard number >= 0 else { throw .temporaryFile(errno: errno) }
    }

    deinit { close(number) }

    public func write(_ bytes: RawSpan) throws(ImageError) {
        try ScratchFile.write(bytes, to: number)
        byteCount += bytes.byteCount
    }

    public func commit() throws(ImageError) {}

    public func reset() throws(ImageError) {
        guard ftruncate(number, 0) == 0, lseek(number, 0, SEEK_SET) == 0 else { throw .temporaryFile(errno: errno) }
        byteCount = 0
    }

    /// Its content from the start, to be read alone, which lives on when this value ends; one reader at a time. Throws `temporaryFile`.
    public func descriptor() throws(ImageError) -> Descriptor {
        let copy = imgpipe_reopen_for_reading(number)
        guard copy >= 0 else { throw .temporaryFile(errno: errno) }
        return Descriptor(number: copy)
    }

    /// From its start; one reader at a time.
    package func source(pool: BufferPool) throws(ImageError) -> ByteSource {
        guard lseek(number, 0, SEEK_SET) == 0 else { throw .temporaryFile(errno: errno) }
        return try ByteSource(Descriptor(number: number, owned: false), pool: pool)
    }

    /// All of it, to another sink.
    package func copy(to sink: any ByteSink, pool: BufferPool) throws(ImageError) {
        let source = try source(pool: pool)
        while try source.refill() > 0 {
            try sink.write(source.window)
            source.skip(source.waitingCount)
        }
    }
}
