import CVectorOps

/// For each output sample of one axis, which input samples count and how much.
///
/// Reducing, the kernel is stretched by the reduction; enlarging, it is as it is. Samples beyond the edge repeat it: their
/// weight is the edge sample's. Every output sample's weights have the sum 1.
///
/// They are in leased memory: for a side of a hundred million samples they are gigabytes.
package final class Weights {
    /// The input samples of one output sample: `first..<first + count`, with weights from `offset` on.
    package typealias Window = imgpipe_window

    private let windowsLease: BufferLease
    private let valuesLease: BufferLease
    private var fixed: HeldBuffer?
    /// One for each output sample; `first` and `end` never decrease.
    package let windows: UnsafeBufferPointer<Window>
    /// The weights of all windows, one after another.
    package let values: UnsafePointer<Float>
    let kernel: Kernel
    /// The most samples that one window has.
    package let longest: Int
    /// The weight farthest from 0, without its sign: more than 1 where enlarging repeats the edge.
    let largest: Float

    /// `inputCount` samples become `outputCount`; both at least 1. `extent`: how many input samples the output covers, where that is no
    /// whole number, as with chroma. Costs outputCount x taps calls of the kernel. Throws `overLimit(.memory)`.
    package init(from inputCount: Int, extent: Double? = nil, to outputCount: Int, kernel: Kernel, pool: BufferPool) throws(ImageError) {
        precondition(inputCount > 0 && outputCount > 0)
        self.kernel = kernel
        let scale = (extent ?? Double(inputCount)) / Double(outputCount)
        let stretch = max(1, scale)
        let reach = kernel.support * stretch
        // No window is longer than what the kernel reaches, and one for each end that it falls on.
        let mostTaps = min(inputCount, Int(2 * reach) + 2)
        windowsLease = try pool.lease(outputCount * MemoryLayout<Window>.stride)
        let (valuesBytes, overflow) = outputCount.multipliedReportingOverflow(by: mostTaps * MemoryLayout<Float>.stride)
        valuesLease = try pool.lease(overflow ? .max / 2 : valuesBytes)
        let windows = UnsafeMutableBufferPointer(
            start: windowsLease.start.bindMemory(to: Window.self, capacity: outputCount), count: outputCount)
        let values = valuesLease.start.bindMemory(to: Float.self, capacity: outputCount * mostTaps)
        var (used, longest, largest) = (0, 0, Float(0))
        for output in 0..<outputCount {
            // Sample i has its centre at i + 0.5 on both axes.
            let center = (Double(output) + 0.5) * scale
            let first = Int((center - reach - 0.5).rounded(.up))
            let last = Int((center + reach - 0.5).rounded(.down))
            let low = min(max(first, 0), inputCount - 1)
            let high = max(min(last, inputCount - 1), low)
            let taps = values + used
            if kernel == .nearest || last < first {
                windows[output] = Window(first: min(Int(center), inputCount - 1), count: 1, offset: used)
                taps[0] = 1
            } else {
                windows[output] = Window(first: low, count: high - low + 1, offset: used)
                Self.fill(taps, low...high, from: first...last, center: center, stretch: stretch, kernel: kernel)
            }
            for i in used..<used + windows[output].count { largest = max(largest, abs(values[i])) }
            used += windows[output].count
            longest = max(longest, windows[output].count)
        }
        self.windows = UnsafeBufferPointer(windows)
        self.values = UnsafePointer(values)
        self.longest = longest
        self.largest = largest
    }

    /// The weights of the samples in `window`; those of `samples` outside go to the nearest inside.
    private static func fill(
        _ taps: UnsafeMutablePointer<Float>, _ window: ClosedRange<Int>, from samples: ClosedRange<Int>, center: Double,
        stretch: Double, kernel: Kernel
    ) {
        for i in 0..<window.count { taps[i] = 0 }
        var (tap, place, sum) = (0.0, window.lowerBound, 0.0)
        kernel.forEach(from: (Double(samples.lowerBound) + 0.5 - center) / stretch, step: 1 / stretch, count: samples.count) { number, weight in
            let i = min(max(samples.lowerBound + number, window.lowerBound), window.upperBound)
            // What lies outside is added to the edge in Double.
            tap = i == place ? tap + weight : weight
            place = i
            taps[i - window.lowerBound] = Float(tap)
            sum += weight
        }
        for i in 0..<window.count { taps[i] = Float(Double(taps[i]) / sum) }
    }

    /// The weights times 32768, so that those of a window have that sum, as far as 16 bits hold it. Made once.
    func fixedPoint(pool: BufferPool) throws(ImageError) -> UnsafePointer<Int16> {
        if fixed == nil {
            let buffer = HeldBuffer(try pool.lease((windows.last!.offset + windows.last!.count) * MemoryLayout<Int16>.stride))
            let target = buffer.start.bindMemory(to: Int16.self, capacity: buffer.count / MemoryLayout<Int16>.stride)
            for window in windows {
                var (exact, given) = (0.0, 0)
                for i in window.offset..<window.end - window.first + window.offset {
                    exact += Double(values[i]) * 32768
                    // Rounded to nearest; the compiler's own is a call.
                    target[i] = Int16(clamping: Int(exact + 65536.5) - 65536 - given)
                    given += Int(target[i])
                }
            }
            fixed = buffer
        }
        return UnsafePointer(fixed!.start.assumingMemoryBound(to: Int16.self))
    }

    /// The most output samples whose windows meet any `span` input samples in a row.
    func mostMeeting(span: Int) -> Int {
        var most = 0
        var low = 0
        for high in windows.indices {
            while windows[low].end + span - 1 <= windows[high].first { low += 1 }
            most = max(most, high - low + 1)
        }
        return most
    }
}

/// The weights of one picture, kept for the next one: pictures of a list are often of one size. Not for sharing between threads.
public final class WeightsCache {
    private var made: [(key: Key, weights: Weights)] = []
    private var picture: Picture?
    private let pool: BufferPool

    private struct Picture: Equatable {
        let sides: [UInt32]
        let format: PixelFormat
    }

    private struct Key: Equatable {
        let inputCount: Int
        let extent: Double
        let outputCount: Int
        let kernel: Kernel
    }

    /// `pool`: lends the memory of the weights.
    public init(pool: BufferPool) { self.pool = pool }

    /// Before each picture. Weights of one of another size go: what a picture may take of the memory does not depend on what came before.
    public func begin(_ info: ImageInfo, width: UInt32, height: UInt32) {
        let next = Picture(sides: [info.width, info.height, info.fullWidth, info.fullHeight, width, height], format: info.format)
        if picture != next { made = [] }
        picture = next
    }

    /// See `Weights.init`.
    func weights(from inputCount: Int, extent: Double, to outputCount: Int, kernel: Kernel) throws(ImageError) -> Weights {
        let key = Key(inputCount: inputCount, extent: extent, outputCount: outputCount, kernel: kernel)
        if let found = made.first(where: { $0.key == key }) { return found.weights }
        let weights = try Weights(from: inputCount, extent: extent, to: outputCount, kernel: kernel, pool: pool)
        made.append((key, weights))
        return weights
    }
}

extension imgpipe_window {
    package var end: Int { first + count }
}
