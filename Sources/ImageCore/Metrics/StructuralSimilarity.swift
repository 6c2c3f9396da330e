import Glibc
import CVectorOps

/// Takes rows of luma of two pictures, 0...255, as they come.
protocol LumaPairs: AnyObject {
    func add(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>)
}

/// SSIM of Wang, Bovik, Sheikh and Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity" (IEEE TIP 13(4),
/// 2004): a Gaussian window of 11 x 11, sigma 1.5, K1 0.01, K2 0.03, population moments, over the places where all of the window fits.
///
/// Sums and differences of both pictures go through the window, and their squares: what rounding does to the sums' variance cancels out
/// in the quotient, so that single precision will do, and equal pictures are 1 exactly.
final class StructuralSimilarity: LumaPairs {
    static let windowSide = Int(IMGPIPE_WINDOW)

    /// The first half of the window and its middle.
    static let weights: [Float] = {
        let all = (-5...5).map { offset in Glibc.exp(-Double(offset * offset) / (2 * 1.5 * 1.5)) }
        let sum = all.reduce(0, +)
        return all.prefix(6).map { Float($0 / sum) }
    }()

    private static let c1 = Float((0.01 * 255) * (0.01 * 255)), c2 = Float((0.03 * 255) * (0.03 * 255))

    private let width: Int
    private let height: Int
    private let stride: Int
    private let ops = VectorOps.best
    /// Of the last 11 rows, in turn.
    private let sums: PaddedRows<Float>
    private let differences: PaddedRows<Float>
    private let columns: BufferLease
    private let mapRow: BufferLease
    private let writesMap: ((_ row: Int, UnsafeBufferPointer<Float>) -> Void)?
    private var rowsSeen = 0
    private var total = 0.0, contrastTotal = 0.0

    /// `map`: is given SSIM at each place of a row where the window fits, for rows 0 ... height - 11. Both sides: 11 at least.
    init(width: Int, height: Int, pool: BufferPool, map: ((_ row: Int, UnsafeBufferPointer<Float>) -> Void)? = nil) throws(ImageError) {
        precondition(min(width, height) >= Self.windowSide)
        (self.width, self.height, writesMap) = (width, height, map)
        // Windows at the end of a row reach over it.
        stride = VectorOps.padded(width) + Int(IMGPIPE_ROW_STEP)
        sums = try PaddedRows(Self.windowSide, samples: stride, pool: pool)
        differences = try PaddedRows(Self.windowSide, samples: stride, pool: pool)
        columns = try pool.lease(4 * stride * MemoryLayout<Float>.stride)
        mapRow = try pool.lease(map == nil ? 1 : stride * MemoryLayout<Float>.stride)
        for row in 0..<Self.windowSide { for i in 0..<stride { (sums[row][i], differences[row][i]) = (0, 0) } }
    }

    /// Rows may be read up to a multiple of 8.
    func add(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) {
        let slot = rowsSeen % Self.windowSide
        ops.sum_difference(x, y, sums[slot], differences[slot], width)
        rowsSeen += 1
        guard rowsSeen >= Self.windowSide else { return }
        let results = columns.start.assumingMemoryBound(to: Float.self)
        let first = rowsSeen % Self.windowSide
        sums.withStarts(lanes: Self.windowSide, { (first + $0) % Self.windowSide }) { s in
            differences.withStarts(lanes: Self.windowSide, { (first + $0) % Self.windowSide }) { d in
                ops.window_columns(s, d, Self.weights, results, stride, width)
            }
        }
        let count = width - Self.windowSide + 1
        let map = mapRow.start.assumingMemoryBound(to: Float.self)
        let rowTotals = InlineArray<16, Float> { _ in 0 }
        var totals = rowTotals
        var totalsSpan = totals.mutableSpan
        totalsSpan.withUnsafeMutableBufferPointer { totals in
            ops.ssim_row(results, stride, Self.weights, Self.c1, Self.c2, writesMap == nil ? nil : map, totals.baseAddress!, count)
            for lane in 0..<8 {
                total += Double(totals[lane])
                contrastTotal += Double(totals[8 + lane])
            }
        }
        writesMap?(rowsSeen - Self.windowSide, UnsafeBufferPointer(start: map, count: count))
    }

    private var placeCount: Double { Double((width - Self.windowSide + 1) * (height - Self.windowSide + 1)) }

    /// The mean, of all rows.
    var mean: Double { total / placeCount }
    /// The mean of the product of contrast and structure.
    var contrastMean: Double { contrastTotal / placeCount }
}

/// Both pictures made smaller by a whole factor, each sample the mean of a square; what is missing at the border is mirrored there, and of
/// an even square the place is its upper left middle, as in Wang's ssim.m and msssim.m.
final class LumaReducer: LumaPairs {
    private let factor: Int
    private let width: Int
    private let height: Int
    private let next: any LumaPairs
    private let rows: PaddedRows<Float>
    private var rowsSeen = 0
    /// The number of the row of the output whose sums are under way.
    private var outputRow = 0

    static func reduced(_ side: Int, by factor: Int) -> Int { (side + factor - 1) / factor }

    init(factor: Int, width: Int, height: Int, pool: BufferPool, to next: any LumaPairs) throws(ImageError) {
        (self.factor, self.width, self.height, self.next) = (factor, width, height, next)
        // Sums of both, and a row of means of both.
        rows = try PaddedRows(4, samples: width + Int(IMGPIPE_ROW_STEP), pool: pool)
        clear()
    }

    private func clear() {
        for i in 0..<width { (rows[0][i], rows[1][i]) = (0, 0) }
    }

    /// How often an input row or column counts for the output's `place`: mirrored ones count twice.
    private func weight(_ input: Int, for place: Int, _ side: Int) -> Int {
        let first = place * factor - (factor - 1) / 2
        return (first..<first + factor).count { Self.mirrored($0, side) == input }
    }

    private static func mirrored(_ i: Int, _ side: Int) -> Int {
        i < 0 ? min(-i - 1, side - 1) : i >= side ? max(0, 2 * side - 1 - i) : i
    }

    func add(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) {
        defer { rowsSeen += 1 }
        guard outputRow < Self.reduced(height, by: factor) else { return }
        let count = weight(rowsSeen, for: outputRow, height)
        if count > 0 {
            let weight = Float(count)
            for i in 0..<width {
                rows[0][i] += x[i] * weight
                rows[1][i] += y[i] * weight
            }
        }
        // The last row of the square, or of the picture.
        let last = outputRow * factor - (factor - 1) / 2 + factor - 1
        guard rowsSeen == min(last, height - 1) else { return }
        let area = Float(factor * factor)
        for place in 0..<Self.reduced(width, by: factor) {
            let first = place * factor - (factor - 1) / 2
            var (a, b): (Float, Float) = (0, 0)
            for i in first..<first + factor {
                let i = Self.mirrored(i, width)
                a += rows[0][i]
                b += rows[1][i]
            }
            (rows[2][place], rows[3][place]) = (a / area, b / area)
        }
        next.add(rows[2], rows[3])
        outputRow += 1
        clear()
    }
}

/// Each row to several.
final class LumaFork: LumaPairs {
    private let branches: [any LumaPairs]
    init(_ branches: [any LumaPairs]) { self.branches = branches }
    var isEmpty: Bool { branches.isEmpty }
    func add(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) { for branch in branches { branch.add(x, y) } }
}

/// Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment" (Asilomar 2003): five scales, each half of
/// the one before.
final class MultiScaleSimilarity: LumaPairs {
    static let weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    /// The window must fit at the last scale.
    static let leastSide = (StructuralSimilarity.windowSide - 1) << (weights.count - 1) + 1

    private let scales: [StructuralSimilarity]
    private let first: any LumaPairs

    init(width: Int, height: Int, pool: BufferPool) throws(ImageError) {
        var sides: [(Int, Int)] = [(width, height)]
        for _ in 1..<Self.weights.count { sides.append((LumaReducer.reduced(sides.last!.0, by: 2), LumaReducer.reduced(sides.last!.1, by: 2))) }
        var scales: [StructuralSimilarity] = []
        for side in sides { scales.append(try StructuralSimilarity(width: side.0, height: side.1, pool: pool)) }
        self.scales = scales
        var next: any LumaPairs = scales.last!
        for i in (0..<scales.count - 1).reversed() {
            next = LumaFork([scales[i], try LumaReducer(factor: 2, width: sides[i].0, height: sides[i].1, pool: pool, to: next)])
        }
        first = next
    }

    func add(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) { first.add(x, y) }

    /// The product over the scales; what is negative counts as 0, which no power of it is defined for.
    var mean: Double {
        zip(scales, Self.weights).enumerated().reduce(1.0) { product, scale in
            let value = scale.offset == scales.count - 1 ? scale.element.0.mean : scale.element.0.contrastMean
            return product * Glibc.pow(max(0, value), scale.element.1)
        }
    }
}
