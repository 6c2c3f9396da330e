import ImageCore
import TestPictures
import Testing

@Suite struct HalvedChromaTests {
    private func picture(_ width: Int, _ height: Int, _ sample: (_ x: Int, _ channel: Int) -> UInt8) -> PictureSource {
        var picture = Picture(UInt32(width), UInt32(height), .rgb)
        picture.frames = [(0..<3 * width * height).map { sample($0 / 3 % width, $0 % 3) }]
        return PictureSource(picture)
    }

    /// One colour loses nothing; columns of two colours lose all that tells them apart.
    @Test func coloursThatAlternateAreLost() throws {
        for (width, height) in [(16, 12), (17, 13), (5, 5)] {
            let flat = try HalvedChroma(of: picture(width, height) { _, c in [200, 60, 30][c] }, pool: BufferPool(limits: Limits()))
            #expect(flat.squaredError < 1e-6)
            let striped = try HalvedChroma(of: picture(width, height) { x, c in (x % 2 == 0 ? [255, 0, 0] : [0, 0, 255])[c] }, pool: BufferPool(limits: Limits()))
            #expect(striped.squaredError > 1000)
            guard width > 10 else {
                #expect(flat.similarity == nil)
                continue
            }
            #expect(flat.similarity!.allSatisfy { $0 > 0.99999 } && striped.similarity!.allSatisfy { $0 < 0.1 })
        }
    }
}
