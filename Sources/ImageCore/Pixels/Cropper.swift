/// A part of a picture.
public final class Cropper: RowSource {
    private let source: any RowSource
    /// In the rows of `source`.
    private let region: Region
    private let buffer: BufferLease
    /// Rows of `buffer` not given yet, and the row of the frame that comes after them.
    private var waiting = 0..<0
    private var rowsRead = 0
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed rows. `region`: inside the upright picture.
    public init(_ source: any RowSource, _ region: Region, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed, "planes are converted before")
        self.source = source
        let stored = region.stored(in: source.info)
        self.region = stored
        var info = source.info
        (info.width, info.height, info.fullWidth, info.fullHeight) = (stored.width, stored.height, stored.width, stored.height)
        self.info = info
        buffer = try pool.lease(source.info.bandBufferBytes)
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        (waiting, rowsRead, rowsDone) = (0..<0, 0, 0)
        return try source.nextFrame()
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
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
        let start = buffer.start
        var bands = MutableRawSpan(_unsafeStart: start, byteCount: buffer.count)
        let rows = try source.read(into: &bands)
        guard rows > 0 else { throw .internalError("a source ended before its last row") }
        waiting = 0..<rows
        rowsRead += rows
    }
}

/// The part of a picture, of a given size, that has the most detail. Each frame is held, to look for it; all frames are cut where the
/// first one is.
public final class DetailCropper: RowSource {
    private let source: any RowSource
    private let pool: BufferPool
    private let frame: FrameStore
    private var offset: (x: Int, y: Int)?
    private var rowsDone = 0

    public let info: ImageInfo
    public var metadata: [MetadataRecord] { source.metadata }
    public var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed, upright rows, no smaller than `width` x `height`.
    public init(_ source: any RowSource, width: UInt32, height: UInt32, pool: BufferPool) throws(ImageError) {
        (self.source, self.pool) = (source, pool)
        var info = source.info
        frame = try FrameStore(byteCount: info.byteCount(rows: Int(info.height)), pool: pool)
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        self.info = info
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        rowsDone = 0
        guard let next = try source.nextFrame() else { return nil }
        try frame.fill(from: source)
        if offset == nil { offset = mostDetailed() }
        return next
    }

    /// Where the sums of differences between neighbouring samples, of columns and of rows, are largest in a window.
    private func mostDetailed() -> (x: Int, y: Int) {
        let stored = source.info
        let (width, height, step) = (Int(stored.width), Int(stored.height), stored.format.channels)
        var (columns, rows) = ([Int](repeating: 0, count: width), [Int](repeating: 0, count: height))
        for y in 1..<max(height, 1) {
            for x in 1..<max(width, 1) {
                let here = sample((y * width + x) * step)
                let detail = abs(here - sample((y * width + x - 1) * step)) + abs(here - sample(((y - 1) * width + x) * step))
                columns[x] += detail
                rows[y] += detail
            }
        }
        return (Self.best(columns, Int(info.width)), Self.best(rows, Int(info.height)))
    }

    /// A sample of the first channel that says most: green, or grey.
    private func sample(_ index: Int) -> Int {
        let at = index + (source.info.format.model == .gray ? 0 : 1)
        return source.info.format.sample == .uint8
            ? Int(frame.start.load(fromByteOffset: at, as: UInt8.self)) : Int(frame.start.load(fromByteOffset: 2 * at, as: UInt16.self))
    }

    /// The start of the window of `count` with the largest sum; among equals the one nearest to the middle.
    private static func best(_ sums: [Int], _ count: Int) -> Int {
        var sum = sums[..<count].reduce(0, +)
        let middle = (sums.count - count) / 2
        var (best, most) = (0, sum)
        for start in 1..<max(1, sums.count - count + 1) {
            sum += sums[start + count - 1] - sums[start - 1]
            if sum > most || (sum == most && abs(start - middle) < abs(best - middle)) { (best, most) = (start, sum) }
        }
        return best
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let count = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        let (x, y) = offset ?? (0, 0)
        let pixel = info.format.rowBytes(width: 1)
        bands.withUnsafeMutableBytes { target in
            for i in 0..<count {
                (target.baseAddress! + i * info.rowBytes).copyMemory(
                    from: frame.start + (y + rowsDone + i) * source.info.rowBytes + x * pixel, byteCount: info.rowBytes)
            }
        }
        rowsDone += count
        return count
    }
}
