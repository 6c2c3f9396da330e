import Glibc
import ImageCore
import TestPictures
import Testing

/// Straightforward resampling in Double, one sample at a time: what separable, streaming, single-precision code is held against.
/// Own formulas, from the definitions: a window of the stretched kernel around the centre, edges repeated, weights normalised.
enum Reference {
    /// The filters as their papers write them, and how far they reach.
    static func kernel(_ kernel: Kernel) -> (reach: Double, value: (Double) -> Double) {
        func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(.pi * x) / (.pi * x) }
        func lanczos(_ a: Double) -> (Double) -> Double { { abs($0) < a ? sinc($0) * sinc($0 / a) : 0 } }
        switch kernel {
        case .nearest: return (0, { _ in 1 })
        case .box: return (0.5, { abs($0) <= 0.5 ? 1 : 0 })
        case .triangle: return (1, { max(0, 1 - abs($0)) })
        case .catmullrom:
            // Keys 1981 with a = -1/2.
            return (2, { x in
                let x = abs(x)
                return x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0
            })
        case .mitchell:
            // Mitchell and Netravali 1988, (B, C) = (1/3, 1/3), multiplied out.
            return (2, { x in
                let x = abs(x)
                return x < 1 ? (7 * x * x * x - 12 * x * x + 16.0 / 3) / 6
                    : x < 2 ? (-7.0 / 3 * x * x * x + 12 * x * x - 20 * x + 32.0 / 3) / 6 : 0
            })
        case .lanczos2: return (2, lanczos(2))
        case .lanczos3: return (3, lanczos(3))
        }
    }

    static func resample(_ samples: [Double], to count: Int, _ kernel: Kernel) -> [Double] {
        let scale = Double(samples.count) / Double(count)
        let stretch = max(scale, 1)
        return (0..<count).map { output in
            let center = (Double(output) + 0.5) * scale - 0.5
            if kernel == .nearest { return samples[min(Int(center + 0.5), samples.count - 1)] }
            let (reach, value) = Self.kernel(kernel)
            var (sum, weights) = (0.0, 0.0)
            for i in Int(floor(center - reach * stretch))...Int(ceil(center + reach * stretch)) {
                let weight = value((Double(i) - center) / stretch)
                sum += weight * samples[min(max(i, 0), samples.count - 1)]
                weights += weight
            }
            return sum / weights
        }
    }

    /// sRGB's transfer function and its inverse, as IEC 61966-2-1 writes them.
    private static func light(_ v: Double) -> Double { v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4) }
    private static func code(_ l: Double) -> Double { l <= 0.0031308 ? 12.92 * l : 1.055 * pow(l, 1 / 2.4) - 0.055 }

    /// Samples of `picture` resized, rounded and clamped; `isLinear`: in linear light.
    static func resize(_ picture: Picture, _ width: Int, _ height: Int, _ kernel: Kernel = .lanczos3, isLinear: Bool = false) -> [Int] {
        let format = picture.info.format
        let (w, h, channels) = (Int(picture.info.width), Int(picture.info.height), format.channels)
        let maximum = Double(format.sample.maximum)
        let samples = integers(picture).map(Double.init)
        var planes: [[Double]] = (0..<channels).map { c in
            (0..<w * h).map { i in
                let alpha = format.hasAlpha && c < channels - 1 ? samples[i * channels + channels - 1] / maximum : 1
                let sample = samples[i * channels + c]
                return (isLinear && c < format.model.colorChannels ? light(sample / maximum) * maximum : sample) * alpha
            }
        }
        for c in 0..<channels {
            let rows = (0..<h).flatMap { y in resample(Array(planes[c][y * w..<(y + 1) * w]), to: width, kernel) }
            let columns = (0..<width).map { x in resample((0..<h).map { rows[$0 * width + x] }, to: height, kernel) }
            planes[c] = (0..<width * height).map { columns[$0 % width][$0 / width] }
        }
        return (0..<width * height).flatMap { i in
            (0..<channels).map { c in
                var value = planes[c][i]
                if format.hasAlpha && c < channels - 1 {
                    let alpha = planes[channels - 1][i]
                    value = alpha > 0 ? value * maximum / alpha : 0
                }
                value = min(max(value, 0), maximum)
                if isLinear && c < format.model.colorChannels { value = code(value / maximum) * maximum }
                return Int(value.rounded())
            }
        }
    }
}

/// Samples as numbers.
func integers(_ picture: Picture) -> [Int] {
    let bytes = picture.frames[0]
    guard picture.info.format.sample == .uint16 else { return bytes.map(Int.init) }
    return stride(from: 0, to: bytes.count, by: 2).map { Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8 }
}

func resized(
    _ picture: Picture, _ width: UInt32, _ height: UInt32, kernel: Kernel = .lanczos3, isLinear: Bool = false, rowsPerRead: Int = .max
) throws -> Picture {
    let pool = BufferPool(limits: Limits())
    return try collect(
        try Resizer(
            PictureSource(picture, rowsPerRead: rowsPerRead), width: width, height: height, kernel: kernel, isLinear: isLinear,
            pool: pool), pool)
}

@Suite struct ResizerTests {
    static let formats = [
        PixelFormat(.gray), PixelFormat(.gray, alpha: .straight), .rgb, .rgba, PixelFormat(.gray, sample: .uint16),
        PixelFormat(.rgb, sample: .uint16), PixelFormat(.rgb, alpha: .straight, sample: .uint16),
    ]

    /// Reductions of 1.5, 3 and 7.3 and their neighbours, enlargements, odd sizes, sides of one pixel.
    static let sizes: [(UInt32, UInt32, UInt32, UInt32)] = [
        (60, 45, 40, 30), (61, 47, 20, 16), (73, 146, 10, 20), (31, 29, 31, 11), (20, 17, 53, 61), (13, 9, 14, 8),
        (1, 40, 1, 7), (40, 1, 9, 1), (1, 1, 5, 4), (5, 3, 1, 1), (2, 2, 64, 3),
    ]

    @Test(arguments: formats)
    func lanczos3EqualsTheReference(_ format: PixelFormat) throws {
        for (width, height, newWidth, newHeight) in Self.sizes {
            var picture = Picture(width, height, format, seed: UInt64(width) << 8 | UInt64(height))
            // Where alpha is near nothing a colour is near anything; 1/4 and more is what the mark is about.
            if format.hasAlpha { picture.raiseAlpha() }
            let result = integers(try resized(picture, newWidth, newHeight))
            let expected = Reference.resize(picture, Int(newWidth), Int(newHeight))
            #expect(result.count == expected.count)
            let errors = zip(result, expected).map { Double($0 - $1) }
            #expect(errors.allSatisfy { abs($0) <= 1 }, "\(width)x\(height) to \(newWidth)x\(newHeight)")
            let mean = errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)
            let psnr = mean == 0 ? .infinity : 10 * log10(pow(Double(format.sample.maximum), 2) / mean)
            #expect(psnr >= 55, "\(psnr) dB, \(width)x\(height) to \(newWidth)x\(newHeight)")
        }
    }

    @Test(arguments: Kernel.allCases)
    func everyKernelEqualsTheReference(_ kernel: Kernel) throws {
        for format in [PixelFormat.rgb, PixelFormat(.gray, alpha: .straight, sample: .uint16)] {
            for (width, height, newWidth, newHeight) in Self.sizes {
                var picture = Picture(width, height, format, seed: 7)
                if format.hasAlpha { picture.raiseAlpha() }
                let result = integers(try resized(picture, newWidth, newHeight, kernel: kernel))
                let expected = Reference.resize(picture, Int(newWidth), Int(newHeight), kernel)
                #expect(zip(result, expected).allSatisfy { abs($0 - $1) <= 1 }, "\(format.sample) \(width)x\(height) to \(newWidth)x\(newHeight)")
            }
        }
    }

    /// Opaque pictures and such with alpha, 8 and 16 bits: at most 1 off, no step of 8 bits lost in the dark.
    @Test(arguments: [PixelFormat.rgb, .rgba, PixelFormat(.gray), PixelFormat(.rgb, sample: .uint16)])
    func linearLightEqualsTheReference(_ format: PixelFormat) throws {
        for (width, height, newWidth, newHeight) in Self.sizes {
            var picture = Picture(width, height, format, seed: 11)
            if format.hasAlpha { picture.raiseAlpha() }
            let result = integers(try resized(picture, newWidth, newHeight, isLinear: true))
            let expected = Reference.resize(picture, Int(newWidth), Int(newHeight), isLinear: true)
            #expect(zip(result, expected).allSatisfy { abs($0 - $1) <= 1 }, "\(width)x\(height) to \(newWidth)x\(newHeight)")
        }
    }

    /// Every third shade, reduced so much that errors of many products would add up.
    @Test(arguments: Kernel.allCases)
    func shadesStayThemselvesWhenReducedMuch(_ kernel: Kernel) throws {
        for (side, newSide) in [(120, 3), (62, 1), (90, 3), (200, 9), (107, 10), (96, 6), (240, 16), (125, 4)] as [(UInt32, UInt32)] {
            var picture = Picture(side, side, .gray)
            for shade in stride(from: UInt8(0), through: 255, by: 3) {
                picture.frames[0] = picture.frames[0].map { _ in shade }
                let result = try resized(picture, newSide, newSide, kernel: kernel)
                #expect(result.frames[0].allSatisfy { $0 == shade }, "\(shade), \(side) to \(newSide)")
            }
        }
    }

    @Test(arguments: Kernel.allCases)
    func constantPictureStaysConstant(_ kernel: Kernel) throws {
        for format in Self.formats {
            for (width, height, newWidth, newHeight) in Self.sizes {
                var picture = Picture(width, height, format)
                picture.frames[0] = picture.frames[0].map { _ in 0xc8 }
                let result = try resized(picture, newWidth, newHeight, kernel: kernel)
                #expect(result.frames[0].allSatisfy { $0 == 0xc8 }, "\(format) \(width)x\(height) to \(newWidth)x\(newHeight)")
            }
        }
    }

    @Test func resultDoesNotDependOnHowRowsArrive() throws {
        let picture = Picture(83, 59, .rgba)
        for (width, height) in [(20, 11), (100, 130)] as [(UInt32, UInt32)] {
            let whole = try resized(picture, width, height)
            for rows in [1, 2, 7] { #expect(try resized(picture, width, height, rowsPerRead: rows) == whole) }
        }
    }

    @Test func everyFrameIsResized() throws {
        let picture = Picture(20, 12, .rgba, frames: 3)
        let result = try resized(picture, 10, 6)
        #expect(result.frames.count == 3)
        #expect(result.durations == picture.durations)
        for i in 0..<3 {
            var single = picture
            (single.frames, single.durations, single.info.frames) = ([picture.frames[i]], [0], 1)
            #expect(try resized(single, 10, 6).frames[0] == result.frames[i])
        }
    }

    @Test func redOnNothingStaysRed() throws {
        var picture = Picture(64, 64, .rgba)
        for i in 0..<64 * 64 {
            let (x, y) = (i % 64 - 32, i / 64 - 32)
            let pixel: [UInt8] = x * x + y * y < 400 ? [255, 0, 0, 255] : [0, 255, 0, 0]
            picture.frames[0].replaceSubrange(4 * i..<4 * i + 4, with: pixel)
        }
        let result = try resized(picture, 23, 23).frames[0]
        for i in stride(from: 0, to: result.count, by: 4) where result[i + 3] > 0 {
            #expect(result[i] == 255 && result[i + 1] == 0 && result[i + 2] == 0)
        }
    }

    @Test func nearestTakesSamplesAsTheyAre() throws {
        let picture = Picture(4, 2, .rgb)
        let result = try resized(picture, 8, 4, kernel: .nearest).frames[0]
        for y in 0..<4 {
            for x in 0..<8 {
                let (from, to) = (((y / 2) * 4 + x / 2) * 3, (y * 8 + x) * 3)
                #expect(result[to..<to + 3].elementsEqual(picture.frames[0][from..<from + 3]))
            }
        }
    }

    @Test func boxIsTheMean() throws {
        var picture = Picture(4, 2, .gray)
        picture.frames[0] = [0, 10, 20, 30, 40, 50, 60, 70]
        #expect(try resized(picture, 2, 1, kernel: .box).frames[0] == [25, 45])
    }

    @Test func memoryIsRowsWhateverTheReduction() throws {
        let pool = BufferPool(limitBytes: 4 << 20)
        let source = PictureSource(Picture(4000, 900, .rgb), rowsPerRead: 1)
        let resizer = try Resizer(source, width: 80, height: 2, kernel: .lanczos3, pool: pool)
        #expect(pool.leasedBytes < 1 << 20)
        _ = resizer
    }

    @Test func weightsCountAsMemory() throws {
        let pool = BufferPool(limitBytes: 16 << 20)
        #expect(throws: ImageError.self) { try Weights(from: 10_000_000, to: 10, kernel: .lanczos3, pool: pool) }
    }

    /// As ImageMagick and vips have it: fewer pixels print smaller.
    @Test func resolutionStays() throws {
        var picture = Picture(10, 10, .gray)
        picture.info.density = (4000, 2000)
        #expect(try resized(picture, 5, 20).info.density == (4000, 2000))
    }
}

extension Picture {
    mutating func raiseAlpha() {
        let channels = info.format.channels
        let step = info.format.sample.byteCount
        for i in stride(from: channels * step - 1, to: frames[0].count, by: channels * step) { frames[0][i] |= 0x40 }
    }
}

@Suite struct WeightsTests {
    @Test(arguments: Kernel.allCases)
    func everyWindowSumsToOneInsideThePicture(_ kernel: Kernel) throws {
        for (from, to) in [(1, 1), (1, 9), (9, 1), (100, 37), (37, 100), (50, 50), (1000, 999)] {
            let weights = try Weights(from: from, to: to, kernel: kernel, pool: BufferPool(limits: Limits()))
            #expect(weights.windows.count == to)
            for (previous, window) in zip([weights.windows[0]] + Array(weights.windows), weights.windows) {
                #expect(window.first >= 0 && window.end <= from && window.count > 0)
                #expect(window.first >= previous.first && window.end >= previous.end)
                let sum = (0..<window.count).reduce(Float(0)) { $0 + weights.values[window.offset + $1] }
                #expect(abs(sum - 1) < 1e-5)
            }
        }
    }

    /// Catmull-Rom and Lanczos interpolate: at a sample's own place they are that sample alone.
    @Test(arguments: [Kernel.triangle, .catmullrom, .lanczos2, .lanczos3])
    func interpolatingKernelsVanishAtOtherSamples(_ kernel: Kernel) {
        #expect(abs(kernel(0) - 1) < 1e-15)
        for x in 1...3 { #expect(abs(kernel(Double(x))) < 1e-15) }
    }
}
