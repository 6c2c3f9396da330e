import CCodecShims
import ImageColor
import ImageCore

/// PNG through libpng: palettes, small grey and tRNS expanded, 16 bit kept; rows flow unless the file is interlaced.
final class PNGDecoder: RowSource, StatefulDecoder {
    private let png: OpaquePointer
    private let input = CodecInput()
    private let pool: BufferPool
    private let options: DecodeOptions
    var state = DecodingState.idle
    /// Reads the rows itself, where libpng is not needed for them.
    private let rows: PNGRows
    private var readsRows = false
    /// The whole picture, when it is interlaced.
    private var whole: HeldBuffer?
    /// Of an interlaced one that is cut: rows of it that have something, and what cut it; the first row that has not all its passes.
    private var cut: (rows: Int, fault: ImageError)?
    private var firstCoarseRow: Int?

    private(set) var info = ImageInfo(width: 1, height: 1, format: .gray)
    private(set) var metadata: [MetadataRecord] = []
    private(set) var trailingMetadata: [MetadataRecord] = []
    /// What chunks before the pixels hold, and those behind them.
    private var chunks: PNGMetadata
    private var lateChunks: PNGMetadata
    /// The chunks behind the pixels were looked for ahead.
    private var hasLookedBehind = false
    private var colorRemark: String?

    init(pool: BufferPool, options: DecodeOptions) throws(ImageError) {
        rows = try PNGRows(limits: options.limits, salvages: options.salvages, pool: pool)
        guard let png = imgpipe_png_decoder_new() else { throw .outOfMemory }
        (self.png, self.pool, self.options) = (png, pool, options)
        chunks = PNGMetadata(limits: options.limits)
        lateChunks = chunks
    }

    deinit { imgpipe_png_decoder_free(png) }

    /// Reads up to the first IDAT of the PNG in `source`.
    func open(_ source: ByteSource) throws(ImageError) -> PNGDecoder {
        state = .idle
        input.open(source, pool: pool)
        (whole, cut, firstCoarseRow) = (nil, nil, nil)
        try watched { () throws(ImageError) in
            var header = imgpipe_png_header()
            try readHeader(source, &header)
            try describe(header)
            state.opened()
            try begin(source, header)
        }
        return self
    }

    private func describe(_ header: imgpipe_png_header) throws(ImageError) {
        try options.limits.check(width: header.width, height: header.height)
        let format = PixelFormat(
            header.gray != 0 ? .gray : .rgb, alpha: header.alpha != 0 ? .straight : .none,
            sample: header.sample_bytes == 2 ? .uint16 : .uint8)
        info = ImageInfo(width: header.width, height: header.height, format: format)
        info.source = .png
        info.depth = UInt8(header.depth)
        info.density = (header.density_x, header.density_y)
        metadata = try profile() + chunks.records
        try options.limits.check(.metadata, UInt64(metadata.reduce(0) { $0 + $1.payload.count }))
        if options.orientation != .ignore { info.setOrientation(from: metadata) }
        setColor(header)
        info.setTransfer(from: metadata)
        trailingMetadata = []
    }

    private func begin(_ source: ByteSource, _ header: imgpipe_png_header) throws(ImageError) {
        readsRows = header.interlaced == 0 && header.plain != 0 && !options.usesLibpngAlone
        if readsRows {
            input.close(unread: imgpipe_png_unread(png))
            try rows.begin(source, chunkBytes: imgpipe_png_first_idat_bytes(png), info: info)
        } else {
            try check(imgpipe_png_start(png, info.rowBytes))
            if header.interlaced != 0 { try readWhole() }
        }
    }

    private func readHeader(_ source: ByteSource, _ header: inout imgpipe_png_header) throws(ImageError) {
        chunks = PNGMetadata(limits: options.limits)
        input.takeMetadata = { [unowned self] (code, bytes) throws(ImageError) in try chunks.take(type: FourCC(code: code), bytes) }
        try check(
            imgpipe_png_read_header(
                png, input.callbacks,
                { context, type, bytes, count in
                    let code = UnsafeRawPointer(type!).loadUnaligned(as: UInt32.self)
                    return Unmanaged<CodecInput>.fromOpaque(context!).takeUnretainedValue().metadata(code, bytes, count)
                }, Int(clamping: options.limits.metadata), options.salvages ? 1 : 0, &header))
        hasLookedBehind = try PNGChunks.behindPixels(of: source, limits: options.limits) { (type, bytes) throws(ImageError) in
            try chunks.take(type: type, bytes)
        }
        lateChunks = chunks.following()
        input.takeMetadata = { [unowned self] (code, bytes) throws(ImageError) in
            if !hasLookedBehind { try lateChunks.take(type: FourCC(code: code), bytes) }
        }
    }

    /// What cICP says, else a profile, else sRGB, else gAMA and cHRM: PNG specification, 3rd edition, 4.3. Stated colour other than
    /// sRGB becomes a profile.
    private func setColor(_ header: imgpipe_png_header) {
        colorRemark = nil
        var stated: StatedColor?
        if let code = chunks.codePoints {
            stated = code.matrix == 0 && code.fullRange == 1 ? StatedColor(code) : nil
            if stated != nil {
                info.color = code
                metadata.removeAll { $0.type == .icc }
            } else {
                colorRemark = "cICP of \(code.primaries), \(code.transfer), \(code.matrix), \(code.fullRange) is not known here"
            }
        }
        guard metadata[.icc] == nil else { return }
        if stated == nil && (header.srgb != 0 || header.gamma > 0) {
            stated = header.srgb != 0 ? StatedColor(.sRGB(.rgb)) : StatedColor(gamma: header.gamma, chromaticities: header.chromaticities)
        }
        guard let stated else { return }
        if stated.isSRGB {
            info.color = .sRGB(info.format.model)
        } else if let profile = stated.profile(isGray: info.format.model == .gray) {
            metadata.append(MetadataRecord(.icc, profile))
        }
    }

    private func profile() throws(ImageError) -> [MetadataRecord] {
        var icc = imgpipe_bytes()
        try check(imgpipe_png_profile(png, &icc))
        return icc.bytes.map { [MetadataRecord(.icc, Array(UnsafeBufferPointer(start: $0, count: icc.count)))] } ?? []
    }

    private func readWhole() throws(ImageError) {
        let whole = HeldBuffer(try pool.lease(info.byteCount(rows: Int(info.height))))
        self.whole = whole
        let start = whole.start.assumingMemoryBound(to: UInt8.self)
        var (pass, row): (Int32, UInt32) = (0, 0)
        do throws(ImageError) {
            try check(imgpipe_png_read_all(png, start, info.rowBytes, &pass, &row))
        } catch {
            guard options.salvages else { throw error }
            // Of seven passes, the first brings each eighth row, which stands for those below it; the last one each second row.
            let height = Int(info.height)
            cut = (pass > 0 ? height : min(height, (Int(row) + 7) / 8 * 8), error)
            firstCoarseRow = pass == 6 ? Int(row) : 0
        }
    }

    func nextFrame() throws(ImageError) -> Frame? {
        if state.beginsFrame(rows: Int(info.height)) { return Frame() }
        // Of a picture that is salvaged, also of what came before its end was missed.
        defer { trailingMetadata = lateChunks.records.filter { $0.type.isRepeatable || metadata[$0.type] == nil } }
        try watched { () throws(ImageError) in
            if let cut { throw cut.fault }
            if readsRows {
                try rows.finish { (type, bytes) throws(ImageError) in if !hasLookedBehind { try lateChunks.take(type: type, bytes) } }
                rows.close()
            } else {
                try check(imgpipe_png_finish(png))
            }
        }
        if !readsRows { input.close(unread: imgpipe_png_unread(png)) }
        whole = nil
        state.completed()
        return nil
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rowsLeft = state.rowsLeft
        var count = info.format.rows(width: Int(info.width), fitting: bands.byteCount, remaining: rowsLeft)
        guard rowsLeft > 0 else { return 0 }
        if readsRows { count = PNGRows.wholeGroups(count) }
        do throws(ImageError) {
            let done = try bands.withUnsafeMutableBytes { (target) throws(ImageError) in try read(count, after: Int(info.height) - rowsLeft, to: target.baseAddress!) }
            state.took(done)
            return done
        } catch {
            state.failed(error)
            throw error
        }
    }

    private func read(_ count: Int, after rowsDone: Int, to start: UnsafeMutableRawPointer) throws(ImageError) -> Int {
        let bytes = start.assumingMemoryBound(to: UInt8.self)
        if readsRows { return try rows.read(count, to: bytes) }
        if let whole {
            let here = min(count, (cut?.rows ?? .max) - rowsDone)
            if here <= 0 { throw cut!.fault }
            start.copyMemory(from: whole.start + rowsDone * info.rowBytes, byteCount: here * info.rowBytes)
            return here
        }
        var done: UInt32 = 0
        let code = imgpipe_png_read_rows(png, bytes, info.rowBytes, UInt32(count), &done)
        // Those that came go out; the next call tells why no more did.
        if done == 0 { try check(code) }
        return Int(done)
    }

    var damage: KnownDamage {
        let checksum = String(cString: imgpipe_png_wrong_checksum(png))
        // libpng finds at the end of its stream that something before it is wrong.
        let endsInDoubt = !readsRows && String(cString: imgpipe_png_message(png)).contains("incorrect data check")
        let said = !checksum.isEmpty ? checksum : endsInDoubt ? String(cString: imgpipe_png_message(png)) : ""
        let fault = cut?.fault ?? rows.wrongChecksum.flatMap { readsRows ? $0 : nil } ?? (said.isEmpty ? nil : .damaged(lowered(said)))
        var (row, kind) = (firstCoarseRow, DamageRecord.Kind.coarse)
        if readsRows { (row, kind) = (rows.firstDoubtfulRow, .concealed) }
        // Size, colours, transparency or samples may be others.
        if !checksum.isEmpty || endsInDoubt { (row, kind) = (0, .concealed) }
        guard let fault, let row else { return KnownDamage(fault: fault) }
        return KnownDamage(fault: fault, rows: [DamageRecord(firstRow: UInt32(row), rowCount: info.height - UInt32(row), kind, "\(fault)")])
    }

    var isAnimated: Bool { chunks.isAnimated }

    /// What of the file could not be taken along.
    var warnings: [String] {
        let lateOrientation = options.orientation == .ignore ? nil : trailingMetadata[.exif].flatMap(Exif.orientation)
        return (isAnimated ? ["animated PNG; only its default image is read"] : [])
            + (lateOrientation ?? 1 != 1 ? ["its orientation stands behind the pixels, and came too late to turn them"] : [])
    }

    /// What was odd, but harmed no pixel.
    var remarks: [String] {
        let text = String(cString: imgpipe_png_warning(png))
        return (text.isEmpty ? [] : [lowered(text)]) + (readsRows ? rows.remark.map { [$0] } ?? [] : []) + (colorRemark.map { [$0] } ?? [])
    }

    private func check(_ code: imgpipe_code) throws(ImageError) {
        if code == IMGPIPE_OK { return }
        if code == IMGPIPE_LIMIT {
            throw .damaged("a chunk states more than the \(options.limits.metadata) bytes of --max-metadata", atByte: input.positionBytes(unread: imgpipe_png_unread(png)))
        }
        throw input.error(code, imgpipe_png_message(png), unread: imgpipe_png_unread(png), limits: options.limits)
    }
}
