/// Planes of YCbCr as RGB rows, bit for bit as djpeg gives them: triangle-filtered ("fancy") chroma for 4:2:2, 4:4:0 and 4:2:0,
/// replicated chroma for 4:1:1, and libjpeg's 16-bit fixed-point colour conversion (jdsample.c and jdcolor.c of
/// libjpeg-turbo 2.1 define the arithmetic). Packed YCbCr becomes RGB too, its alpha kept, straight.
///
/// 4:2:0 and 4:4:0 need the chroma rows above and below, so bands come out one band behind.
final class ChromaUpsampler {
    private let source: any RowSource
    private let info: ImageInfo
    private let chromaWidth: Int
    private let sampleBytes: Int
    /// Three bands as the source gives them: the one before, the one that comes out, the one after.
    private let bands: BufferLease
    private let bandBytes: Int
    /// Full-width chroma of the row that comes out: Cb, then Cr, as Int32 in the source's depth.
    private let chroma: BufferLease
    /// Bands read, and how many of the frame's bands there are.
    private var bandsRead = 0
    private let bandCount: Int
    private var row = 0

    init(_ source: any RowSource, pool: BufferPool) throws(ImageError) {
        self.source = source
        info = source.info
        sampleBytes = info.format.sample.byteCount
        let width = Int(info.width)
        chromaWidth = info.format.layout == .planar ? info.format.chromaWidth(width: width) : width
        bandBytes = info.byteCount(rows: info.format.bandRows)
        bandCount = (Int(info.height) + info.format.bandRows - 1) / info.format.bandRows
        bands = try pool.lease(3 * bandBytes)
        // Room for the columns that a block sticks out at the right.
        chroma = try pool.lease(2 * (width + 4) * MemoryLayout<Int32>.stride)
    }

    /// Before each frame.
    func beginFrame() {
        (bandsRead, row) = (0, 0)
    }

    /// The format of what comes out.
    var format: PixelFormat { info.format.packedRGB }

    /// The next rows of `format`, as many as fit; 0 after the last.
    func read(into target: inout MutableRawSpan) throws(ImageError) -> Int {
        let rowBytes = format.rowBytes(width: Int(info.width))
        let most = target.byteCount / rowBytes
        var done = 0
        let bandRows = info.format.bandRows
        while done < most && row < Int(info.height) {
            let band = row / bandRows
            // What is above and below is read as far as there is something.
            while bandsRead < min(band + 2, bandCount) {
                let rows = min(bandRows, Int(info.height) - bandsRead * bandRows)
                let start = bands.start + bandsRead % 3 * bandBytes
                var place = MutableRawSpan(_unsafeStart: start, byteCount: info.byteCount(rows: rows))
                guard try source.read(into: &place) > 0 else { return done }
                bandsRead += 1
            }
            let offset = done * rowBytes
            target.withUnsafeMutableBytes { target in
                if sampleBytes == 1 {
                    emit(band: band, UInt8.self, to: target.baseAddress! + offset)
                } else {
                    emit(band: band, UInt16.self, to: target.baseAddress! + offset)
                }
            }
            done += 1
            row += 1
        }
        return done
    }

    /// The address of the first luma row of a band, and of its Cb and Cr row.
    private func planes<S>(_ band: Int, _: S.Type) -> (luma: UnsafePointer<S>, cb: UnsafePointer<S>, cr: UnsafePointer<S>) {
        let start = UnsafeRawPointer(bands.start + band % 3 * bandBytes).assumingMemoryBound(to: S.self)
        let lumaRows = min(info.format.bandRows, Int(info.height) - band * info.format.bandRows)
        let cb = start + lumaRows * Int(info.width)
        return (start, cb, cb + chromaWidth)
    }

    private func emit<S: FixedWidthInteger>(band: Int, _: S.Type, to target: UnsafeMutableRawPointer) {
        let width = Int(info.width)
        let out = target.assumingMemoryBound(to: S.self)
        let here = planes(band, S.self)
        if info.format.layout == .packed {
            return convertPacked(here.luma, to: out)
        }
        let inBand = row - band * info.format.bandRows
        let luma = here.luma + inBand * width
        let cb = chroma.start.assumingMemoryBound(to: Int32.self)
        let cr = cb + width + 4
        // The nearer of the neighbouring chroma rows: the one above for the upper luma row of a band. At the top and at the
        // bottom of the picture libjpeg repeats the edge.
        let other = inBand == 0 ? max(band - 1, 0) : min(band + 1, bandCount - 1)
        let beside = info.format.subsampling.vertical == 2 ? planes(other, S.self) : here
        upsample(here.cb, beside.cb, to: cb)
        upsample(here.cr, beside.cr, to: cr)
        for x in 0..<width { Self.convert(Int32(luma[x]), cb[x], cr[x], to: out + 3 * x) }
    }

    private func convertPacked<S: FixedWidthInteger>(_ row: UnsafePointer<S>, to out: UnsafeMutablePointer<S>) {
        let channels = info.format.channels
        let maximum = Int32(S.max)
        for x in 0..<Int(info.width) {
            let pixel = row + channels * x
            let alpha = channels == 4 ? Int32(pixel[3]) : maximum
            func sample(_ c: Int) -> Int32 {
                guard info.format.alpha == .premultiplied else { return Int32(pixel[c]) }
                return Int32(Converter.straight(Int(pixel[c]), Int(alpha), Int(maximum)))
            }
            Self.convert(sample(0), sample(1), sample(2), to: out + channels * x)
            if channels == 4 { out[4 * x + 3] = pixel[3] }
        }
    }

    /// One chroma row at luma's width. `near`: the chroma row of the band, `far`: the neighbour that counts a quarter.
    private func upsample<S: FixedWidthInteger>(_ near: UnsafePointer<S>, _ far: UnsafePointer<S>, to out: UnsafeMutablePointer<Int32>) {
        let n = chromaWidth
        switch info.format.subsampling {
        case .s444:
            for x in 0..<n { out[x] = Int32(near[x]) }
        case .s440:
            // Rounded down for the upper row and up for the lower, so that errors cancel.
            let bias: Int32 = row % 2 == 0 ? 1 : 2
            for x in 0..<n { out[x] = (Int32(near[x]) * 3 + Int32(far[x]) + bias) >> 2 }
        case .s422 where n > 2:
            func at(_ x: Int) -> Int32 { Int32(near[x]) }
            for x in 0..<n {
                out[2 * x] = x == 0 ? at(0) : (at(x) * 3 + at(x - 1) + 1) >> 2
                out[2 * x + 1] = x == n - 1 ? at(x) : (at(x) * 3 + at(x + 1) + 2) >> 2
            }
        case .s420 where n > 2:
            func at(_ x: Int) -> Int32 { Int32(near[x]) * 3 + Int32(far[x]) }
            for x in 0..<n {
                out[2 * x] = x == 0 ? (at(0) * 4 + 8) >> 4 : (at(x) * 3 + at(x - 1) + 8) >> 4
                out[2 * x + 1] = x == n - 1 ? (at(x) * 4 + 7) >> 4 : (at(x) * 3 + at(x + 1) + 7) >> 4
            }
        default:
            // 4:1:1, and rows too narrow for the filter (jdsample.c: downsampled_width > 2).
            let h = info.format.subsampling.horizontal
            for x in 0..<n {
                for i in 0..<h { out[h * x + i] = Int32(near[x]) }
            }
        }
    }

    /// One pixel. The constants are 1.40200, 0.34414, 0.71414 and 1.77200 times 2^16, rounded as in jdcolor.c.
    @inline(__always)
    private static func convert<S: FixedWidthInteger>(_ y: Int32, _ cb: Int32, _ cr: Int32, to out: UnsafeMutablePointer<S>) {
        let center = Int(S.max / 2 + 1)
        let (u, v) = (Int(cb) - center, Int(cr) - center)
        let r = Int(y) + (91881 * v + 32768) >> 16
        let g = Int(y) + (-22554 * u - 46802 * v + 32768) >> 16
        let b = Int(y) + (116130 * u + 32768) >> 16
        out[0] = S(clamping: r)
        out[1] = S(clamping: g)
        out[2] = S(clamping: b)
    }
}
