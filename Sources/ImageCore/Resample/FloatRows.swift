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
