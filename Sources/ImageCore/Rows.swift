/// Where rows come from: a decoder, the stream reader, a resizer. A picture is read in one order:
///
///     info, metadata -> (nextFrame -> read, read, ... 0)+ -> nextFrame gives nil -> trailingMetadata
///
/// A class, for the sake of `any RowSource`: Swift 6.3 cannot read through an existential of a `~Copyable` type, and
/// the format of a picture is known only at run time. Not for sharing between threads.
public protocol RowSource: AnyObject {
    /// Size, format and what else is known before the rows; the same until the picture ends.
    var info: ImageInfo { get }
    /// What the source has before the first row.
    var metadata: [MetadataRecord] { get }

    /// Moves to the next frame; nil after the last one, and then the picture is proved complete (ENDI, EOI, IEND, the
    /// RIFF size was seen). Throws when it is not.
    func nextFrame() throws(ImageError) -> Frame?

    /// Puts the next rows of the frame at the start of `bands`, which has room for one band at least; returns how many
    /// rows: whole bands, at least one, fewer than fit where the source has no more at hand; 0 only after the last. Throws what
    /// is wrong with the picture (`truncated`, `damaged`, `overLimit`, `outOfTime`, `upstream`), or `readFailed`.
    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int

    /// What became known after the rows; asked for after `nextFrame` gave nil.
    var trailingMetadata: [MetadataRecord] { get }
}

extension RowSource {
    /// Reads the next rows to `start`, which has room for `byteCount` bytes, at least a band; how many came, at least one. For a caller
    /// that knows there are more.
    package func readRows(to start: UnsafeMutableRawPointer, byteCount: Int) throws(ImageError) -> Int {
        var bands = MutableRawSpan(_unsafeStart: start, byteCount: byteCount)
        let rows = try read(into: &bands)
        guard rows > 0 else { throw .internalError("a source ended before its last row") }
        return rows
    }
}

/// Where rows go: the stream writer, an encoder. The order is that of `RowSource`.
public protocol RowSink: AnyObject {
    /// A picture begins, of which `info` and `metadata` were known before its rows. Throws `unsupported` for what the sink cannot hold,
    /// and what its writing throws, as the others do.
    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError)
    /// The rows of the next frame follow.
    func beginFrame(_ frame: Frame) throws(ImageError)
    /// The next rows. `bands`: the bytes of `rows` rows, whole bands, from the top down.
    func write(_ bands: RawSpan, rows: Int) throws(ImageError)
    /// The source proved the picture complete. Without this it is none.
    func end(trailingMetadata: [MetadataRecord]) throws(ImageError)
}

/// Moves one picture, all its frames, from `source` to `sink`, some bands at a time: `ImageInfo.bandBufferBytes` are leased from `pool`. Throws what
/// these throw, and `outOfTime` by the pool's deadline; then the sink's picture is not ended.
public func transfer(
    from source: any RowSource, to sink: any RowSink, pool: BufferPool
) throws(ImageError) {
    let info = source.info
    try sink.begin(info, metadata: source.metadata)
    var buffer = try pool.lease(info.bandBufferBytes)
    while let frame = try source.nextFrame() {
        try sink.beginFrame(frame)
        while true {
            var bands = buffer.mutableBytes
            let rows = try source.read(into: &bands)
            if rows == 0 { break }
            try pool.deadline.check()
            // A frame's last band of planes can be short: its bytes are reckoned from the rows.
            try sink.write(buffer.bytes.extracting(first: info.byteCount(rows: rows)), rows: rows)
        }
    }
    try sink.end(trailingMetadata: source.trailingMetadata)
}
