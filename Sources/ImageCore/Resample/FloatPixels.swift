import CVectorOps

/// Samples as Floats in 0...maximum, colour multiplied by alpha, as they are encoded or in linear light; and back.
struct FloatPixels {
    private let format: PixelFormat
    private let maximum: Float
    /// What a sample of linear light is, by its encoded value; empty where the work is done in encoded samples.
    private let linear: [Float]
    private let transfer: Transfer
    private let ops: imgpipe_vector_ops

    /// `isLinear`: samples become light by the transfer function that `info` says.
    init(_ info: ImageInfo, isLinear: Bool, ops: imgpipe_vector_ops = VectorOps.best) {
        format = info.format
        self.ops = ops
        maximum = Float(format.sample.maximum)
        let steps = format.sample.maximum
        let transfer = Transfer(code: info.color.transfer) ?? .sRGB
        self.transfer = transfer
        linear = isLinear ? (0...steps).map { Float(transfer.linear(Double($0) / Double(steps)) * Double(steps)) } : []
    }

    /// `target`: a padded row.
    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, pixels: Int) {
        let (channels, colors) = (format.channels, format.model.colorChannels)
        switch format.sample {
        case .uint8: ops.load8(row.assumingMemoryBound(to: UInt8.self), target, pixels * channels)
        case .uint16: ops.load16(row.assumingMemoryBound(to: UInt16.self), target, pixels * channels)
        }
        if !linear.isEmpty {
            for i in 0..<pixels * channels where i % channels < colors { target[i] = linear[Int(target[i])] }
        }
        guard format.alpha == .straight else { return }
        if channels == 4 { return ops.premultiply4(target, pixels, maximum) }
        for i in 0..<pixels { target[2 * i] = target[2 * i] * target[2 * i + 1] / maximum }
    }

    /// Straight samples, rounded to nearest, of up to eight rows whose Floats lie in lanes: sample i of row r at 8 i + r. Where nothing is
    /// seen, colour is 0. `lanes` is spoiled. `rows`: `rowCount` rows of `pixels`, one right behind another.
    func store(_ lanes: UnsafeMutablePointer<Float>, to rows: UnsafeMutableRawPointer, rowCount: Int, pixels: Int) {
        let channels = format.channels
        if format.hasAlpha { ops.unpremultiply(lanes, pixels, Int32(channels), maximum) }
        if !linear.isEmpty { encode(lanes, pixels: pixels) }
        let count = pixels * channels
        switch format.sample {
        case .uint8: ops.store8(lanes, rows.assumingMemoryBound(to: UInt8.self), Int32(rowCount), count)
        case .uint16: ops.store16(lanes, rows.assumingMemoryBound(to: UInt16.self), Int32(rowCount), count)
        }
    }

    private func encode(_ lanes: UnsafeMutablePointer<Float>, pixels: Int) {
        let (channels, colors) = (format.channels, format.model.colorChannels)
        for sample in 0..<pixels * channels where sample % channels < colors {
            for i in sample * VectorOps.lanes..<(sample + 1) * VectorOps.lanes {
                let light = Double(max(0, min(lanes[i], maximum)) / maximum)
                lanes[i] = Float(transfer.encoded(light)) * maximum
            }
        }
    }
}
