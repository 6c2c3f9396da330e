import FilterSupport
import ImageCodecs
import ImageCore

/// Where two pictures differ: 1 - SSIM at each pixel, from black over red and yellow to white, the most of all frames and grounds. At the
/// border, where the window does not fit, it is that of the nearest place where it does.
final class HeatMap {
    private let width: Int
    private let height: Int
    private var differences: BufferLease
    private static let margin = 5

    init(_ info: ImageInfo, pool: BufferPool) throws(ImageError) {
        let size = info.uprightSize
        (width, height) = (Int(size.width), Int(size.height))
        differences = try pool.lease(width * height)
        differences.start.initializeMemory(as: UInt8.self, repeating: 0, count: width * height)
    }

    /// A row of SSIM, as the comparison gives it, once or more often.
    func add(_ row: Int, _ similarities: UnsafeBufferPointer<Float>) {
        let target = differences.start.assumingMemoryBound(to: UInt8.self) + (row + Self.margin) * width
        for x in 0..<width {
            let similarity = similarities[max(0, min(similarities.count - 1, x - Self.margin))]
            // The eye sees small differences if they are not that small.
            target[x] = max(target[x], UInt8(max(0, min(1, 1 - similarity)).squareRoot() * 255))
        }
    }

    func write(to path: FilePath, pool: BufferPool) throws(ImageError) {
        let rows = HeatMapRows(width: width, height: height) { [self] y in
            differences.start.assumingMemoryBound(to: UInt8.self) + max(Self.margin, min(height - 1 - Self.margin, y)) * width
        }
        guard let format = try Self.format(of: path) else {
            let writer = StreamWriter(.standardOutput)
            try transfer(from: rows, to: writer, pool: pool)
            return try writer.done()
        }
        var options = EncodeOptions()
        (options.format, options.quality, options.isLossless) = (format, 90, format == .webp)
        let sink = try AtomicFile(path, pool: pool)
        _ = try Encoder(options, pool: pool).encode(rows, to: sink)
        try sink.commit()
    }

    /// By the name's ending; nil for standard output, which is a pixel stream. Throws `usage` for another ending.
    static func format(of path: FilePath) throws(ImageError) -> EncodedFormat? {
        if path.isStandardStream { return nil }
        let file = path.lastComponent
        let ending = file.lastIndex(of: UInt8(ascii: ".")).map { String(decoding: file[($0 + 1)...], as: UTF8.self) } ?? ""
        guard let format = EncodedFormat(fileExtension: ending) else { throw .usage("--map \(Console.printable(path.bytes)) has no ending of a format; say .png, .webp, or - for a pixel stream") }
        return format
    }
}

private final class HeatMapRows: RowSource {
    let info: ImageInfo
    let metadata: [MetadataRecord] = []
    let trailingMetadata: [MetadataRecord] = []
    private let row: (Int) -> UnsafePointer<UInt8>
    private var next = 0
    private var hasBegun = false

    init(width: Int, height: Int, _ row: @escaping (Int) -> UnsafeMutablePointer<UInt8>) {
        info = ImageInfo(width: UInt32(width), height: UInt32(height), format: .rgb)
        self.row = { UnsafePointer(row($0)) }
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if hasBegun { return nil }
        hasBegun = true
        return Frame()
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let (width, height) = (Int(info.width), Int(info.height))
        let rows = min(height - next, bands.byteCount / info.rowBytes)
        bands.withUnsafeMutableBytes { bytes in
            for y in 0..<rows {
                let from = row(next + y)
                for x in 0..<width {
                    let heat = 3 * Int(from[x])
                    for c in 0..<3 { bytes[(y * width + x) * 3 + c] = UInt8(max(0, min(255, heat - 255 * c))) }
                }
            }
        }
        next += rows
        return rows
    }
}
