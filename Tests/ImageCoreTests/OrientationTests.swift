import ImageCore
import TestPictures
import Testing

@Suite struct OrientationTests {
    /// The letter F as a 2 x 3 picture, as each orientation stores it: figure of the EXIF specification.
    static let stored: [UInt8: (width: UInt32, rows: [UInt8])] = [
        1: (2, [1, 2, 3, 4, 5, 6]), 2: (2, [2, 1, 4, 3, 6, 5]), 3: (2, [6, 5, 4, 3, 2, 1]), 4: (2, [5, 6, 3, 4, 1, 2]),
        5: (3, [1, 3, 5, 2, 4, 6]), 6: (3, [2, 4, 6, 1, 3, 5]), 7: (3, [6, 4, 2, 5, 3, 1]), 8: (3, [5, 3, 1, 6, 4, 2]),
    ]

    @Test(arguments: 1...8)
    func everyOrientationComesUpright(_ code: Int) throws {
        let (width, samples) = Self.stored[UInt8(code)]!
        for format in everyFormat where format.layout == .packed && format.model != .ycbcr {
            let bytes = format.rowBytes(width: 1)
            func pixels(_ samples: [UInt8]) -> [UInt8] { samples.flatMap { s in (0..<bytes).map { UInt8($0) &* 16 &+ s } } }
            var picture = Picture(width, 6 / width, format, frames: 2)
            picture.info.orientation = UInt8(code)
            picture.info.density = width == 2 ? (10, 20) : (20, 10)
            picture.frames = [pixels(samples), pixels(samples.map { $0 + 8 })]
            let pool = BufferPool(limits: Limits())
            let result = try collect(try upright(PictureSource(picture), pool: pool), pool)
            #expect(result.info.width == 2 && result.info.height == 3)
            #expect(result.info.orientation == 1)
            #expect(result.info.density == (10, 20))
            #expect(result.frames == [pixels([1, 2, 3, 4, 5, 6]), pixels([9, 10, 11, 12, 13, 14])])
        }
    }

    @Test func framesBeyondTheMemoryLimitWaitInAFile() throws {
        var picture = Picture(500, 400, .rgb)
        picture.info.orientation = 6
        let roomy = BufferPool(limits: Limits())
        let tight = BufferPool(limitBytes: 300_000)
        let expected = try collect(try upright(PictureSource(picture), pool: roomy), roomy)
        #expect(try collect(try upright(PictureSource(picture), pool: tight), tight) == expected)
    }
}
