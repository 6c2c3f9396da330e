import CVectorOps
import Glibc

/// The squared differences of all samples of two pictures, exact.
struct SquaredError {
    private let channels: Int
    private let maximum: Double
    private var sums: [UInt64]
    private var sampleCount: UInt64 = 0
    private var lanes = [UInt32](repeating: 0, count: Int(IMGPIPE_SQUARES))
    /// Blocks of 48 samples since `lanes` were emptied: each holds 65536 squares of 8 bits.
    private var blocks = 0

    init(_ format: PixelFormat) {
        channels = format.channels
        maximum = Double(format.sample.maximum)
        sums = Array(repeating: 0, count: channels)
    }

    /// `count`: samples of a row of 8 bits.
    mutating func add(_ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, _ count: Int) {
        // Rows are whole pixels, so that each part begins with the first channel.
        let partBlocks = 65536
        var done = 0
        while done < count {
            let part = min(count - done, (partBlocks - blocks) * lanes.count)
            VectorOps.best.add_squares8(a + done, b + done, &lanes, part)
            blocks += (part + lanes.count - 1) / lanes.count
            done += part
            if blocks >= partBlocks { flush() }
        }
        sampleCount += UInt64(count / channels)
    }

    mutating func add(_ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>, _ count: Int) {
        for i in 0..<count {
            let difference = Int64(a[i]) - Int64(b[i])
            sums[i % channels] += UInt64(difference * difference)
        }
        sampleCount += UInt64(count / channels)
    }

    private mutating func flush() {
        for (i, sum) in lanes.enumerated() { sums[i % channels] += UInt64(sum) }
        lanes = Array(repeating: 0, count: lanes.count)
        blocks = 0
    }

    /// Peak signal to noise ratio in decibels, of each channel and of all samples together; infinite for equal ones.
    mutating func psnr() -> (channels: [Double], all: Double) {
        flush()
        func decibels(_ sum: Double, _ count: UInt64) -> Double {
            sum == 0 ? .infinity : 10 * Glibc.log10(maximum * maximum * Double(count) / sum)
        }
        return (sums.map { decibels(Double($0), sampleCount) }, decibels(sums.reduce(0.0) { $0 + Double($1) }, sampleCount * UInt64(channels)))
    }
}
