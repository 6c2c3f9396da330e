import CVectorOps
import Glibc

/// SSIMULACRA 2.1: Sneyers, 2023, as published with libjxl (tools/ssimulacra2.cc; BSD-3-Clause), whose constants these are. XYB at six
/// scales; structural dissimilarity, ringing and blurring of each channel, as means and as means of fourth powers, weighed by what people
/// have said. Rows come and go: of each scale eleven are held.
final class SSIMULACRA2 {
    private static let mostScales = 6
    static let leastSide = 8

    private let width: Int
    private let scales: [XYBScale]
    private let linear: PaddedRows<Float>
    /// The light of a sample of 8 bits.
    private static let light: [Float] = (0...255).map { Float(Transfer.sRGB.linear(Double($0) / 255)) }

    /// Both sides: 8 at least.
    init(width: Int, height: Int, pool: BufferPool) throws(ImageError) {
        self.width = width
        var sides: [(width: Int, height: Int)] = [(width, height)]
        // The last one may be smaller, as in libjxl, which looks before it halves: fewer scales would move the weights of all the others.
        while sides.count < Self.mostScales, min(sides.last!.width, sides.last!.height) >= Self.leastSide {
            sides.append(((sides.last!.width + 1) / 2, (sides.last!.height + 1) / 2))
        }
        var scales: [XYBScale] = []
        for side in sides.reversed() { scales.insert(try XYBScale(width: side.width, height: side.height, next: scales.first, pool: pool), at: 0) }
        self.scales = scales
        linear = try PaddedRows(6, samples: width, pool: pool)
    }

    /// A row of each, packed grey or RGB in sRGB.
    func add(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ format: PixelFormat) {
        for (picture, row) in [a, b].enumerated() {
            for c in 0..<3 {
                let target = linear[3 * picture + c]
                let (step, offset) = format.model == .gray ? (1, 0) : (3, c)
                if format.sample == .uint8 {
                    let samples = row.assumingMemoryBound(to: UInt8.self) + offset
                    Self.light.withUnsafeBufferPointer { light in for x in 0..<width { target[x] = light[Int(samples[step * x])] } }
                } else {
                    let samples = row.assumingMemoryBound(to: UInt16.self) + offset
                    for x in 0..<width { target[x] = Float(Transfer.sRGB.linear(Double(samples[step * x]) / 65535)) }
                }
            }
        }
        scales[0].add(linear)
    }

    /// 100 for equal pictures; below 0 for very bad ones.
    func score() -> Double {
        scales[0].end()
        var sum = 0.0
        var i = 0
        for c in 0..<3 {
            for scale in scales {
                for term in scale.terms(c) {
                    sum += Self.weights[i] * term
                    i += 1
                }
            }
        }
        sum *= 0.9562382616834844
        sum = 2.326765642916932 * sum - 0.020884521182843837 * sum * sum + 6.248496625763138e-05 * sum * sum * sum
        return sum > 0 ? 100 - 10 * Glibc.pow(sum, 0.6276336467831387) : 100
    }

    private static let weights: [Double] = [
        0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0, 0, 0.0004371155730107379, 0, 1.1041726426657346, 0.00066284834129271,
        0.00015231632783718752, 0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0, 0.0007989109436015163,
        0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142, 0, 0.0007289346991508072, 0.9677937080626833, 0,
        0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053, 0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0, 0,
        0, 0, 7.466890328078848, 0, 17.445833984131262, 0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296,
        1.027889937768264, 225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985, 176.39317598450694,
        0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408, 0, 0, 0, 34.77906344483772, 44.835625328877896, 0, 0, 0, 0,
        0, 0, 0, 0, 0.0008680556573291698, 0, 0, 0, 0, 0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0, 0, 0, 0,
        0.0004179171803251336, 0.0017290828234722833, 0, 0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0,
        95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307, 0.9807858872435379, 0, 0, 0,
        0.0005130064588990679, 0, 0.00010854057858411537,
    ]
}

/// One scale of both pictures. Around the picture is nothing, as in libjxl.
private final class XYBScale {
    private static let c2: Float = 0.0009
    private static let reach = StructuralSimilarity.windowSide / 2
    /// What an impulse becomes in libjxl's recursive Gaussian of sigma 1.5: Charalampidis, "Recursive Implementation of the Gaussian Filter
    /// Using Truncated Cosine Functions" (2016), N = 5, the sum of beta_k cos(k pi n / 10) for k = 1, 3, 5 by its equations 37 to 55.
    private static let weights: [Float] = [0, 0.009414367813, 0.03601111467, 0.1093353728, 0.2129285919, 0.2646211051]

    private let width: Int
    private let height: Int
    private let stride: Int
    private let next: XYBScale?
    private let ops = VectorOps.best
    /// Of X, Y and B: sums and differences of the pictures, of the last 11 rows in turn.
    private let sums: [PaddedRows<Float>]
    private let differences: [PaddedRows<Float>]
    private let columns: BufferLease
    /// Sums of two rows of light, to be halved, and the halves.
    private let pairs: PaddedRows<Float>
    private let halves: PaddedRows<Float>
    private var rowsSeen = 0
    private var rowsDone = 0
    /// Of each channel, dissimilarity, ringing and blurring, and their fourth powers.
    private var totals = [[Double]](repeating: Array(repeating: 0, count: 6), count: 3)

    init(width: Int, height: Int, next: XYBScale?, pool: BufferPool) throws(ImageError) {
        (self.width, self.height, self.next) = (width, height, next)
        stride = VectorOps.padded(width + 2 * Self.reach) + Int(IMGPIPE_ROW_STEP)
        var rows: [PaddedRows<Float>] = []
        for _ in 0..<6 {
            let plane = try PaddedRows<Float>(StructuralSimilarity.windowSide, samples: stride, pool: pool)
            for row in 0..<StructuralSimilarity.windowSide { for i in 0..<stride { plane[row][i] = 0 } }
            rows.append(plane)
        }
        (sums, differences) = (Array(rows[..<3]), Array(rows[3...]))
        columns = try pool.lease(4 * stride * MemoryLayout<Float>.stride)
        pairs = try PaddedRows(6, samples: width, pool: pool)
        halves = try PaddedRows(6, samples: (width + 1) / 2, pool: pool)
        for row in 0..<6 { for i in 0..<width { pairs[row][i] = 0 } }
    }

    /// A row of linear light of each picture: red, green and blue of the first, then of the second.
    func add(_ light: PaddedRows<Float>) {
        addXYB(light)
        rowsSeen += 1
        if rowsSeen > Self.reach { measure() }
        guard next != nil else { return }
        for row in 0..<6 { for x in 0..<width { pairs[row][x] += light[row][x] } }
        if rowsSeen % 2 == 0 { halve(rows: 2) }
    }

    func end() {
        if next != nil && rowsSeen % 2 == 1 { halve(rows: 1) }
        // Below the picture is nothing.
        while rowsDone < height {
            for c in 0..<3 {
                let slot = rowsSeen % StructuralSimilarity.windowSide
                for x in 0..<width { (sums[c][slot][x], differences[c][slot][x]) = (0, 0) }
            }
            rowsSeen += 1
            measure()
        }
        next?.end()
    }

    /// The mean of each square of what there is of it.
    private func halve(rows: Int) {
        for row in 0..<6 {
            for x in 0..<(width + 1) / 2 {
                let columns = 2 * x + 1 < width ? 2 : 1
                let sum = pairs[row][2 * x] + (columns == 2 ? pairs[row][2 * x + 1] : 0)
                halves[row][x] = sum / Float(rows * columns)
            }
            for x in 0..<width { pairs[row][x] = 0 }
        }
        next!.add(halves)
    }

    // MARK: XYB

    private static let bias: Float = 0.0037930732552754493
    private static let biasRoot = Glibc.cbrtf(bias)

    /// libjxl's opsin absorbance, and its places made positive.
    private func addXYB(_ light: PaddedRows<Float>) {
        let slot = rowsSeen % StructuralSimilarity.windowSide
        func xyb(_ r: Float, _ g: Float, _ b: Float) -> (x: Float, y: Float, b: Float) {
            let l = Glibc.cbrtf(max(0, 0.30 * r + (1 - 0.078 - 0.30) * g + 0.078 * b + Self.bias)) - Self.biasRoot
            let m = Glibc.cbrtf(max(0, 0.23 * r + (1 - 0.078 - 0.23) * g + 0.078 * b + Self.bias)) - Self.biasRoot
            let s = Glibc.cbrtf(
                max(0, 0.24342268924547819 * r + 0.20476744424496821 * g + (1 - 0.24342268924547819 - 0.20476744424496821) * b + Self.bias)) - Self.biasRoot
            let (x, y) = (0.5 * (l - m), 0.5 * (l + m))
            return (x * 14 + 0.42, y + 0.01, s - y + 0.55)
        }
        for x in 0..<width {
            let a = xyb(light[0][x], light[1][x], light[2][x]), b = xyb(light[3][x], light[4][x], light[5][x])
            (sums[0][slot][x], differences[0][slot][x]) = (a.x + b.x, a.x - b.x)
            (sums[1][slot][x], differences[1][slot][x]) = (a.y + b.y, a.y - b.y)
            (sums[2][slot][x], differences[2][slot][x]) = (a.b + b.b, a.b - b.b)
        }
    }

    // MARK: Measuring

    /// The row whose window is there.
    private func measure() {
        let side = StructuralSimilarity.windowSide
        let middle = rowsDone % side
        for c in 0..<3 {
            let results = columns.start.assumingMemoryBound(to: Float.self)
            // Row r - 5 stands where r + 6 will.
            sums[c].withStarts(lanes: side, { (middle + side - Self.reach + $0) % side }) { s in
                differences[c].withStarts(lanes: side, { (middle + side - Self.reach + $0) % side }) { d in
                    // With nothing to the left and to the right.
                    ops.window_columns(s, d, Self.weights, results + Self.reach, stride, width)
                }
            }
            for row in 0..<4 {
                for i in 0..<Self.reach { (results[row * stride + i], results[row * stride + Self.reach + width + i]) = (0, 0) }
            }
            addTerms(c, results, sums[c][middle], differences[c][middle])
        }
        rowsDone += 1
    }

    private func addTerms(_ c: Int, _ results: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, _ differences: UnsafePointer<Float>) {
        let w = Self.weights
        var total = [Double](repeating: 0, count: 6)
        for x in 0..<width {
            func windowed(_ row: Int) -> Float {
                let p = results + row * stride + x
                return p[5] * w[5] + (p[0] + p[10]) * w[0] + (p[1] + p[9]) * w[1] + (p[2] + p[8]) * w[2] + (p[3] + p[7]) * w[3] + (p[4] + p[6]) * w[4]
            }
            let (s, d, ss, dd) = (windowed(0), windowed(1), windowed(2), windowed(3))
            let (m1, m2) = ((s + d) / 2, (s - d) / 2)
            // Without a denominator for luminance, which would count errors in the dark more: XYB has done that.
            let numerator = (1 - d * d) * (((ss - dd) - (s * s - d * d)) / 2 + Self.c2)
            let denominator = ((ss + dd) - (s * s + d * d)) / 2 + Self.c2
            let dissimilarity = Double(max(0, 1 - numerator / denominator))
            let (first, second) = ((sums[x] + differences[x]) / 2, (sums[x] - differences[x]) / 2)
            let edges = Double((1 + abs(second - m2)) / (1 + abs(first - m1))) - 1
            let (ringing, blurring) = (max(0, edges), max(0, -edges))
            total[0] += dissimilarity
            total[1] += ringing
            total[2] += blurring
            total[3] += dissimilarity * dissimilarity * dissimilarity * dissimilarity
            total[4] += ringing * ringing * ringing * ringing
            total[5] += blurring * blurring * blurring * blurring
        }
        for i in 0..<6 { totals[c][i] += total[i] }
    }

    /// Means, and fourth roots of means of fourth powers.
    func terms(_ c: Int) -> [Double] {
        totals[c].enumerated().map { i, total in
            let mean = total / Double(width * height)
            return i < 3 ? mean : Glibc.pow(mean, 0.25)
        }
    }
}
