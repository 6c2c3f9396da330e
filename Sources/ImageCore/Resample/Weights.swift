import Glibc

/// For each output sample of one axis, which input samples count and how much.
///
/// Reducing, the kernel is stretched by the reduction; enlarging, it is as it is. Samples beyond the edge repeat it: their
/// weight is the edge sample's. Every output sample's weights have the sum 1.
public struct Weights: Sendable {
    /// The input samples of one output sample: `first..<first + count`, with weights from `offset` on.
    public struct Window: Sendable {
        public var first: Int
        public var count: Int
        public var offset: Int

        public var end: Int { first + count }
    }

    public let inputCount: Int
    /// One for each output sample; `first` and `end` never decrease.
    public let windows: [Window]
    public let values: [Float]
    /// The most samples that one window has.
    public let longest: Int

    /// `inputCount` samples become `outputCount`; both at least 1. Costs outputCount x taps calls of the kernel.
    public init(from inputCount: Int, to outputCount: Int, kernel: Kernel) {
        precondition(inputCount > 0 && outputCount > 0)
        let scale = Double(inputCount) / Double(outputCount)
        let stretch = max(1, scale)
        let reach = kernel.support * stretch
        var windows: [Window] = []
        var values: [Float] = []
        windows.reserveCapacity(outputCount)
        var taps: [Double] = []
        for output in 0..<outputCount {
            // Sample i has its centre at i + 0.5 on both axes.
            let center = (Double(output) + 0.5) * scale
            let first = Int((center - reach - 0.5).rounded(.up))
            let last = Int((center + reach - 0.5).rounded(.down))
            let low = min(max(first, 0), inputCount - 1)
            let high = max(min(last, inputCount - 1), low)
            if kernel == .nearest || last < first {
                let nearest = min(Int(center), inputCount - 1)
                windows.append(Window(first: nearest, count: 1, offset: values.count))
                values.append(1)
                continue
            }
            taps.removeAll(keepingCapacity: true)
            taps.append(contentsOf: repeatElement(0, count: high - low + 1))
            for i in first...last {
                taps[min(max(i, low), high) - low] += kernel((Double(i) + 0.5 - center) / stretch)
            }
            // A box on a boundary between two samples would count both halves of a tie; the sum takes care of it.
            let sum = taps.reduce(0, +)
            windows.append(Window(first: low, count: taps.count, offset: values.count))
            for tap in taps { values.append(Float(tap / sum)) }
        }
        self.inputCount = inputCount
        self.windows = windows
        self.values = values
        longest = windows.reduce(0) { max($0, $1.count) }
    }

    /// The most output samples whose windows hold one input sample.
    var mostOverlapping: Int {
        var most = 0
        var low = 0
        for high in windows.indices {
            while windows[low].end <= windows[high].first { low += 1 }
            most = max(most, high - low + 1)
        }
        return most
    }
}
