/// Metrics as text: families of samples, one after the other, in Prometheus' exposition format 0.0.4.
public struct Exposition: Sendable {
    public private(set) var text = ""

    public init() {}

    public mutating func family(_ name: String, _ type: String, _ help: String) { text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n" }

    /// A family of one sample without labels.
    public mutating func single(_ name: String, _ type: String, _ help: String, _ value: UInt64) {
        family(name, type, help)
        text += "\(name) \(value)\n"
    }

    /// Values of labels are ours, and need no escape.
    public mutating func sample(_ name: String, _ labels: [(String, String)], _ value: some CustomStringConvertible) {
        text += "\(name){\(labels.map { "\($0.0)=\"\($0.1)\"" }.joined(separator: ","))} \(value)\n"
    }

    /// A family's sample of many times.
    public mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: Histogram) {
        var sum: UInt64 = 0
        for (bound, count) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.counts) {
            sum += count
            sample(name + "_bucket", labels + [("le", bound)], sum)
        }
        sample(name + "_sum", labels, histogram.seconds)
        sample(name + "_count", labels, sum)
    }
}

/// How often something took how long.
public struct Histogram: Sendable {
    /// Upper bounds in seconds: a factor of about 2.5 from one to the next.
    static let bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    private(set) var seconds = 0.0

    public init() {}

    public mutating func add(nanoseconds: UInt64) {
        let value = Double(nanoseconds) / 1e9
        counts[Self.bounds.firstIndex { value <= $0 } ?? Self.bounds.count] += 1
        seconds += value
    }
}
