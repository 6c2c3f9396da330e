/// What is left of a picture's colours where chroma has half the width and half the height, as in a JPEG of 4:2:0, before anything is
/// quantised: Cb and Cr against what means of 2 x 2 and triangles back make of them. That is what libjpeg does (jcsample.c,
/// h2v2_downsample; jdsample.c, h2v2_fancy_upsample), here without rounding.
package struct HalvedChroma {
    /// SSIM of Cb, and of Cr; nil where the window does not fit.
    package let similarity: [Double]?
    /// The mean squared error of a sample of red, green or blue, in 0...255.
    package let squaredError: Double

    /// `picture`: packed RGB without alpha, of which the first frame is read.
    package init(of picture: any RowSource, pool: BufferPool) throws(ImageError) {
        let info = picture.info
        let (width, height) = (Int(info.width), Int(info.height))
        precondition(info.format == PixelFormat(.rgb, sample: info.format.sample))
        let planes = try JFIFChroma.weights.map { (weights) throws(ImageError) in try ChromaPlane(weights, width: width, height: height, pool: pool) }
        let band = try pool.lease(info.bandBufferBytes)
        guard try picture.nextFrame() != nil else { throw .damaged("a picture without a frame") }
        var done = 0
        while done < height {
            let rows = try picture.readRows(to: band.start, byteCount: info.bandBufferBytes)
            for row in 0..<rows {
                let start = band.start + row * info.rowBytes
                for plane in planes {
                    if info.format.sample == .uint8 {
                        plane.add(UnsafePointer(start.assumingMemoryBound(to: UInt8.self)), unit: 1)
                    } else {
                        plane.add(UnsafePointer(start.assumingMemoryBound(to: UInt16.self)), unit: 1 / 257)
                    }
                }
            }
            done += rows
        }
        while try picture.nextFrame() != nil {}
        for plane in planes { plane.end() }
        let means = planes.compactMap(\.similarity?.mean)
        similarity = means.isEmpty ? nil : means
        let (cb, cr) = (planes[0].squares, planes[1].squares)
        // By JFIF's way back; that Cb and Cr err together, which green alone would feel, is left out.
        let sum = 1.402 * 1.402 * cr + (0.344136 * 0.344136 * cb + 0.714136 * 0.714136 * cr) + 1.772 * 1.772 * cb
        squaredError = sum / (3 * Double(width) * Double(height))
    }
}

/// JFIF's Cb and Cr, not rounded.
enum JFIFChroma {
    /// Of red, green and blue.
    static let weights: [[Float]] = [[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    static let offset: Float = 128
}

/// Cb or Cr, halved and doubled.
private final class ChromaPlane {
    private let weights: [Float]
    private let width: Int
    private let height: Int
    let similarity: StructuralSimilarity?
    /// Squared errors, so far.
    private(set) var squares = 0.0
    /// Two pairs of rows in turn.
    private let whole: PaddedRows<Float>
    /// Three rows of half the width, in turn: of the pair before, of the pair that is next to go out, and of the one behind.
    private let halves: PaddedRows<Float>
    /// A row of half the width between two, and one of the whole width.
    private let between: PaddedRows<Float>
    private let doubled: PaddedRows<Float>
    private var rowsSeen = 0

    init(_ weights: [Float], width: Int, height: Int, pool: BufferPool) throws(ImageError) {
        (self.weights, self.width, self.height) = (weights, width, height)
        similarity = min(width, height) < StructuralSimilarity.windowSide ? nil : try StructuralSimilarity(width: width, height: height, pool: pool)
        // Rows are read in eights.
        whole = try PaddedRows(4, samples: width + 8, pool: pool)
        halves = try PaddedRows(3, samples: width / 2 + 1, pool: pool)
        between = try PaddedRows(1, samples: width / 2 + 1, pool: pool)
        doubled = try PaddedRows(1, samples: width + 8, pool: pool)
        for i in width..<width + 8 {
            doubled[0][i] = 0
            for row in 0..<4 { whole[row][i] = 0 }
        }
    }

    private var halfWidth: Int { (width + 1) / 2 }

    func add<Sample: BinaryInteger>(_ samples: UnsafePointer<Sample>, unit: Float) {
        weigh(samples, width, by: weights, offset: JFIFChroma.offset, unit: unit, to: whole[rowsSeen % 4])
        rowsSeen += 1
        if rowsSeen % 2 == 0 || rowsSeen == height { halve((rowsSeen - 1) / 2) }
    }

    /// The means of a pair of rows; the last row may be its own pair, and so may the last column. Then the pair before can go out.
    private func halve(_ pair: Int) {
        let (upper, lower) = (whole[2 * pair % 4], whole[(rowsSeen - 1) % 4])
        let target = halves[pair % 3]
        for i in 0..<width / 2 { target[i] = (upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1]) / 4 }
        if width % 2 == 1 { target[width / 2] = (upper[width - 1] + lower[width - 1]) / 2 }
        if pair > 0 { putOut(pair - 1, next: pair) }
    }

    /// Doubles a pair, three quarters of it and one of its neighbour, and compares.
    private func putOut(_ pair: Int, next: Int) {
        for (row, neighbour) in [(2 * pair, max(0, pair - 1)), (2 * pair + 1, next)] where row < height {
            let whole = whole[row % 4]
            let (near, far, middle, target) = (halves[pair % 3], halves[neighbour % 3], between[0], doubled[0])
            for i in 0..<halfWidth { middle[i] = (3 * near[i] + far[i]) / 4 }
            var sum: Float = 0
            for i in 0..<width {
                let beside = max(0, min(halfWidth - 1, i / 2 + (i % 2 == 0 ? -1 : 1)))
                target[i] = (3 * middle[i / 2] + middle[beside]) / 4
                sum += (target[i] - whole[i]) * (target[i] - whole[i])
            }
            squares += Double(sum)
            similarity?.add(whole, target)
        }
    }

    /// All rows were given.
    func end() {
        let last = (height - 1) / 2
        putOut(last, next: last)
    }
}
