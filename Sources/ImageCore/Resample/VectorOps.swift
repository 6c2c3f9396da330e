import CVectorOps
import Glibc

/// The kernels for this processor: the widest that it runs, or those that IMG_CPU names (scalar, baseline, v3). All give the same
/// bytes.
package enum VectorOps {
    package static let best: imgpipe_vector_ops = {
        let all = available
        let wanted = getenv("IMG_CPU").map { String(cString: $0) }
        return all.first { String(cString: $0.name) == wanted } ?? all.last!
    }()

    /// Throws `usage` where IMG_CPU names none of this processor's: who compares them is not to compare one with itself.
    package static func check() throws(ImageError) {
        guard let wanted = getenv("IMG_CPU").map({ String(cString: $0) }) else { return }
        let names = available.map { String(cString: $0.name) }
        guard names.contains(wanted) else { throw .usage("IMG_CPU is none of \(names.joined(separator: ", "))") }
    }

    /// From scalar to the widest.
    static var available: [imgpipe_vector_ops] {
        var tables: [imgpipe_vector_ops] = []
        while let table = imgpipe_vector_ops_at(Int32(tables.count)) { tables.append(table.pointee) }
        return tables
    }

    /// Rows that are resampled together.
    static let lanes = Int(IMGPIPE_LANES)
    /// Input rows that are added together.
    static let mostRows = Int(IMGPIPE_MOST_ROWS)

    /// Floats that a row of `count` takes with its padding.
    static func padded(_ count: Int) -> Int {
        let step = Int(IMGPIPE_ROW_STEP)
        return (count + step - 1) / step * step
    }
}

/// Rows of samples, each padded as the kernels want it, in leased memory.
final class PaddedRows<Sample: BitwiseCopyable & ExpressibleByIntegerLiteral> {
    private let lease: BufferLease
    private let stride: Int

    /// `count` rows of `samples`.
    init(_ count: Int, samples: Int, pool: BufferPool) throws(ImageError) {
        stride = VectorOps.padded(samples)
        lease = try pool.lease(count * stride * MemoryLayout<Sample>.stride)
        // The padding takes part in sums that nobody reads: it must be no slow number.
        for row in 0..<count { for i in samples..<stride { self[row][i] = 0 } }
    }

    /// Gives `body` where rows begin, one for each of at most 16 lanes: `row` tells its number.
    func withStarts(lanes: Int, _ row: (Int) -> Int, _ body: (UnsafePointer<UnsafePointer<Sample>?>) -> Void) {
        let starts = InlineArray<16, UnsafePointer<Sample>?> { $0 < lanes ? UnsafePointer(self[row($0)]) : nil }
        starts.span.withUnsafeBufferPointer { body($0.baseAddress!) }
    }

    subscript(row: Int) -> UnsafeMutablePointer<Sample> {
        lease.start.assumingMemoryBound(to: Sample.self) + row * stride
    }
}
