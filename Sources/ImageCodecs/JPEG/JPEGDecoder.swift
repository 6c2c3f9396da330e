import CCodecShims
import ImageColor
import ImageCore

/// JPEG through libjpeg-turbo: baseline by rows; progressive and other files of several scans are held as coefficients.
///
/// Pixels equal djpeg's: accurate integer DCT, fancy upsampling.
final class JPEGDecoder: RowSource, StatefulDecoder {
    private let jpeg: OpaquePointer
    private let input = CodecInput()
    private let pool: BufferPool
    private let options: DecodeOptions
    private var header = imgpipe_jpeg_header()
    /// The picture as stored: its size and orientation.
    private var full = ImageInfo(width: 1, height: 1, format: .gray)
    var state = DecodingState.idle
    /// Where the picture begins in its source.
    private var startBytes: UInt64 = 0
    /// CMYK rows on their way to RGB, or one row of MCUs on its way to bands.
    private var scratch: HeldBuffer?
    private var planes: JPEGPlanes?
    private var cmyk: CMYKConverter?
    private var profileIsBroken = false
    private var hasWholeXMP = true

    private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    private(set) var metadata: [MetadataRecord] = []
    var trailingMetadata: [MetadataRecord] { [] }

    init(pool: BufferPool, options: DecodeOptions) throws(ImageError) {
        guard let jpeg = imgpipe_jpeg_decoder_new() else { throw .outOfMemory }
        (self.jpeg, self.pool, self.options) = (jpeg, pool, options)
    }

    deinit { imgpipe_jpeg_decoder_free(jpeg) }

    /// Reads up to the first scan of the JPEG in `source`.
    func open(_ source: ByteSource) throws(ImageError) -> JPEGDecoder {
        state = .idle
        input.open(source, pool: pool)
        startBytes = source.positionBytes
        scratch = nil
        planes = nil
        try watched { () throws(ImageError) in
            try readHeader()
            state.opened()
            try chooseScale()
            let output = try chooseOutput()
            info.orientation = full.orientation
            info.setTransfer(from: metadata)
            try check(imgpipe_jpeg_start(jpeg, Int32(output), planes == nil ? 0 : 1))
            if header.progressive != 0 { state.loaded() }
        }
        return self
    }

    private func readHeader() throws(ImageError) {
        var collected = JPEGMetadata(limits: options.limits)
        input.takeMetadata = { (code, bytes) throws(ImageError) in try collected.take(code: code, bytes) }
        defer {
            input.takeMetadata = { _, _ in }
            // Also of a picture that cannot be read.
            (metadata, hasWholeXMP) = collected.records()
        }
        try check(
            imgpipe_jpeg_read_header(
                jpeg, input.callbacks,
                { context, code, bytes, count in
                    Unmanaged<CodecInput>.fromOpaque(context!).takeUnretainedValue().metadata(UInt32(code), bytes, count)
                }, Int32(clamping: options.limits.scans), pool.deadline.nanoseconds, options.salvages ? 1 : 0, &header))
        try options.limits.check(width: header.width, height: header.height)
        if header.progressive != 0 { try options.limits.check(.memory, header.coefficient_bytes) }
        full = ImageInfo(width: header.width, height: header.height, format: .gray)
        if options.orientation != .ignore { full.setOrientation(from: collected.records().0) }
    }

    /// How many times as large as what is wanted a picture stays when its inverse DCT makes it so many times smaller: libjpeg-turbo is
    /// quick at these. What 4 x 4 coefficients of a block give is nearly what Lanczos would leave; the fewer they are, the more they are
    /// a mean, which dulls what is only little coarser. At these, photographs lie 45 dB and more from what comes of them whole
    /// (Tests/conformance/scaled.py).
    private static let scales: [(factor: UInt32, left: UInt32)] = [(8, 6), (4, 3), (2, 2)]

    private func chooseScale() throws(ImageError) {
        guard let size = options.targetSize(of: full) else { return }
        let scale = Self.scales.first { (factor, left) in
            let most = UInt64(factor * left)
            let isLargeEnough = UInt64(size.width) * most <= full.width && UInt64(size.height) * most <= full.height
            // Rows that are turned here would have the picture's end within a pixel at another side.
            let staysInPlace = options.orientation != .apply || full.orientation == 1 || (full.width % factor == 0 && full.height % factor == 0)
            return isLargeEnough && staysInPlace
        }
        if let scale { try check(imgpipe_jpeg_scale(jpeg, Int32(scale.factor), &header)) }
    }

    /// Sets `info`; returns the colour space that libjpeg is to give.
    private func chooseOutput() throws(ImageError) -> Int {
        let stored = Int(header.color_space)
        let format: PixelFormat
        let output: Int
        switch stored {
        case IMGPIPE_JPEG_GRAY: (format, output) = (.gray, stored)
        // Colour of another profile is converted before it is made grey.
        case IMGPIPE_JPEG_YCBCR where options.pixels == .gray && metadata[.icc] == nil: (format, output) = (.gray, IMGPIPE_JPEG_GRAY)
        case IMGPIPE_JPEG_YCBCR:
            // Planes go as they are or not at all: other depths are for RGB.
            if options.pixels == .native, options.sample != .uint16, let subsampling = JPEGPlanes.subsampling(header) {
                (format, output) = (PixelFormat(planar: subsampling), IMGPIPE_JPEG_YCBCR)
            } else {
                (format, output) = (.rgb, IMGPIPE_JPEG_RGB)
            }
        case IMGPIPE_JPEG_RGB: (format, output) = (.rgb, IMGPIPE_JPEG_RGB)
        case IMGPIPE_JPEG_CMYK, IMGPIPE_JPEG_YCCK: (format, output) = (.rgb, IMGPIPE_JPEG_CMYK)
        default: throw .unsupported("JPEG of \(header.components) components of no known colour space")
        }
        info = ImageInfo(width: header.width, height: header.height, format: format)
        (info.fullWidth, info.fullHeight) = (full.width, full.height)
        info.source = .jpeg
        let perMetre = header.density_unit == 1 ? 10000.0 / 254 : header.density_unit == 2 ? 100 : 0
        info.density = (
            UInt32((Double(header.density_x) * perMetre).rounded()), UInt32((Double(header.density_y) * perMetre).rounded())
        )
        (cmyk, profileIsBroken) = (nil, false)
        if output == IMGPIPE_JPEG_CMYK {
            // The profile is CMYK's: it serves here, and does not fit the rows that leave.
            cmyk = metadata[.icc].flatMap { CMYKConverter($0, isInverted: header.adobe != 0) }
            profileIsBroken = cmyk == nil && metadata[.icc] != nil
            if cmyk != nil { info.color = .sRGB(.rgb) }
            metadata.removeAll { $0.type == .icc }
        }
        if format.layout == .planar { planes = try JPEGPlanes(header, pool: pool) }
        return output
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if state.beginsFrame(rows: Int(info.height)) { return Frame() }
        try watched { () throws(ImageError) in try check(imgpipe_jpeg_finish(jpeg)) }
        input.close(unread: imgpipe_jpeg_unread(jpeg))
        scratch = nil
        planes = nil
        state.completed()
        return nil
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rowsLeft = state.rowsLeft
        let count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: rowsLeft)
        guard rowsLeft > 0 else { return 0 }
        do throws(ImageError) {
            let done = try bands.withUnsafeMutableBytes { (target) throws(ImageError) in
                let start = target.baseAddress!.assumingMemoryBound(to: UInt8.self)
                if planes != nil { return try readPlanes(into: start, rows: count) }
                if header.color_space == IMGPIPE_JPEG_CMYK || header.color_space == IMGPIPE_JPEG_YCCK {
                    return try readCMYK(into: start, rows: count)
                }
                return try readRows(into: start, rowBytes: info.rowBytes, rows: count)
            }
            let real = options.salvages ? try rowsThatCame(done) : done
            state.took(real)
            return real
        } catch {
            state.failed(error)
            throw error
        }
    }

    // MARK: Salvage

    /// How many of the next `count` rows are not behind the end of the input. Throws what ended it when there is none.
    private func rowsThatCame(_ count: Int) throws(ImageError) -> Int {
        let damage = imgpipe_jpeg_damage_of(jpeg)
        guard damage.first_missing < damage.row_count else { return count }
        // Of the row of MCUs that is cut, the blocks on the left came.
        let cut = (Int(damage.first_missing) + 1) * Int(damage.row_height)
        let left = cut - (Int(info.height) - state.rowsLeft)
        if left <= 0 { throw fault! }
        return min(count, left)
    }

    private var fault: ImageError? {
        let damage = imgpipe_jpeg_damage_of(jpeg)
        let place = startBytes + damage.at_byte
        return switch damage.kind {
        case IMGPIPE_OK: nil
        case IMGPIPE_TRUNCATED: .truncated(atByte: place)
        default: .damaged(lowered(String(cString: imgpipe_jpeg_message(jpeg))), atByte: place)
        }
    }

    /// It is the thumbnail of a picture that has these, and is as upright as that one.
    func standsIn(for metadata: [MetadataRecord]) {
        self.metadata = metadata
        if options.orientation != .ignore { info.setOrientation(from: metadata) }
    }

    var uncutRows: Int {
        let damage = imgpipe_jpeg_damage_of(jpeg)
        return damage.first_missing < damage.row_count ? Int(damage.first_missing) * Int(damage.row_height) : .max
    }

    var damage: KnownDamage {
        let damage = imgpipe_jpeg_damage_of(jpeg)
        guard let fault, let rows = damage.rows else { return KnownDamage() }
        let (height, side) = (Int(info.height), Int(damage.row_height))
        // The rows above and below share chroma with this row of MCUs, where rows come with chroma made as large as luma.
        let vertical = [header.vertical.0, header.vertical.1, header.vertical.2, header.vertical.3].prefix(Int(header.components))
        let reach = planes == nil && vertical.min() != vertical.max() ? 1 : 0
        var records: [DamageRecord] = []
        for i in 0..<Int(damage.row_count) {
            let state = Int(rows[i]) == IMGPIPE_ROWS_WHOLE && i == Int(damage.first_missing) ? IMGPIPE_ROWS_CONCEALED : Int(rows[i])
            guard let kind = DamageRecord.Kind(rawValue: UInt32(state)) else { continue }
            let (first, end) = (max(0, i * side - reach), min(height, (i + 1) * side + reach))
            if first < end { records.append(DamageRecord(firstRow: UInt32(first), rowCount: UInt32(end - first), kind, "\(fault)")) }
        }
        return KnownDamage(fault: fault, rows: records, isEmpty: damage.is_empty != 0)
    }

    private func readRows(into start: UnsafeMutablePointer<UInt8>, rowBytes: Int, rows: Int) throws(ImageError) -> Int {
        var done: UInt32 = 0
        try check(imgpipe_jpeg_read_rows(jpeg, start, rowBytes, UInt32(rows), &done))
        return Int(done)
    }

    private func readPlanes(into start: UnsafeMutablePointer<UInt8>, rows: Int) throws(ImageError) -> Int {
        let jpeg = jpeg
        var code = IMGPIPE_OK
        let done = planes!.take(rows, of: state.rowsLeft, into: start) { rows in
            var done: UInt32 = 0
            code = imgpipe_jpeg_read_planes(jpeg, rows, &done)
            return code == IMGPIPE_OK
        }
        try check(code)
        return done
    }

    /// Through the profile where there is one, else by the formula that djpeg has: c x k / 255, rounded, of samples where 255 is no ink.
    /// So Adobe's programs write them, and their marker says so; without it 255 is all ink, as libvips and Little CMS take it.
    private func readCMYK(into start: UnsafeMutablePointer<UInt8>, rows: Int) throws(ImageError) -> Int {
        let width = Int(info.width)
        if scratch == nil { scratch = HeldBuffer(try pool.lease(width * 4)) }
        let row = scratch!.start.assumingMemoryBound(to: UInt8.self)
        for y in 0..<rows {
            _ = try readRows(into: row, rowBytes: width * 4, rows: 1)
            let target = start + y * width * 3
            if let cmyk {
                cmyk.convert(row, to: target, pixels: width)
                continue
            }
            let ink: UInt8 = header.adobe != 0 ? 0 : 255
            for x in 0..<width {
                let k = Int(row[4 * x + 3] ^ ink)
                for c in 0..<3 {
                    target[3 * x + c] = UInt8((Int(row[4 * x + c] ^ ink) * k * 2 + 255) / 510)
                }
            }
        }
        return rows
    }

    /// The rows are not of the file's colours: made grey, or RGB of CMYK.
    var changesColors: Bool {
        let isCMYK = [IMGPIPE_JPEG_CMYK, IMGPIPE_JPEG_YCCK].contains(Int(header.color_space))
        return isCMYK || (info.format.model == .gray && header.color_space != IMGPIPE_JPEG_GRAY)
    }

    /// What of the file could not be taken along.
    var warnings: [String] {
        (profileIsBroken ? ["its ICC profile cannot be used; made RGB by the usual formula"] : [])
            + (hasWholeXMP ? [] : ["a part of its XMP is missing or cannot be joined, and is left out"])
    }

    /// What was odd, but harmed no pixel.
    var remarks: [String] {
        let text = String(cString: imgpipe_jpeg_warning(jpeg))
        let isPlainCMYK = [IMGPIPE_JPEG_CMYK, IMGPIPE_JPEG_YCCK].contains(Int(header.color_space)) && cmyk == nil && !profileIsBroken
        return (text.isEmpty ? [] : [lowered(text)])
            + (isPlainCMYK ? ["CMYK without a profile; made RGB by the usual formula"] : [])
    }

    private func check(_ code: imgpipe_code) throws(ImageError) {
        if code == IMGPIPE_OK { return }
        throw input.error(code, imgpipe_jpeg_message(jpeg), unread: imgpipe_jpeg_unread(jpeg), limits: options.limits)
    }
}
