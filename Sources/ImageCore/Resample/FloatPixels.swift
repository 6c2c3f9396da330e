/// Samples as Floats in 0...maximum, colour multiplied by alpha, as they are encoded or in linear light; and back.
struct FloatPixels {
    private let format: PixelFormat
    private let maximum: Float
    /// What a sample of linear light is, by its encoded value; empty where the work is done in encoded samples.
    private let linear: [Float]
    private let transfer: Transfer

    /// `isLinear`: samples become light by the transfer function that `info` says.
    init(_ info: ImageInfo, isLinear: Bool) {
        format = info.format
        maximum = Float(format.sample.maximum)
        let steps = format.sample.maximum
        let transfer = Transfer(code: info.color.transfer)
        self.transfer = transfer
        linear = isLinear ? (0...steps).map { Float(transfer.linear(Double($0) / Double(steps)) * Double(steps)) } : []
    }

    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, pixels: Int) {
        switch format.sample {
        case .uint8: load(row.assumingMemoryBound(to: UInt8.self), to: target, pixels)
        case .uint16: load(row.assumingMemoryBound(to: UInt16.self), to: target, pixels)
        }
    }

    private func load<S: FixedWidthInteger>(_ row: UnsafePointer<S>, to target: UnsafeMutablePointer<Float>, _ pixels: Int) {
        let channels = format.channels
        if linear.isEmpty {
            for i in 0..<pixels * channels { target[i] = Float(row[i]) }
        } else {
            let colors = format.model.colorChannels
            for i in 0..<pixels * channels { target[i] = i % channels < colors ? linear[Int(row[i])] : Float(row[i]) }
        }
        guard format.alpha == .straight else { return }
        for i in 0..<pixels {
            let pixel = target + i * channels
            for c in 0..<channels - 1 { pixel[c] = pixel[c] * pixel[channels - 1] / maximum }
        }
    }

    /// Straight samples, rounded to nearest. Where nothing is seen, colour is 0. `row` is spoiled.
    func store(_ row: UnsafeMutablePointer<Float>, to target: UnsafeMutableRawPointer, pixels: Int) {
        switch format.sample {
        case .uint8: store(row, to: target.assumingMemoryBound(to: UInt8.self), pixels)
        case .uint16: store(row, to: target.assumingMemoryBound(to: UInt16.self), pixels)
        }
    }

    private func store<S: FixedWidthInteger>(_ row: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<S>, _ pixels: Int) {
        let channels = format.channels
        if format.hasAlpha {
            for i in 0..<pixels {
                let pixel = row + i * channels
                let opacity: S = rounded(pixel[channels - 1])
                let factor = opacity > 0 ? maximum / pixel[channels - 1] : 0
                for c in 0..<channels - 1 { pixel[c] *= factor }
            }
        }
        if !linear.isEmpty {
            let colors = format.model.colorChannels
            for i in 0..<pixels * channels where i % channels < colors {
                let light = Double(max(0, min(row[i], maximum)) / maximum)
                row[i] = Float(transfer.encoded(light)) * maximum
            }
        }
        for i in 0..<pixels * channels { target[i] = rounded(row[i]) }
    }

    @inline(__always)
    private func rounded<S: FixedWidthInteger>(_ value: Float) -> S {
        S(truncatingIfNeeded: Int32(max(0, min(value, maximum)) + 0.5))
    }
}
