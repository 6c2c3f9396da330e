/// The part of a picture, of a given size, that has the most detail. Each frame is held, to look for it; all frames are cut where the
/// first one is.
final class DetailCropper: RowSource {
    private let source: any RowSource
    private let frame: FrameStore
    private var offset: (x: Int, y: Int)?
    private var rowsDone = 0

    let info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed, upright rows, no smaller than `width` x `height`.
    init(_ source: any RowSource, width: UInt32, height: UInt32, pool: BufferPool) throws(ImageError) {
        self.source = source
        var info = source.info
        frame = try FrameStore(byteCount: info.byteCount(rows: Int(info.height)), pool: pool)
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        self.info = info
    }

    func nextFrame() throws(ImageError) -> Frame? {
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

    /// A sample of the channel that says most: green, grey or luma.
    private func sample(_ index: Int) -> Int {
        let at = index + (source.info.format.model == .rgb ? 1 : 0)
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

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
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
