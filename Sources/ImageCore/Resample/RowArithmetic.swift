import CVectorOps

/// How `RowResampler` holds samples and reckons with them. `Sample` is the type of weights too.
protocol RowArithmetic {
    associatedtype Sample: BitwiseCopyable & ExpressibleByIntegerLiteral

    /// Rows that go along their length together.
    static var lanes: Int { get }

    /// `target`: a padded row.
    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Sample>, pixels: Int)

    /// Weights as samples, while `weights` lives.
    func values(of weights: Weights, pool: BufferPool) throws(ImageError) -> UnsafePointer<Sample>

    /// Adds up to four rows times their weights to `sum`, or sets it where `isFresh`.
    func add(
        _ rows: UnsafePointer<UnsafePointer<Sample>?>, _ weights: UnsafePointer<Sample>, rowCount: Int, to sum: UnsafeMutablePointer<Sample>,
        isFresh: Bool, samples: Int)

    func interleave(_ rows: UnsafePointer<UnsafePointer<Sample>?>, to lanes: UnsafeMutablePointer<Sample>, samples: Int)

    func resample(
        _ lanes: UnsafePointer<Sample>, to output: UnsafeMutablePointer<Sample>, _ windows: UnsafeBufferPointer<Weights.Window>,
        _ weights: UnsafePointer<Sample>, channels: Int)

    /// Rounds lanes, which are spoiled, to rows of `pixels`, one right behind another.
    func store(_ lanes: UnsafeMutablePointer<Sample>, to rows: UnsafeMutableRawPointer, rowCount: Int, pixels: Int)
}

/// Any samples, alpha and linear light: rounded once, at the end.
struct FloatArithmetic: RowArithmetic {
    let pixels: FloatPixels
    let ops: imgpipe_vector_ops

    static var lanes: Int { VectorOps.lanes }

    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, pixels count: Int) { pixels.load(row, to: target, pixels: count) }

    func values(of weights: Weights, pool: BufferPool) throws(ImageError) -> UnsafePointer<Float> { weights.values }

    func add(
        _ rows: UnsafePointer<UnsafePointer<Float>?>, _ weights: UnsafePointer<Float>, rowCount: Int, to sum: UnsafeMutablePointer<Float>,
        isFresh: Bool, samples: Int
    ) {
        ops.add_rows(sum, isFresh ? 1 : 0, rows, weights, Int32(rowCount), samples)
    }

    func interleave(_ rows: UnsafePointer<UnsafePointer<Float>?>, to lanes: UnsafeMutablePointer<Float>, samples: Int) {
        ops.interleave(rows, lanes, samples)
    }

    func resample(
        _ lanes: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>, _ windows: UnsafeBufferPointer<Weights.Window>,
        _ weights: UnsafePointer<Float>, channels: Int
    ) {
        ops.resample(lanes, output, windows.baseAddress, weights, windows.count, Int32(channels))
    }

    func store(_ lanes: UnsafeMutablePointer<Float>, to rows: UnsafeMutableRawPointer, rowCount: Int, pixels count: Int) {
        pixels.store(lanes, to: rows, rowCount: rowCount, pixels: count)
    }
}

/// Samples of 8 bits in 16: half the memory and half the time of Float. A product is rounded to 1/64 of a sample's
/// step; the result is at most 1 off (ResizerTests), as long as not too many products are added. It is for weights of at most 1:
/// reductions, mostly. Colour under an alpha of a / 255 is as exact as is seen: 255 / a times as far off.
struct FixedArithmetic: RowArithmetic {
    let channels: Int
    let ops: imgpipe_vector_ops

    static var lanes: Int { Int(IMGPIPE_FIXED_LANES) }

    /// With more, errors of products add up, and weights become too small to be told apart. A box's weights are all alike, and so are their
    /// products' errors on an even ground: there half a step is the most for both directions.
    static func mostTaps(_ kernel: Kernel) -> Int { kernel == .box ? 32 : 64 }

    static func serves(_ format: PixelFormat, _ weights: Weights) -> Bool {
        let (isPlain, isRGBA) = (format.alpha == .none, format.alpha == .straight && format.channels == 4)
        return format.sample == .uint8 && (isPlain || isRGBA) && weights.longest <= mostTaps(weights.kernel) && weights.largest <= 1
    }

    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Int16>, pixels: Int) {
        let row = row.assumingMemoryBound(to: UInt8.self)
        if channels == 4 { ops.load_rgba_fixed(row, target, pixels) } else { ops.load8_fixed(row, target, pixels * channels) }
    }

    func values(of weights: Weights, pool: BufferPool) throws(ImageError) -> UnsafePointer<Int16> { try weights.fixedPoint(pool: pool) }

    func add(
        _ rows: UnsafePointer<UnsafePointer<Int16>?>, _ weights: UnsafePointer<Int16>, rowCount: Int, to sum: UnsafeMutablePointer<Int16>,
        isFresh: Bool, samples: Int
    ) {
        ops.add_rows_fixed(sum, isFresh ? 1 : 0, rows, weights, Int32(rowCount), samples)
    }

    func interleave(_ rows: UnsafePointer<UnsafePointer<Int16>?>, to lanes: UnsafeMutablePointer<Int16>, samples: Int) {
        ops.interleave_fixed(rows, lanes, samples)
    }

    func resample(
        _ lanes: UnsafePointer<Int16>, to output: UnsafeMutablePointer<Int16>, _ windows: UnsafeBufferPointer<Weights.Window>,
        _ weights: UnsafePointer<Int16>, channels: Int
    ) {
        ops.resample_fixed(lanes, output, windows.baseAddress, weights, windows.count, Int32(channels))
    }

    func store(_ lanes: UnsafeMutablePointer<Int16>, to rows: UnsafeMutableRawPointer, rowCount: Int, pixels: Int) {
        if channels == 4 { ops.unpremultiply_fixed(lanes, pixels) }
        ops.store8_fixed(lanes, rows.assumingMemoryBound(to: UInt8.self), Int32(rowCount), pixels * channels)
    }
}
