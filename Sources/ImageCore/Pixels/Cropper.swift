/// A part of a picture.
final class Cropper: RowSource {
    private let source: any RowSource
    /// In the rows of `source`.
    private let region: Region
    private let buffer: BufferLease
    /// Rows of `buffer` not given yet, and the row of the frame that comes after them.
    private var waiting = 0..<0
    private var rowsRead = 0
    private var rowsDone = 0

    let info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed rows. `region`: inside the upright picture.
    init(_ source: any RowSource, _ region: Region, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed, "planes are converted before")
        self.source = source
        let stored = region.stored(in: source.info)
        self.region = stored
        var info = source.info
        (info.width, info.height, info.fullWidth, info.fullHeight) = (stored.width, stored.height, stored.width, stored.height)
        self.info = info
        buffer = try pool.lease(source.info.bandBufferBytes)
    }

    func nextFrame() throws(ImageError) -> Frame? {
        (waiting, rowsRead, rowsDone) = (0..<0, 0, 0)
        return try source.nextFrame()
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        var done = 0
        while done < most && (done == 0 || !waiting.isEmpty) {
            if waiting.isEmpty { try fetch() }
            // Rows above the region are passed over.
            let above = max(0, Int(region.y) - (rowsRead - waiting.count))
            waiting = min(waiting.lowerBound + above, waiting.upperBound)..<waiting.upperBound
            let count = min(waiting.count, most - done)
            let from = buffer.start + Int(region.x) * source.info.format.rowBytes(width: 1)
            bands.withUnsafeMutableBytes { target in
                for i in 0..<count {
                    (target.baseAddress! + (done + i) * info.rowBytes).copyMemory(
                        from: from + (waiting.lowerBound + i) * source.info.rowBytes, byteCount: info.rowBytes)
                }
            }
            waiting = waiting.lowerBound + count..<waiting.upperBound
            done += count
        }
        rowsDone += done
        // The source is to be read to its end.
        if rowsDone == Int(info.height) { while rowsRead < Int(source.info.height) { try fetch() } }
        return done
    }

    private func fetch() throws(ImageError) {
        let rows = try source.readRows(to: buffer.start, byteCount: buffer.count)
        waiting = 0..<rows
        rowsRead += rows
    }
}
