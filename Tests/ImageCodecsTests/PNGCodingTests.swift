import ImageCodecs
import ImageCore
import TestPictures
import Testing

/// IHDR of a PNG: bits and colour type. PNG specification, 11.2.1.
private func header(_ png: [UInt8]) -> (bits: Int, type: Int) { (Int(png[24]), Int(png[25])) }

private func picture(_ width: UInt32, _ height: UInt32, _ format: PixelFormat, _ pixel: (_ x: Int, _ y: Int) -> [Int]) -> Picture {
    var picture = Picture(width, height, format)
    picture.frames[0] = (0..<Int(width) * Int(height)).flatMap { i in
        pixel(i % Int(width), i / Int(width)).flatMap { sample -> [UInt8] in
            format.sample == .uint8 ? [UInt8(sample)] : [UInt8(sample & 255), UInt8(sample >> 8)]
        }
    }
    return picture
}

/// What a PNG holds as RGBA of 16 bits, in which nothing that it can hold is lost.
private func wide(_ picture: Picture) throws -> [UInt8] {
    let format = PixelFormat(.rgb, alpha: .straight, sample: .uint16)
    let source = PictureSource(picture)
    return try collect(picture.info.format == format ? source : try Converter(source, to: format, pool: pool), pool).frames[0]
}

/// Without a pattern that filters find.
private func noise(_ x: Int, _ y: Int) -> Int { ((x * 7919 + y * 104_729) &* 2_654_435_761) >> 9 & 0xffff }

private let gray = 0, rgb = 2, palette = 3, grayAlpha = 4, rgba = 6

@Suite struct PNGCodingTests {
    private static let sixteen = PixelFormat(.rgb, sample: .uint16)

    /// Pictures, and the smallest coding that holds each exactly.
    private static let cases: [(name: String, picture: Picture, bits: Int, type: Int)] = [
        ("black and white as RGB", picture(40, 30, .rgb) { x, y in [Int](repeating: (x + y) % 2 * 255, count: 3) }, 1, gray),
        ("four greys of 85", picture(40, 30, .gray) { x, _ in [x % 4 * 85] }, 2, gray),
        ("sixteen greys of 17", picture(40, 30, .rgba) { x, _ in [x % 16 * 17, x % 16 * 17, x % 16 * 17, 255] }, 4, gray),
        ("other greys, few", picture(100, 100, .gray) { x, _ in [x % 3 * 100] }, 2, palette),
        ("grey as RGB", picture(64, 64, .rgb) { x, y in [Int](repeating: (x * 4 + y) % 256, count: 3) }, 8, gray),
        ("grey", picture(64, 64, .gray) { x, y in [(x * 4 + y) % 256] }, 8, gray),
        ("two colours", picture(50, 50, .rgb) { x, y in (x / 5 + y) % 2 == 0 ? [255, 0, 0] : [0, 0, 128] }, 1, palette),
        ("256 colours", picture(200, 200, .rgb) { x, y in [noise(x, y) % 256, noise(x, y) % 256 / 3, 9] }, 8, palette),
        ("257 colours", picture(257, 40, .rgb) { x, y in [min(x, 255), y == 39 && x == 256 ? 77 : 5, 9] }, 8, rgb),
        ("colours with alpha", picture(60, 60, .rgba) { x, y in [x / 20 * 80, 10, 200, y / 30 * 128] }, 4, palette),
        ("few greys with alpha", picture(16, 16, .rgba) { x, y in [x * 17, x * 17, x * 17, y * 17] }, 8, grayAlpha),
        ("few colours, opaque", picture(4, 4, .rgba) { x, y in [x * 60, y * 60, 7, 255] }, 8, rgb),
        ("grey beyond a palette, with alpha", picture(64, 64, .rgba) { x, y in [x * 4, x * 4, x * 4, y * 4] }, 8, grayAlpha),
        ("colour at the last pixel", picture(64, 64, .rgb) { x, y in
            x + y == 126 ? [1, 2, 3] : [Int](repeating: (x * 4 + y) % 256, count: 3)
        }, 8, rgb),
        ("colours too small for a palette", picture(3, 2, .rgb) { x, y in [x * 100, y * 100, 7] }, 8, rgb),
        ("many colours with alpha", picture(64, 64, .rgba) { x, y in [x * 4, y * 4, 9, x + y] }, 8, rgba),
        ("16 bit grey as RGB", picture(50, 40, sixteen) { x, y in [Int](repeating: x * 1000 + y, count: 3) }, 16, gray),
        ("16 bit grey with alpha", picture(50, 40, PixelFormat(.rgb, alpha: .straight, sample: .uint16)) { x, y in
            [Int](repeating: x * 1000 + y, count: 3) + [y * 1500]
        }, 16, grayAlpha),
        ("16 bit", picture(50, 40, sixteen) { x, y in [x * 1000, y * 1000, y == 39 ? 8 : 9] }, 16, rgb),
    ]

    @Test(arguments: cases.indices)
    func theSmallestExactCodingIsFound(_ index: Int) throws {
        let (name, picture, bits, type) = Self.cases[index]
        let png = try encoded(picture, options(.png))
        #expect(header(png) == (bits, type), "\(name)")
        #expect(try wide(try decoded(png)) == (try wide(picture)), "\(name)")
        var plain = options(.png)
        plain.sample = picture.info.format.sample
        #expect(png.count <= (try encoded(picture, plain)).count, "\(name)")
    }

    /// Held rows of many blocks, wrong guesses late, memory that runs short: always the same pixels.
    @Test(arguments: [7 << 20, 400_000])
    func aGuessThatFailsLateLosesNothing(_ memory: Int) throws {
        let pool = BufferPool(limitBytes: memory)
        let tall = picture(700, 900, .rgb) { x, y in y < 880 ? [Int](repeating: (x + y) % 256, count: 3) : [x % 256, y % 256, 3] }
        let sink = MemorySink()
        _ = try Encoder(options(.png), pool: pool).encode(PictureSource(tall), to: sink)
        try sink.commit()
        #expect(try decoded(sink.file!).frames == tall.frames)
        #expect(pool.leasedBytes == 0)
    }

    /// A profile of RGB has no place in a grey PNG, and one of grey none in a palette.
    @Test func aProfileKeepsTheModel() throws {
        for (space, picture, type) in [
            ("RGB ", picture(40, 40, .rgb) { x, y in [Int](repeating: noise(x, y) % 40, count: 3) }, palette),
            ("GRAY", picture(100, 100, .gray) { x, _ in [x % 3 * 100] }, gray),
        ] {
            var profiled = picture
            profiled.metadata = [MetadataRecord(.icc, emptyProfile(space))]
            let png = try encoded(profiled, options(.png))
            #expect(header(png).type == type, "\(space)")
            #expect(try decoded(png).metadata[.icc] == emptyProfile(space), "\(space)")
        }
    }

    @Test func palettesOfFewEnoughColoursAreExact() throws {
        let few = picture(40, 40, .rgba) { x, y in [x / 10 * 60, y / 10 * 60, 0, x > 5 ? 255 : 90] }
        var options = options(.png)
        options.paletteColors = 20
        #expect(try wide(try decoded(try encoded(few, options))) == (try wide(few)))
    }

    /// Also when memory is too short to hold the picture as numbers of colours.
    @Test func palettesAreExactWhateverTheMemory() throws {
        let blues = picture(900, 900, .rgb) { x, y in [1, 1, (x + y) % 4] }
        var options = options(.png)
        options.paletteColors = 8
        let sink = MemorySink()
        _ = try Encoder(options, pool: BufferPool(limitBytes: 900_000)).encode(PictureSource(blues), to: sink)
        try sink.commit()
        #expect(try wide(try decoded(sink.file!)) == (try wide(blues)))
    }

    @Test func palettesHoldAtMostTheColoursAskedFor() throws {
        let many = Picture(smooth: 120, 90, .rgba)
        var last = 0.0
        for (count, bits) in [(2, 1), (4, 2), (16, 4), (64, 8), (256, 8)] {
            var options = options(.png)
            options.paletteColors = count
            let png = try encoded(many, options)
            #expect(header(png) == (bits, palette), "\(count)")
            let result = try decoded(png)
            let colors = Set(stride(from: 0, to: result.frames[0].count, by: 4).map { Array(result.frames[0][$0..<$0 + 4]) })
            #expect(colors.count <= count && colors.count > count / 2, "\(colors.count) of \(count)")
            // More colours are nearer.
            let quality = psnr(result.frames[0], many.frames[0])
            #expect(quality > last, "\(count): \(quality) dB after \(last)")
            last = quality
        }
    }
}

/// Enough of a header for libpng to take it: size, colour space, signature, D50, no tags. ICC.1:2022 7.2.
func emptyProfile(_ space: String, byteCount: Int = 400) -> [UInt8] {
    // libpng takes no profile that becomes less than 81 bytes.
    var profile = (0..<byteCount).map { UInt8(truncatingIfNeeded: noise($0, 0)) }
    profile.replaceSubrange(128..<132, with: [0, 0, 0, 0])
    profile.replaceSubrange(0..<4, with: (0..<4).map { UInt8(truncatingIfNeeded: byteCount >> (24 - 8 * $0)) })
    profile.replaceSubrange(8..<12, with: [2, 0, 0, 0])
    profile.replaceSubrange(12..<24, with: Array("mntr\(space)XYZ ".utf8))
    profile.replaceSubrange(36..<40, with: Array("acsp".utf8))
    profile.replaceSubrange(64..<80, with: [0, 0, 0, 0, 0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d])
    return profile
}
