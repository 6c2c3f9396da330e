import ImageCore

/// Chooses the colours of a palette for a picture of more.
///
/// The histogram is cut into boxes, the one of the largest squared error first, along the axis of the largest variance, where the error
/// of the two halves is smallest (Wu, "Efficient statistical computations for optimal color quantization", 1991, on sorted buckets).
/// Then each colour is moved to the mean of what is nearest to it (Lloyd 1982) a few times.
struct PaletteBuilder {
    /// Premultiplied samples in 0...1: red, green, blue, alpha.
    typealias Vector = SIMD4<Float>

    private struct Bucket {
        var mean: Vector
        var count: Float
    }

    /// Errors of the channels do not show alike: green is most of luma, blue the least.
    static let weights = Vector(0.65, 1, 0.5, 1)
    private static let iterations = 4

    /// Pixels of one bucket of the histogram, and sums of their samples.
    private var counts: [UInt32]
    private var sums: [SIMD4<UInt64>]
    private let hasAlpha: Bool

    init(hasAlpha: Bool) {
        self.hasAlpha = hasAlpha
        // 5, 6 and 5 bits of colour, 3 of alpha.
        let size = hasAlpha ? 1 << 19 : 1 << 16
        counts = [UInt32](repeating: 0, count: size)
        sums = [SIMD4<UInt64>](repeating: .zero, count: size)
    }

    mutating func add(_ pixel: RGBA) {
        let premultiplied = Self.vector(pixel) * 255
        let (r, g, b) = (Int(premultiplied[0]), Int(premultiplied[1]), Int(premultiplied[2]))
        let index = (hasAlpha ? Int(pixel.alpha >> 5) << 16 : 0) | (r >> 3) << 11 | (g >> 2) << 5 | b >> 3
        counts[index] &+= 1
        // 1/256 of a step is as good as a Float.
        sums[index] &+= SIMD4<UInt64>(premultiplied * 256)
    }

    static func vector(_ pixel: RGBA) -> Vector {
        let straight = Vector(Float(pixel.red), Float(pixel.green), Float(pixel.blue), 255) / 255
        return straight * (Float(pixel.alpha) / 255)
    }

    static func pixel(_ vector: Vector) -> RGBA {
        let alpha = UInt8((vector[3] * 255).rounded().clamped(to: 0...255))
        if alpha == 0 { return RGBA(0, 0, 0, 0) }
        let straight = vector / vector[3] * 255
        func sample(_ i: Int) -> UInt8 { UInt8(straight[i].rounded().clamped(to: 0...255)) }
        return RGBA(sample(0), sample(1), sample(2), alpha)
    }

    /// At most `count` colours for what was added.
    func palette(_ count: Int) -> [RGBA] {
        var buckets = counts.indices.filter { counts[$0] > 0 }.map { index in
            let count = Float(counts[index])
            return Bucket(mean: Vector(sums[index]) / (count * 65280), count: count)
        }
        var colors = Self.cut(&buckets, count)
        for _ in 0..<Self.iterations {
            let search = NearestColor(colors)
            var (sums, counts) = ([Vector](repeating: .zero, count: colors.count), [Float](repeating: 0, count: colors.count))
            var guess = 0
            for bucket in buckets {
                guess = search.nearest(to: bucket.mean, guess: guess)
                sums[guess] += bucket.mean * bucket.count
                counts[guess] += bucket.count
            }
            for i in colors.indices where counts[i] > 0 { colors[i] = sums[i] / counts[i] }
        }
        var seen = Set<RGBA>()
        return colors.map(Self.pixel).filter { seen.insert($0).inserted }
    }

    /// The means of at most `count` boxes; `buckets` is sorted on the way.
    private static func cut(_ buckets: inout [Bucket], _ count: Int) -> [Vector] {
        var boxes = [(range: buckets.indices, error: error(buckets[...]))]
        while boxes.count < count {
            let worst = boxes.indices.max { boxes[$0].error < boxes[$1].error }!
            guard boxes[worst].error > 0, boxes[worst].range.count > 1 else { break }
            let range = boxes[worst].range
            let middle = split(&buckets, range)
            boxes[worst] = (range.lowerBound..<middle, error(buckets[range.lowerBound..<middle]))
            boxes.append((middle..<range.upperBound, error(buckets[middle..<range.upperBound])))
        }
        return boxes.map { mean(buckets[$0.range]).mean }
    }

    private static func mean(_ buckets: ArraySlice<Bucket>) -> (mean: Vector, count: Float) {
        var (sum, count) = (SIMD4<Double>.zero, 0.0)
        for bucket in buckets {
            sum += SIMD4<Double>(bucket.mean) * Double(bucket.count)
            count += Double(bucket.count)
        }
        return (Vector(sum / count), Float(count))
    }

    /// Weighted squared distances from the mean, by channel.
    private static func spread(_ buckets: ArraySlice<Bucket>) -> Vector {
        let mean = mean(buckets).mean
        return buckets.reduce(.zero) { sum, bucket in
            let distance = (bucket.mean - mean) * weights
            return sum + distance * distance * bucket.count
        }
    }

    private static func error(_ buckets: ArraySlice<Bucket>) -> Float { spread(buckets).sum() }

    /// Sorts the buckets of `range` along the axis of the largest spread; gives where to cut them, both parts not empty.
    private static func split(_ buckets: inout [Bucket], _ range: Range<Int>) -> Int {
        let spread = spread(buckets[range])
        let axis = (0..<4).max { spread[$0] < spread[$1] }!
        buckets[range].sort { $0.mean[axis] < $1.mean[axis] }
        // The squared error of two parts is smallest where the sum of (sum of samples)^2 / count is largest.
        let all = buckets[range].reduce((sum: 0.0, count: 0.0)) { ($0.sum + Double($1.mean[axis] * $1.count), $0.count + Double($1.count)) }
        var (sum, count, best, middle) = (0.0, 0.0, -1.0, range.lowerBound + 1)
        for i in range.dropLast() {
            sum += Double(buckets[i].mean[axis] * buckets[i].count)
            count += Double(buckets[i].count)
            let rest = all.sum - sum
            let score = sum * sum / count + rest * rest / (all.count - count)
            if score > best { (best, middle) = (score, i + 1) }
        }
        return middle
    }
}

extension Float {
    fileprivate func clamped(to range: ClosedRange<Float>) -> Float { max(range.lowerBound, min(range.upperBound, self)) }
}

/// Finds the nearest of at most 256 colours: they are sorted by green, and the search ends where green alone is farther away.
struct NearestColor {
    private let sorted: [PaletteBuilder.Vector]
    private let numbers: [Int]
    private let places: [Int]

    init(_ colors: [PaletteBuilder.Vector]) {
        let order = colors.indices.sorted { colors[$0][1] < colors[$1][1] }
        sorted = order.map { colors[$0] * PaletteBuilder.weights }
        numbers = order
        var places = [Int](repeating: 0, count: colors.count)
        for (place, number) in order.enumerated() { places[number] = place }
        self.places = places
    }

    /// The number of the colour nearest to `color`. `guess`: one that may be near.
    func nearest(to color: PaletteBuilder.Vector, guess: Int) -> Int {
        let target = color * PaletteBuilder.weights
        func distance(_ place: Int) -> Float {
            let difference = sorted[place] - target
            return (difference * difference).sum()
        }
        let start = places[guess]
        var (best, least) = (start, distance(start))
        var (low, high) = (start - 1, start + 1)
        while low >= 0 || high < sorted.count {
            if low >= 0 {
                let green = target[1] - sorted[low][1]
                if green > 0 && green * green >= least {
                    low = -1
                } else {
                    let here = distance(low)
                    if here < least { (best, least) = (low, here) }
                    low -= 1
                }
            }
            if high < sorted.count {
                let green = sorted[high][1] - target[1]
                if green > 0 && green * green >= least {
                    high = sorted.count
                } else {
                    let here = distance(high)
                    if here < least { (best, least) = (high, here) }
                    high += 1
                }
            }
        }
        return numbers[best]
    }
}
