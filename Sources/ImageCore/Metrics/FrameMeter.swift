import Glibc

/// Scores one frame as its rows come, in memory for a few rows.
final class FrameMeter {
    private let format: PixelFormat
    private let width: Int
    private let metrics: [QualityMetric]
    private var squares: SquaredError
    private let ssim: StructuralSimilarity?
    private let scaled: StructuralSimilarity?
    private let multiScale: MultiScaleSimilarity?
    private let ssimulacra2: SSIMULACRA2?
    private let luma: LumaFork
    private let lumaRows: PaddedRows<Float>
    /// Planes besides luma: what each channel adds to them.
    private let planes: [(weights: [Float], offset: Float, filter: StructuralSimilarity)]

    /// `info`: packed grey or RGB without alpha. Throws `unsupported` for pictures that a metric is not defined for.
    init(
        _ info: ImageInfo, _ metrics: [QualityMetric], planes: SSIMPlanes = .none, pool: BufferPool, map: ((_ row: Int, UnsafeBufferPointer<Float>) -> Void)? = nil
    ) throws(ImageError) {
        (format, self.metrics) = (info.format, metrics)
        let (width, height) = (Int(info.width), Int(info.height))
        self.width = width
        squares = SquaredError(info.format)
        func need(_ least: Int, _ metric: QualityMetric) throws(ImageError) {
            if min(width, height) < least { throw .unsupported("\(metric.rawValue) needs \(least) pixels a side, of \(width)x\(height)") }
        }
        var branches: [any LumaPairs] = []
        if metrics.contains(.ssim) || map != nil {
            try need(StructuralSimilarity.windowSide, .ssim)
            let whole = try StructuralSimilarity(width: width, height: height, pool: pool, map: map)
            branches.append(whole)
            ssim = whole
        } else {
            ssim = nil
        }
        if metrics.contains(.ssimScaled) {
            // Half up, as Matlab rounds.
            let factor = max(1, (min(width, height) + 128) / 256)
            let small = (LumaReducer.reduced(width, by: factor), LumaReducer.reduced(height, by: factor))
            try need(StructuralSimilarity.windowSide, .ssimScaled)
            let filter = try StructuralSimilarity(width: small.0, height: small.1, pool: pool)
            branches.append(factor == 1 ? filter : try LumaReducer(factor: factor, width: width, height: height, pool: pool, to: filter))
            scaled = filter
        } else {
            scaled = nil
        }
        if metrics.contains(.msSSIM) {
            try need(MultiScaleSimilarity.leastSide, .msSSIM)
            let filter = try MultiScaleSimilarity(width: width, height: height, pool: pool)
            branches.append(filter)
            multiScale = filter
        } else {
            multiScale = nil
        }
        if metrics.contains(.ssimulacra2) {
            try need(SSIMULACRA2.leastSide, .ssimulacra2)
            ssimulacra2 = try SSIMULACRA2(width: width, height: height, pool: pool)
        } else {
            ssimulacra2 = nil
        }
        luma = LumaFork(branches)
        let terms: [(weights: [Float], offset: Float)] =
            switch (planes, info.format.model) {
            case (.channels, .gray): [([1], 0)]
            case (.channels, _): [([1, 0, 0], 0), ([0, 1, 0], 0), ([0, 0, 1], 0)]
            case (.chroma, .rgb): JFIFChroma.weights.map { ($0, JFIFChroma.offset) }
            default: []
            }
        if !terms.isEmpty { try need(StructuralSimilarity.windowSide, .ssim) }
        self.planes = try terms.map { (term) throws(ImageError) in
            (term.weights, term.offset, try StructuralSimilarity(width: width, height: height, pool: pool))
        }
        lumaRows = try PaddedRows(2, samples: width + 8, pool: pool)
    }

    /// A row of each.
    func add(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer) {
        let count = width * format.channels
        ssimulacra2?.add(a, b, format)
        if format.sample == .uint8 {
            let (a, b) = (a.assumingMemoryBound(to: UInt8.self), b.assumingMemoryBound(to: UInt8.self))
            if metrics.contains(.psnr) { squares.add(a, b, count) }
            if !luma.isEmpty {
                for (row, samples) in [a, b].enumerated() {
                    if format.model == .gray { VectorOps.best.load8(samples, lumaRows[row], width) } else { VectorOps.best.luma8(samples, lumaRows[row], width) }
                }
                luma.add(lumaRows[0], lumaRows[1])
            }
            addPlanes(a, b, unit: 1)
        } else {
            let (a, b) = (a.assumingMemoryBound(to: UInt16.self), b.assumingMemoryBound(to: UInt16.self))
            if metrics.contains(.psnr) { squares.add(a, b, count) }
            // 0...255 of 16 bits, with its fractions.
            let unit: Float = 1 / 257
            if !luma.isEmpty { add(a, b, weights: format.model == .gray ? [1] : [0.299, 0.587, 0.114], offset: 0, unit: unit, to: luma) }
            addPlanes(a, b, unit: unit)
        }
    }

    private func addPlanes<Sample: BinaryInteger>(_ a: UnsafePointer<Sample>, _ b: UnsafePointer<Sample>, unit: Float) {
        for plane in planes { add(a, b, weights: plane.weights, offset: plane.offset, unit: unit, to: plane.filter) }
    }

    private func add<Sample: BinaryInteger>(
        _ a: UnsafePointer<Sample>, _ b: UnsafePointer<Sample>, weights: [Float], offset: Float, unit: Float, to filter: some LumaPairs
    ) {
        for (row, samples) in [a, b].enumerated() { weigh(samples, width, by: weights, offset: offset, unit: unit, to: lumaRows[row]) }
        filter.add(lumaRows[0], lumaRows[1])
    }

    /// All rows were given.
    func end() -> QualityScores {
        var result = QualityScores()
        result.planeSSIM = planes.map(\.filter.mean)
        for metric in metrics {
            switch metric {
            case .psnr:
                let psnr = squares.psnr()
                result.scores.append((metric, psnr.all))
                result.channelPSNR = psnr.channels
            case .ssim: result.scores.append((metric, ssim!.mean))
            case .ssimScaled: result.scores.append((metric, scaled!.mean))
            case .msSSIM: result.scores.append((metric, multiScale!.mean))
            case .ssimulacra2: result.scores.append((metric, ssimulacra2!.score()))
            }
        }
        return result
    }
}

/// A row of a plane out of a row of packed grey or RGB: the samples, each `unit` of 0...255, times their weights, and `offset`.
func weigh<Sample: BinaryInteger>(
    _ samples: UnsafePointer<Sample>, _ width: Int, by weights: [Float], offset: Float, unit: Float, to target: UnsafeMutablePointer<Float>
) {
    guard weights.count > 1 else {
        for i in 0..<width { target[i] = Float(samples[i]) * unit }
        return
    }
    let (r, g, b) = (weights[0] * unit, weights[1] * unit, weights[2] * unit)
    for i in 0..<width { target[i] = Float(samples[3 * i]) * r + Float(samples[3 * i + 1]) * g + Float(samples[3 * i + 2]) * b + offset }
}
