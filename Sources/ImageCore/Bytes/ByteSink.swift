/// Where a file's bytes go: all of them or none. What is written becomes the file at `commit`, and is gone without it.
public protocol ByteSink: AnyObject {
    /// Puts `bytes` behind those that came before. Throws `writeFailed`, `temporaryFile` or `transferFailed` by where they go, and
    /// `overLimit(.memory)` where they wait in memory and are too many.
    func write(_ bytes: RawSpan) throws(ImageError)
    /// Makes what was written the file; the sink takes no more. Throws as `write` does, and `cannotCreate` or `refusedOutput` where
    /// its name cannot be had.
    func commit() throws(ImageError)
    /// Drops what was written, to begin anew; before `commit`. Throws `writeFailed` or `temporaryFile`, and `internalError` where bytes are
    /// on their way already.
    func reset() throws(ImageError)
}

extension ByteSink {
    package func write(_ bytes: UnsafeRawBufferPointer) throws(ImageError) { try write(bytes.bytes) }
}

/// Standard output for a format that has no end mark: its reader sees a short end, so bytes go out as they come.
public final class DirectSink: ByteSink {
    private let descriptor: Descriptor

    /// `descriptor`: open for writing.
    public init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

    public func write(_ bytes: RawSpan) throws(ImageError) { try descriptor.write(bytes) }
    public func commit() throws(ImageError) {}
    /// Throws `internalError`: the bytes are on their way.
    public func reset() throws(ImageError) { throw .internalError("bytes that are on their way cannot be taken back") }
}

/// Bytes that stay in memory.
public final class MemorySink: ByteSink {
    /// The whole file, once it is committed.
    public private(set) var file: [UInt8]?
    private var bytes: [UInt8] = []

    private let limitBytes: Int

    /// `limitBytes`: more throws `overLimit(.memory)`.
    public init(limitBytes: Int = .max) { self.limitBytes = limitBytes }

    public func write(_ bytes: RawSpan) throws(ImageError) {
        guard bytes.byteCount <= limitBytes - self.bytes.count else {
            throw .overLimit(.memory, value: UInt64(self.bytes.count + bytes.byteCount), maximum: UInt64(limitBytes))
        }
        bytes.withUnsafeBytes { self.bytes.append(contentsOf: $0) }
    }

    public func commit() throws(ImageError) { file = bytes }
    public func reset() { bytes = [] }
}

/// Counts the bytes that go into a sink, or where there is none, that would.
public final class CountingSink: ByteSink {
    private let sink: (any ByteSink)?
    /// Bytes written since the start, or the last `reset`.
    public private(set) var byteCount = 0

    /// `sink`: where the bytes go on to; nil: they are counted, and dropped.
    public init(_ sink: (any ByteSink)? = nil) { self.sink = sink }

    public func write(_ bytes: RawSpan) throws(ImageError) {
        byteCount += bytes.byteCount
        try sink?.write(bytes)
    }

    public func commit() throws(ImageError) { try sink?.commit() }

    public func reset() throws(ImageError) {
        byteCount = 0
        try sink?.reset()
    }
}
