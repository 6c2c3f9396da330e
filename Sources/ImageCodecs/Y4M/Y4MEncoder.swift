import ImageCore

/// YUV4MPEG2, which ffmpeg and encoders of video read: a line about all, then for each frame a line and its planes, 8 bits a sample and full range,
/// as in JFIF. One rate holds for all frames: that of the first one. A frame is held whole, as its planes come one after another. Like PAM it has no
/// end mark.
final class Y4MEncoder: RowSink {
    private let sink: any ByteSink
    private let pool: BufferPool
    private var info = ImageInfo(width: 1, height: 1, format: .gray)
    private var planes: HeldBuffer?
    private var row = 0
    private var duration: UInt32?
    private(set) var leftOut: [String] = []

    private var width: Int { Int(info.width) }
    private var height: Int { Int(info.height) }
    private var chromaWidth: Int { info.format.chromaWidth(width: width) }
    private var lumaBytes: Int { width * height }
    private var chromaBytes: Int {
        info.format.model == .gray ? 0 : chromaWidth * ((height + info.format.bandRows - 1) / info.format.bandRows)
    }

    init(_ sink: any ByteSink, pool: BufferPool) {
        (self.sink, self.pool) = (sink, pool)
    }

    /// Of rows: grey, RGB, or planes of YCbCr, each of 8 bits.
    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        self.info = info
        planes = HeldBuffer(try pool.lease(lumaBytes + 2 * chromaBytes))
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {
        row = 0
        if let duration {
            if frame.durationMilliseconds != duration && leftOut.isEmpty { leftOut = ["durations of frames that differ from the first one's"] }
            return try put("FRAME\n")
        }
        duration = frame.durationMilliseconds
        let rate = frame.durationMilliseconds > 0 ? "1000:\(frame.durationMilliseconds)" : "25:1"
        try put("YUV4MPEG2 W\(width) H\(height) F\(rate) Ip A1:1 C\(chroma) XCOLORRANGE=FULL\nFRAME\n")
    }

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        bands.withUnsafeBytes { bytes in
            switch info.format.model {
            case .gray: planes!.start.advanced(by: row * width).copyMemory(from: bytes.baseAddress!, byteCount: rows * width)
            case .rgb: convert(bytes, at: row * width)
            case .ycbcr: part(bytes, rows)
            }
        }
        row += rows
        if row == height { try sink.write(RawSpan(_unsafeStart: planes!.start, byteCount: lumaBytes + 2 * chromaBytes)) }
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {}

    private var chroma: String {
        guard info.format.model != .gray else { return "mono" }
        switch info.format.subsampling {
        case .s444: return "444"
        case .s422: return "422"
        // Sited at the centre, as in a JPEG.
        case .s420: return "420jpeg"
        case .s440: return "440"
        case .s411: return "411"
        }
    }

    private func put(_ text: String) throws(ImageError) {
        try sink.write(Array(text.utf8).span.bytes)
    }

    /// Bands of luma rows, a row of Cb and one of Cr into their planes.
    private func part(_ bytes: UnsafeRawBufferPointer, _ rows: Int) {
        var from = bytes.baseAddress!
        func move(_ count: Int, to place: Int) {
            planes!.start.advanced(by: place).copyMemory(from: from, byteCount: count)
            from += count
        }
        for top in stride(from: row, to: row + rows, by: info.format.bandRows) {
            move(min(info.format.bandRows, row + rows - top) * width, to: top * width)
            let place = lumaBytes + top / info.format.bandRows * chromaWidth
            move(chromaWidth, to: place)
            move(chromaWidth, to: place + chromaBytes)
        }
    }

    /// RGB to the samples `first` and on of each plane: JFIF's matrix in 16 bits of fraction, as libjpeg has it.
    private func convert(_ bytes: UnsafeRawBufferPointer, at first: Int) {
        let luma = planes!.start.advanced(by: first).assumingMemoryBound(to: UInt8.self)
        let cb = luma + lumaBytes, cr = cb + chromaBytes
        for i in 0..<bytes.count / 3 {
            let (r, g, b) = (Int32(bytes[3 * i]), Int32(bytes[3 * i + 1]), Int32(bytes[3 * i + 2]))
            luma[i] = UInt8(truncatingIfNeeded: (19595 * r + 38470 * g + 7471 * b + 32768) >> 16)
            cb[i] = UInt8(truncatingIfNeeded: (32768 * b - 11059 * r - 21709 * g + 0x807FFF) >> 16)
            cr[i] = UInt8(truncatingIfNeeded: (32768 * r - 27439 * g - 5329 * b + 0x807FFF) >> 16)
        }
    }
}
