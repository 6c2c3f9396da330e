import ImageCore
import TestPictures
import Testing

private func converted(
    _ samples: [UInt8], _ from: PixelFormat, to: PixelFormat, background: Color = .white
) throws -> [UInt8] {
    let pixels = samples.count / (from.channels * from.sample.byteCount)
    var picture = Picture(UInt32(pixels), 1, from)
    picture.frames = [samples]
    let pool = BufferPool(limits: Limits())
    return try collect(try Converter(PictureSource(picture), to: to, background: background, pool: pool), pool).frames[0]
}

@Suite struct ConverterTests {
    @Test func sixteenBitsAreRoundedToEight() throws {
        // 128 and 129 lie about half way between the 8-bit steps of 257.
        for (value, expected) in [(0, 0), (128, 0), (129, 1), (257, 1), (32767, 127), (32768, 128), (65407, 255), (65535, 255)] {
            let bytes = [UInt8(value & 255), UInt8(value >> 8)]
            #expect(try converted(bytes, PixelFormat(.gray, sample: .uint16), to: .gray) == [UInt8(expected)])
        }
    }

    @Test func eightBitsBecomeSixteenAndComeBack() throws {
        let all = (0...255).map { UInt8($0) }
        let wide = try converted(all, .gray, to: PixelFormat(.gray, sample: .uint16))
        #expect(wide[..<4].elementsEqual([0, 0, 1, 1]))
        #expect(try converted(wide, PixelFormat(.gray, sample: .uint16), to: .gray) == all)
    }

    @Test func alphaIsBlendedWithTheBackground() throws {
        #expect(try converted([200, 100, 0, 255, 200, 100, 0, 0, 0, 0, 0, 128], .rgba, to: .rgb, background: Color(red: 10, green: 20, blue: 30))
            == [200, 100, 0, 10, 20, 30, 5, 10, 15])
        let premultiplied = PixelFormat(.rgb, alpha: .premultiplied)
        #expect(try converted([100, 50, 0, 128], premultiplied, to: .rgba) == [199, 100, 0, 128])
    }

    @Test func grayIsLumaAndRGBOfGrayIsGray() throws {
        #expect(try converted([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9], .rgb, to: .gray) == [76, 150, 29, 9])
        #expect(try converted([7, 8], .gray, to: .rgba) == [7, 7, 7, 255, 8, 8, 8, 255])
    }

    @Test(arguments: [SampleType.uint8, .uint16])
    func packedYCbCrBecomesRGBWithItsAlpha(_ sample: SampleType) throws {
        // Red at full and at half opacity, straight and premultiplied; 8-bit values, widened where samples have 16 bits.
        func samples(_ values: [UInt8]) -> [UInt8] { sample == .uint8 ? values : values.flatMap { [0, $0] } }
        for (alpha, pixels) in [(Alpha.straight, [76, 85, 255, 255, 76, 85, 255, 128]), (.premultiplied, [76, 85, 255, 255, 38, 43, 128, 128])] as [(Alpha, [UInt8])] {
            let result = try converted(
                samples(pixels), PixelFormat(.ycbcr, alpha: alpha, sample: sample), to: PixelFormat(.rgb, alpha: .straight))
            for (got, expected) in zip(result, [254, 0, 0, 255, 254, 0, 0, 128] as [Int]) { #expect(abs(Int(got) - expected) <= 3) }
            #expect(result.count == 8)
        }
    }

    @Test(arguments: [Subsampling.s444, .s422, .s420, .s440, .s411])
    func planesOfOneColourAreThatColour(_ subsampling: Subsampling) throws {
        let pool = BufferPool(limits: Limits())
        for (width, height) in [(1, 1), (2, 3), (5, 4), (17, 9)] as [(UInt32, UInt32)] {
            var picture = Picture(width, height, PixelFormat(planar: subsampling), frames: 2)
            for frame in 0..<2 {
                // JFIF: Y 76, Cb 85, Cr 255 is red.
                var bytes: [UInt8] = []
                var rows = Int(height)
                while rows > 0 {
                    let band = min(rows, subsampling.vertical)
                    let chroma = picture.info.format.chromaWidth(width: Int(width))
                    bytes += [UInt8](repeating: 76, count: band * Int(width)) + [UInt8](repeating: 85, count: chroma)
                        + [UInt8](repeating: 255, count: chroma)
                    rows -= band
                }
                picture.frames[frame] = bytes
            }
            let result = try collect(try Converter(PictureSource(picture), to: .rgb, pool: pool), pool)
            #expect(result.frames.count == 2)
            for frame in result.frames {
                #expect(frame.count == Int(width * height) * 3)
                #expect(stride(from: 0, to: frame.count, by: 3).allSatisfy { frame[$0..<$0 + 3].elementsEqual([254, 0, 0]) })
            }
        }
    }
}
