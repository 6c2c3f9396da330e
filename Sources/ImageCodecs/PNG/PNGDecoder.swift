import CCodecShims
import ImageCore

/// PNG through libpng: palettes, small grey and tRNS expanded, 16 bit kept; rows flow unless the file is interlaced.
public final class PNGDecoder: RowSource {
    private let png: OpaquePointer
    private let input = CodecInput()
    private let pool: BufferPool
    private let options: DecodeOptions
    private var rowsLeft = 0
    private var hasFrame = false
    /// The whole picture, when it is interlaced.
    private var whole: HeldBuffer?

    public private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    public private(set) var metadata: [MetadataRecord] = []
    public private(set) var trailingMetadata: [MetadataRecord] = []
    private var isAnimated = false

    public init(pool: BufferPool, options: DecodeOptions) {
        guard let png = imgpipe_png_decoder_new() else { fatalError("out of memory") }
        (self.png, self.pool, self.options) = (png, pool, options)
    }

    deinit { imgpipe_png_decoder_free(png) }

    /// Reads up to the first IDAT of the PNG in `source`.
    func open(_ source: ByteSource) throws(ImageError) -> PNGDecoder {
        input.open(source)
        whole = nil
        var header = imgpipe_png_header()
        try check(imgpipe_png_read_header(png, input.callbacks, Int(clamping: options.limits.metadata), &header))
        try options.limits.check(width: header.width, height: header.height)
        let format = PixelFormat(
            header.gray != 0 ? .gray : .rgb, alpha: header.alpha != 0 ? .straight : .none,
            sample: header.sample_bytes == 2 ? .uint16 : .uint8)
        info = ImageInfo(width: header.width, height: header.height, format: format)
        info.source = .png
        info.depth = UInt8(header.depth)
        info.density = (header.density_x, header.density_y)
        isAnimated = header.animated != 0
        try check(imgpipe_png_start(png, info.rowBytes))
        metadata = try records()
        if options.orientation != .ignore { info.setOrientation(from: metadata) }
        setColor(header)
        trailingMetadata = []
        rowsLeft = Int(info.height)
        hasFrame = true
        if header.interlaced != 0 { try readWhole() }
        return self
    }

    /// What sRGB, gAMA and cHRM say, where no profile says it: PNG 3rd edition, 11.3.2. Other colour than sRGB becomes a profile.
    private func setColor(_ header: imgpipe_png_header) {
        guard metadata[.icc] == nil, header.srgb != 0 || header.gamma > 0 else { return }
        let c = header.chromaticities
        let stated = StatedColor(
            gamma: header.gamma, white: (c.0, c.1), red: (c.2, c.3), green: (c.4, c.5), blue: (c.6, c.7))
        if header.srgb != 0 || stated.isSRGB {
            info.color = .sRGB(info.format.model)
        } else if let profile = stated.profile(isGray: info.format.model == .gray) {
            metadata.append(MetadataRecord(.icc, profile))
        }
    }

    private func records() throws(ImageError) -> [MetadataRecord] {
        var (icc, exif, xmp) = (imgpipe_bytes(), imgpipe_bytes(), imgpipe_bytes())
        try check(imgpipe_png_metadata(png, &icc, &exif, &xmp))
        let records = [(FourCC.icc, icc), (.exif, exif), (.xmp, xmp)].compactMap { type, found in
            found.bytes.map { MetadataRecord(type, Array(UnsafeBufferPointer(start: $0, count: found.count))) }
        }
        try options.limits.check(.metadata, UInt64(records.reduce(0) { $0 + $1.payload.count }))
        return records
    }

    private func readWhole() throws(ImageError) {
        let whole = HeldBuffer(try pool.lease(info.byteCount(rows: Int(info.height))))
        self.whole = whole
        let start = whole.start.assumingMemoryBound(to: UInt8.self)
        try check(imgpipe_png_read_all(png, start, info.rowBytes))
    }

    public func nextFrame() throws(ImageError) -> Frame? {
        if hasFrame {
            hasFrame = false
            return Frame()
        }
        precondition(rowsLeft == 0, "nextFrame before the rows were read")
        try check(imgpipe_png_finish(png))
        let before = metadata
        trailingMetadata = try records().filter { record in !before.contains { $0.type == record.type } }
        input.close(unread: imgpipe_png_unread(png))
        whole = nil
        return nil
    }

    public func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: rowsLeft)
        guard rowsLeft > 0 else { return 0 }
        let (rowBytes, from) = (info.rowBytes, (Int(info.height) - rowsLeft) * info.rowBytes)
        try bands.withUnsafeMutableBytes { (target) throws(ImageError) in
            let start = target.baseAddress!
            if let whole {
                start.copyMemory(from: whole.start + from, byteCount: count * rowBytes)
            } else {
                try check(
                    imgpipe_png_read_rows(png, start.assumingMemoryBound(to: UInt8.self), rowBytes, UInt32(count)))
            }
        }
        rowsLeft -= count
        return count
    }

    /// What of the file could not be taken along.
    var warnings: [String] {
        let lateOrientation = options.orientation == .ignore ? nil : trailingMetadata[.exif].flatMap(Exif.orientation)
        return (isAnimated ? ["animated PNG; only its default image is read"] : [])
            + (lateOrientation ?? 1 != 1 ? ["its orientation stands behind the pixels, and came too late to turn them"] : [])
    }

    /// What was odd, but harmed no pixel.
    var remarks: [String] {
        let text = String(cString: imgpipe_png_warning(png))
        return text.isEmpty ? [] : [lowered(text)]
    }

    private func check(_ code: imgpipe_code) throws(ImageError) {
        if code == IMGPIPE_OK { return }
        if code == IMGPIPE_LIMIT {
            throw .damaged("a chunk states more than the \(options.limits.metadata) bytes of --max-metadata", atByte: input.positionBytes(unread: imgpipe_png_unread(png)))
        }
        throw input.error(code, imgpipe_png_message(png), unread: imgpipe_png_unread(png), limits: options.limits)
    }
}
