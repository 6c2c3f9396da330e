/// One of the eight ways in which rows can lie, as EXIF numbers them (CIPA DC-008, tag 0x0112): what is to be done to them for the
/// picture to stand upright.
public struct Orientation: Equatable, Sendable {
    /// 1...8.
    public let code: UInt8

    /// Nil outside 1...8.
    public init?(code: UInt8) {
        guard (1...8).contains(code) else { return nil }
        self.code = code
    }

    /// Rows become columns.
    var swapsSides: Bool { code >= 5 }

    /// Rows keep their order, so that a picture can be turned row by row.
    var keepsRows: Bool { code <= 2 }

    /// Where the upright picture's pixel (x, y) lies in the stored one of `width` x `height`.
    func stored(x: Int, y: Int, width: Int, height: Int) -> (x: Int, y: Int) {
        switch code {
        case 2: (width - 1 - x, y)
        case 3: (width - 1 - x, height - 1 - y)
        case 4: (x, height - 1 - y)
        case 5: (y, x)
        case 6: (y, height - 1 - x)
        case 7: (width - 1 - y, height - 1 - x)
        case 8: (width - 1 - y, x)
        default: (x, y)
        }
    }
}

/// A picture made upright. Mirroring left and right goes row by row; all else holds a frame, leased from the pool, or where that
/// would be over its limit in a temporary file.
final class Orienter: RowSource {
    private let source: any RowSource
    private let pool: BufferPool
    private let orientation: Orientation
    private let pixelBytes: Int
    private var frame: FrameStore?
    private var rowsDone = 0

    let info: ImageInfo
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed rows.
    init(_ source: any RowSource, pool: BufferPool) throws(ImageError) {
        precondition(source.info.format.layout == .packed, "planes are converted before")
        (self.source, self.pool) = (source, pool)
        var info = source.info
        orientation = Orientation(code: info.orientation)!
        pixelBytes = info.format.rowBytes(width: 1)
        info.orientation = 1
        if orientation.swapsSides {
            swap(&info.width, &info.height)
            swap(&info.fullWidth, &info.fullHeight)
            swap(&info.density.x, &info.density.y)
        }
        self.info = info
    }

    func nextFrame() throws(ImageError) -> Frame? {
        rowsDone = 0
        let next = try source.nextFrame()
        if next == nil { frame = nil } else if !orientation.keepsRows { try hold() }
        return next
    }

    private func hold() throws(ImageError) {
        let stored = source.info
        let frame = if let frame { frame } else { try FrameStore(byteCount: stored.byteCount(rows: Int(stored.height)), pool: pool) }
        self.frame = frame
        try frame.fill(from: source)
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        guard let frame else { return try readMirrored(into: &bands) }
        let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: Int(info.height) - rowsDone)
        bands.withUnsafeMutableBytes { turn(frame.start, to: $0.baseAddress!, rows: count) }
        rowsDone += count
        return count
    }

    private func readMirrored(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let count = try source.read(into: &bands)
        guard orientation.code == 2 else { return count }
        let width = Int(info.width)
        bands.withUnsafeMutableBytes { bytes in
            for y in 0..<count {
                let row = bytes.baseAddress! + y * info.rowBytes
                for x in 0..<width / 2 {
                    let (left, right) = (row + x * pixelBytes, row + (width - 1 - x) * pixelBytes)
                    for i in 0..<pixelBytes {
                        let byte = left.load(fromByteOffset: i, as: UInt8.self)
                        left.storeBytes(of: right.load(fromByteOffset: i, as: UInt8.self), toByteOffset: i, as: UInt8.self)
                        right.storeBytes(of: byte, toByteOffset: i, as: UInt8.self)
                    }
                }
            }
        }
        return count
    }

    private func turn(_ stored: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, rows: Int) {
        switch pixelBytes {
        case 1: turn(stored, to: target, rows, as: UInt8.self)
        case 2: turn(stored, to: target, rows, as: UInt16.self)
        case 3: turn(stored, to: target, rows, as: (UInt8, UInt8, UInt8).self)
        case 4: turn(stored, to: target, rows, as: UInt32.self)
        case 6: turn(stored, to: target, rows, as: (UInt16, UInt16, UInt16).self)
        default: turn(stored, to: target, rows, as: UInt64.self)
        }
    }

    /// Upright rows from `rowsDone` on. Stored rows are walked in the outer loop, so that each gives its neighbouring pixels at once.
    private func turn<Pixel: BitwiseCopyable>(
        _ stored: UnsafeMutableRawPointer, to target: UnsafeMutableRawPointer, _ rows: Int, as: Pixel.Type
    ) {
        let (width, height) = (Int(source.info.width), Int(source.info.height))
        func index(_ x: Int, _ y: Int) -> Int {
            let at = orientation.stored(x: x, y: y, width: width, height: height)
            return at.y * width + at.x
        }
        let first = index(0, rowsDone)
        let (stepX, stepY) = (index(1, rowsDone) - first, index(0, rowsDone + 1) - first)
        let outWidth = Int(info.width)
        for x in 0..<outWidth {
            for y in 0..<rows {
                let pixel = stored.loadUnaligned(fromByteOffset: (first + x * stepX + y * stepY) * pixelBytes, as: Pixel.self)
                target.storeBytes(of: pixel, toByteOffset: (y * outWidth + x) * pixelBytes, as: Pixel.self)
            }
        }
    }
}

/// `source` with its rows upright: itself when they are. Planes that are to be turned become RGB. Where more than left and right changes
/// places a frame is held, leased from `pool` or in a temporary file; then `nextFrame` of the result may throw `temporaryFile`. Throws `overLimit(.memory)`.
public func upright(_ source: any RowSource, pool: BufferPool) throws(ImageError) -> any RowSource {
    let info = source.info
    if info.orientation == 1 { return source }
    // Chroma that several pixels share does not survive turning in every case.
    return try Orienter(
        info.format.layout == .planar ? try Converter(source, to: info.format.packedRGB, pool: pool) : source, pool: pool)
}
