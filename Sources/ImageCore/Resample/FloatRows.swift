/// The inner loops of resampling, scalar: what a vector kernel must equal.
enum FloatRows {
    /// sum = row x weight, or sum += row x weight.
    static func add(
        _ row: UnsafeMutablePointer<Float>, times weight: Float, to sum: UnsafeMutablePointer<Float>, count: Int, fresh: Bool
    ) {
        if fresh {
            for i in 0..<count { sum[i] = row[i] * weight }
        } else {
            for i in 0..<count { sum[i] += row[i] * weight }
        }
    }

    /// One row along its length.
    static func resample(
        _ row: UnsafeMutablePointer<Float>, to output: UnsafeMutablePointer<Float>, _ weights: Weights, channels: Int
    ) {
        switch channels {
        case 1: resample1(row, output, weights.values, weights.windows)
        case 3: resample3(row, output, weights.values, weights.windows)
        case 4: resample4(row, output, weights.values, weights.windows)
        default: resample2(row, output, weights.values, weights.windows)
        }
    }

    // One function for each number of channels, so that the sums stay in registers.

    private static func resample1(
        _ row: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>,
        _ windows: UnsafeBufferPointer<Weights.Window>
    ) {
        for (x, window) in windows.enumerated() {
            var sum: Float = 0
            let (tap, from) = (values + window.offset, row + window.first)
            for i in 0..<window.count { sum += tap[i] * from[i] }
            output[x] = sum
        }
    }

    private static func resample2(
        _ row: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>,
        _ windows: UnsafeBufferPointer<Weights.Window>
    ) {
        for (x, window) in windows.enumerated() {
            var sum = SIMD2<Float>.zero
            let (tap, from) = (values + window.offset, row + 2 * window.first)
            for i in 0..<window.count { sum += tap[i] * SIMD2(from[2 * i], from[2 * i + 1]) }
            (output[2 * x], output[2 * x + 1]) = (sum[0], sum[1])
        }
    }

    private static func resample3(
        _ row: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>,
        _ windows: UnsafeBufferPointer<Weights.Window>
    ) {
        for (x, window) in windows.enumerated() {
            var (r, g, b): (Float, Float, Float) = (0, 0, 0)
            let (tap, from) = (values + window.offset, row + 3 * window.first)
            for i in 0..<window.count {
                let weight = tap[i]
                r += weight * from[3 * i]
                g += weight * from[3 * i + 1]
                b += weight * from[3 * i + 2]
            }
            (output[3 * x], output[3 * x + 1], output[3 * x + 2]) = (r, g, b)
        }
    }

    private static func resample4(
        _ row: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>, _ values: UnsafePointer<Float>,
        _ windows: UnsafeBufferPointer<Weights.Window>
    ) {
        for (x, window) in windows.enumerated() {
            var sum = SIMD4<Float>.zero
            let tap = values + window.offset
            let from = UnsafeRawPointer(row + 4 * window.first)
            for i in 0..<window.count { sum += tap[i] * from.load(fromByteOffset: 16 * i, as: SIMD4<Float>.self) }
            UnsafeMutableRawPointer(output + 4 * x).storeBytes(of: sum, as: SIMD4<Float>.self)
        }
    }
}

/// Samples as Floats in 0...maximum, colour multiplied by alpha, and back.
struct FloatPixels {
    private let format: PixelFormat
    private let maximum: Float

    init(_ format: PixelFormat) {
        self.format = format
        maximum = Float(format.sample.maximum)
    }

    func load(_ row: UnsafeRawPointer, to target: UnsafeMutablePointer<Float>, pixels: Int) {
        switch format.sample {
        case .uint8: load(row.assumingMemoryBound(to: UInt8.self), to: target, pixels)
        case .uint16: load(row.assumingMemoryBound(to: UInt16.self), to: target, pixels)
        }
    }

    private func load<S: FixedWidthInteger>(_ row: UnsafePointer<S>, to target: UnsafeMutablePointer<Float>, _ pixels: Int) {
        let channels = format.channels
        guard format.alpha == .straight else {
            for i in 0..<pixels * channels { target[i] = Float(row[i]) }
            return
        }
        for i in 0..<pixels {
            let (from, to) = (row + i * channels, target + i * channels)
            let alpha = Float(from[channels - 1])
            for c in 0..<channels - 1 { to[c] = Float(from[c]) * alpha / maximum }
            to[channels - 1] = alpha
        }
    }

    /// Straight samples, rounded to nearest. Where nothing is seen, colour is 0.
    func store(_ row: UnsafeMutablePointer<Float>, to target: UnsafeMutableRawPointer, pixels: Int) {
        switch format.sample {
        case .uint8: store(row, to: target.assumingMemoryBound(to: UInt8.self), pixels)
        case .uint16: store(row, to: target.assumingMemoryBound(to: UInt16.self), pixels)
        }
    }

    private func store<S: FixedWidthInteger>(_ row: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<S>, _ pixels: Int) {
        let channels = format.channels
        guard format.hasAlpha else {
            for i in 0..<pixels * channels { target[i] = rounded(row[i]) }
            return
        }
        for i in 0..<pixels {
            let (from, to) = (row + i * channels, target + i * channels)
            let alpha = from[channels - 1]
            let opacity: S = rounded(alpha)
            let factor = opacity > 0 ? maximum / alpha : 0
            for c in 0..<channels - 1 { to[c] = rounded(from[c] * factor) }
            to[channels - 1] = opacity
        }
    }

    @inline(__always)
    private func rounded<S: FixedWidthInteger>(_ value: Float) -> S {
        S(truncatingIfNeeded: Int32(max(0, min(value, maximum)) + 0.5))
    }
}
