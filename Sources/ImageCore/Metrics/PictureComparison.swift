/// Compares two pictures row by row, once they are in the same terms: upright, in one space of colour, of one depth.
public struct PictureComparison {
    private let metrics: [QualityMetric]
    private let planes: SSIMPlanes
    private let pool: BufferPool

    /// `planes`: what SSIM is measured of besides luma.
    public init(_ metrics: [QualityMetric], planes: SSIMPlanes = .none, pool: BufferPool) {
        (self.metrics, self.planes, self.pool) = (metrics, planes, pool)
    }

    /// Grey compares with grey as grey, else all as RGB, in the greater depth; where one has alpha both are blended with black and with white,
    /// and of each metric the worse score counts. Throws `unsupported` for pictures of other sizes or frames.
    ///
    /// `map`: is given SSIM at each place where its window fits, of every frame, and where there is alpha on black and on white.
    public func scores(
        reference: any RowSource, test: any RowSource, map: ((_ row: Int, UnsafeBufferPointer<Float>) -> Void)? = nil
    ) throws(ImageError) -> QualityScores {
        let (a, b) = (reference.info, test.info)
        guard a.uprightSize == b.uprightSize else {
            throw .unsupported("sizes differ: \(a.uprightSize.width)x\(a.uprightSize.height) and \(b.uprightSize.width)x\(b.uprightSize.height)")
        }
        let hasAlpha = a.format.hasAlpha || b.format.hasAlpha
        let sample: SampleType = a.format.sample == .uint16 || b.format.sample == .uint16 ? .uint16 : .uint8
        let model: ColorModel = a.format.model == .gray && b.format.model == .gray ? .gray : .rgb
        let terms = PixelFormat(model, alpha: hasAlpha ? .straight : .none, sample: sample)
        let first = try inTerms(reference, terms), second = try inTerms(test, terms)
        var info = first.info
        info.setFormat(PixelFormat(model, sample: sample))
        var total: [QualityScores] = []
        while true {
            let (more, other) = (try first.nextFrame() != nil, try second.nextFrame() != nil)
            guard more == other else { throw .unsupported("the numbers of frames differ") }
            if !more { break }
            let meters = try (hasAlpha ? [0, 1] : [1]).map { (white) throws(ImageError) in
                (ground: white, meter: try FrameMeter(info, metrics, planes: planes, pool: pool, map: map))
            }
            try pass(first, second, terms, info) { (a, b) in
                if !hasAlpha { return meters[0].meter.add(a, b) }
                for (ground, meter) in meters { blended.withBlended(a, b, terms, Int(info.width), ground: ground, meter.add) }
            }
            let scores = meters.map { $0.meter.end() }
            total.append(scores.dropFirst().reduce(scores[0]) { $0.worse($1) })
        }
        guard let first = total.first else { throw .damaged("a picture without a frame") }
        // Of an animation the worst frame counts.
        return total.dropFirst().reduce(first) { $0.worse($1) }
    }

    private let blended = BlendedRows()

    private func inTerms(_ rows: any RowSource, _ terms: PixelFormat) throws(ImageError) -> any RowSource {
        let same: any RowSource = rows.info.format == terms ? rows : try Converter(rows, to: terms, pool: pool)
        return try upright(same, pool: pool)
    }

    /// Gives each row of both.
    private func pass(
        _ first: any RowSource, _ second: any RowSource, _ terms: PixelFormat, _ info: ImageInfo, _ take: (UnsafeRawPointer, UnsafeRawPointer) -> Void
    ) throws(ImageError) {
        let rowBytes = terms.rowBytes(width: Int(info.width))
        let bandBytes = max(first.info.bandBufferBytes, second.info.bandBufferBytes)
        let firstBuffer = try pool.lease(bandBytes), secondBuffer = try pool.lease(bandBytes)
        var (a, b) = (Band(), Band())
        for row in 0..<Int(info.height) {
            if row % 16 == 0 { try pool.deadline.check() }
            if a.next == a.count { a = Band(count: try first.readRows(to: firstBuffer.start, byteCount: bandBytes)) }
            if b.next == b.count { b = Band(count: try second.readRows(to: secondBuffer.start, byteCount: bandBytes)) }
            take(firstBuffer.start + a.next * rowBytes, secondBuffer.start + b.next * rowBytes)
            a.next += 1
            b.next += 1
        }
    }

    private struct Band {
        var next = 0
        var count = 0

        init(count: Int = 0) { self.count = count }
    }
}

/// Rows of two pictures with alpha, blended with black or white.
final class BlendedRows {
    private var first: [UInt8] = []
    private var second: [UInt8] = []

    func withBlended(
        _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ terms: PixelFormat, _ width: Int, ground: Int, _ body: (UnsafeRawPointer, UnsafeRawPointer) -> Void
    ) {
        let byteCount = width * terms.model.colorChannels * terms.sample.byteCount
        if first.count != byteCount { (first, second) = (Array(repeating: 0, count: byteCount), Array(repeating: 0, count: byteCount)) }
        first.withUnsafeMutableBytes { Self.blend(a, terms, width, ground, to: $0.baseAddress!) }
        second.withUnsafeMutableBytes { Self.blend(b, terms, width, ground, to: $0.baseAddress!) }
        first.withUnsafeBytes { a in second.withUnsafeBytes { b in body(a.baseAddress!, b.baseAddress!) } }
    }

    private static func blend(_ row: UnsafeRawPointer, _ terms: PixelFormat, _ width: Int, _ ground: Int, to target: UnsafeMutableRawPointer) {
        if terms.sample == .uint8 {
            blend(row.assumingMemoryBound(to: UInt8.self), terms.model.colorChannels, width, ground, to: target.assumingMemoryBound(to: UInt8.self))
        } else {
            blend(row.assumingMemoryBound(to: UInt16.self), terms.model.colorChannels, width, ground, to: target.assumingMemoryBound(to: UInt16.self))
        }
    }

    /// Colour x alpha + ground x (1 - alpha), rounded.
    private static func blend<T: FixedWidthInteger>(_ row: UnsafePointer<T>, _ channels: Int, _ width: Int, _ ground: Int, to target: UnsafeMutablePointer<T>) {
        let maximum = Int(T.max)
        for i in 0..<width {
            let alpha = Int(row[i * (channels + 1) + channels])
            for c in 0..<channels {
                target[i * channels + c] = T(truncatingIfNeeded: (Int(row[i * (channels + 1) + c]) * alpha + ground * maximum * (maximum - alpha) + maximum / 2) / maximum)
            }
        }
    }
}
