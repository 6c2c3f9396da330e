import ImageCore
import TestPictures
import Testing

@Suite struct SharpenerTests {
    private let pool = BufferPool(limits: Limits())

    private func sharpened(_ picture: Picture, _ amount: Double, rowsPerRead: Int = .max) throws -> Picture {
        try collect(try Sharpener(PictureSource(picture, rowsPerRead: rowsPerRead), amount: amount, pool: pool), pool)
    }

    @Test(arguments: [(1, 1), (7, 1), (1, 9), (23, 17)] as [(UInt32, UInt32)])
    func sharpeningIsTheFormula(_ width: UInt32, _ height: UInt32) throws {
        for amount in [0, 0.5, 3] {
            let picture = Picture(width, height, .rgb)
            let samples = picture.frames[0].map(Double.init)
            func at(_ x: Int, _ y: Int, _ c: Int) -> Double {
                samples[(max(0, min(y, Int(height) - 1)) * Int(width) + max(0, min(x, Int(width) - 1))) * 3 + c]
            }
            var expected: [UInt8] = []
            for y in 0..<Int(height) {
                for x in 0..<Int(width) {
                    for c in 0..<3 {
                        var mean = 0.0
                        for (dy, v) in [(-1, 1.0), (0, 2), (1, 1)] {
                            for (dx, h) in [(-1, 1.0), (0, 2), (1, 1)] { mean += v * h * at(x + dx, y + dy, c) / 16 }
                        }
                        expected.append(UInt8(max(0, min(255, at(x, y, c) + amount * (at(x, y, c) - mean))) + 0.5))
                    }
                }
            }
            let result = try sharpened(picture, amount).frames[0]
            // Halves may round either way in Float.
            #expect(zip(result, expected).allSatisfy { abs(Int($0) - Int($1)) <= 1 } && result.count == expected.count)
            if amount == 0 { #expect(result == picture.frames[0]) }
            #expect(try sharpened(picture, amount, rowsPerRead: 1).frames == [result])
        }
    }

    /// No dark or light fringe: one colour stays that colour under any alpha.
    @Test func oneColourStaysUnderAnyAlpha() throws {
        var picture = Picture(32, 32, .rgba)
        for i in 0..<32 * 32 {
            let distance = (i % 32 - 16) * (i % 32 - 16) + (i / 32 - 16) * (i / 32 - 16)
            picture.frames[0].replaceSubrange(4 * i..<4 * i + 3, with: [200, 100, 50])
            picture.frames[0][4 * i + 3] = distance < 80 ? 255 : distance < 120 ? 128 : 0
        }
        let result = try sharpened(picture, 2).frames[0]
        for i in stride(from: 0, to: result.count, by: 4) where result[i + 3] > 0 {
            #expect(zip(result[i..<i + 3], [200, 100, 50]).allSatisfy { abs(Int($0) - $1) <= 1 }, "\(result[i..<i + 4])")
        }
    }
}
