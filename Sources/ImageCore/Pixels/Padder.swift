/// A picture on a larger ground of one colour.
final class Padder: RowSource {
    private let source: any RowSource
    private let offset: (x: Int, y: Int)
    /// One row of the ground.
    private let ground: [UInt8]
    private let row: BufferLease
    private var waiting = 0..<0
    private var rowsDone = 0

    let info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed, upright rows, straight alpha, no larger than `width` x `height`; RGB unless the colour is grey, with alpha
    /// unless it is opaque.
    init(
        _ source: any RowSource, width: UInt32, height: UInt32, gravity: Gravity, color: Color, pool: BufferPool
    ) throws(ImageError) {
        self.source = source
        var info = source.info
        let place = gravity.offset(of: (info.width, info.height), in: (width, height))
        offset = (Int(place.x), Int(place.y))
        row = try pool.lease(info.bandBufferBytes)
        (info.width, info.height, info.fullWidth, info.fullHeight) = (width, height, width, height)
        self.info = info
        let samples = (info.format.model == .gray ? [color.red] : [color.red, color.green, color.blue]) + (info.format.hasAlpha ? [color.alpha] : [])
        let bytes = info.format.sample == .uint8 ? samples : samples.flatMap { [$0, $0] }
        ground = (0..<Int(width)).flatMap { _ in bytes }
    }

    func nextFrame() throws(ImageError) -> Frame? {
        (waiting, rowsDone) = (0..<0, 0)
        return try source.nextFrame()
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let most = min(bands.byteCount / info.rowBytes, Int(info.height) - rowsDone)
        var done = 0
        while done < most {
            let isInside = (offset.y..<offset.y + Int(source.info.height)).contains(rowsDone)
            if isInside && waiting.isEmpty {
                if done > 0 { break }
                waiting = 0..<(try source.readRows(to: row.start, byteCount: row.count))
            }
            let pixel = info.format.rowBytes(width: 1)
            bands.withUnsafeMutableBytes { target in
                let start = target.baseAddress! + done * info.rowBytes
                ground.withUnsafeBytes { start.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
                if isInside {
                    (start + offset.x * pixel).copyMemory(
                        from: row.start + waiting.lowerBound * source.info.rowBytes, byteCount: source.info.rowBytes)
                }
            }
            if isInside { waiting = waiting.lowerBound + 1..<waiting.upperBound }
            done += 1
            rowsDone += 1
        }
        return done
    }
}
