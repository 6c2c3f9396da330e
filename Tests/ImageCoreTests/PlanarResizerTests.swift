import ImageCore
import TestPictures
import Testing

@Suite struct PlanarResizerTests {
    private static let subsamplings: [Subsampling] = [.s444, .s422, .s420, .s440, .s411]

    private func resized(_ picture: Picture, _ width: UInt32, _ height: UInt32, kernel: Kernel = .lanczos3, rowsPerRead: Int = .max) throws -> Picture {
        let pool = BufferPool(limits: Limits())
        let source = PictureSource(picture, rowsPerRead: rowsPerRead)
        return try collect(try PlanarResizer(source, width: width, height: height, kernel: kernel, pool: pool), pool)
    }

    /// The plane of a component as a grey picture: luma 0, Cb 1, Cr 2.
    private func plane(_ picture: Picture, _ component: Int) -> Picture {
        let (info, format) = (picture.info, picture.info.format)
        let (width, height) = (Int(info.width), Int(info.height))
        let chroma = format.chromaWidth(width: width)
        var (rows, at) = ([UInt8](), 0)
        for top in stride(from: 0, to: height, by: format.bandRows) {
            let luma = min(format.bandRows, height - top) * width
            let (start, count) = component == 0 ? (at, luma) : (at + luma + (component - 1) * chroma, chroma)
            rows += picture.frames[0][start..<start + count]
            at += luma + 2 * chroma
        }
        let sides = component == 0 ? (width, height) : (chroma, (height + format.bandRows - 1) / format.bandRows)
        var result = Picture(UInt32(sides.0), UInt32(sides.1), .gray)
        result.frames = [rows]
        return result
    }

    /// Where sides are whole numbers of chroma samples, each component is what its plane becomes alone.
    @Test(arguments: subsamplings)
    func eachPlaneIsResizedAlone(_ subsampling: Subsampling) throws {
        let picture = Picture(160, 120, PixelFormat(planar: subsampling))
        let result = try resized(picture, 37, 29)
        #expect(result.info.format == PixelFormat(.ycbcr) && result.info.width == 37 && result.info.height == 29)
        for component in 0..<3 {
            let expected = try ImageCoreTests.resized(plane(picture, component), 37, 29).frames[0]
            let found = stride(from: component, to: result.frames[0].count, by: 3).map { result.frames[0][$0] }
            #expect(found == expected, "component \(component)")
        }
    }

    /// An odd side has a chroma sample that covers a pixel less; the others stay where they are: a ramp across stays the ramp of luma.
    @Test(arguments: [Subsampling.s422, .s420, .s411])
    func oddSidesKeepChromaInPlace(_ subsampling: Subsampling) throws {
        var picture = Picture(201, 160, PixelFormat(planar: subsampling))
        let h = subsampling.horizontal
        var rows: [UInt8] = []
        for _ in stride(from: 0, to: 160, by: subsampling.vertical) {
            for _ in 0..<subsampling.vertical { rows += (0..<201).map { UInt8(20 + $0) } }
            // The value of the ramp at the centre of the pixels that share a sample.
            for _ in 0..<2 { rows += (0..<(201 + h - 1) / h).map { UInt8(20 + h * $0 + (h - 1) / 2) } }
        }
        picture.frames = [rows]
        let result = try resized(picture, 40, 30, kernel: .triangle).frames[0]
        // Half a step where the centre lies between pixels, and rounding. The last columns see the edge, which repeats.
        for x in 2..<36 {
            let pixel = result[(15 * 40 + x) * 3..<(15 * 40 + x) * 3 + 3].map(Int.init)
            #expect(abs(pixel[0] - pixel[1]) <= 1 && pixel[1] == pixel[2], "column \(x): \(pixel)")
        }
    }

    @Test func resultDoesNotDependOnHowRowsArrive() throws {
        let picture = Picture(83, 59, PixelFormat(planar: .s420))
        let whole = try resized(picture, 20, 11)
        for rows in [1, 2, 6] { #expect(try resized(picture, 20, 11, rowsPerRead: rows) == whole) }
    }

    /// Where luma is reduced too much for fixed point and chroma is not, they come out together all the same.
    @Test(arguments: 19...36)
    func lumaAndChromaComeOutTogether(_ height: Int) throws {
        var picture = Picture(12, 400, PixelFormat(planar: .s420))
        picture.frames[0] = picture.frames[0].map { _ in 0x55 }
        let result = try resized(picture, 5, UInt32(height))
        #expect(result.frames[0] == [UInt8](repeating: 0x55, count: 15 * height))
    }

    /// Every plane gets the rows that it wants, and none too many, whatever the sizes.
    @Test(arguments: subsamplings)
    func everySizeComesToItsEnd(_ subsampling: Subsampling) throws {
        var random: UInt64 = UInt64(subsampling.rawValue)
        func next(_ limit: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % limit
        }
        for _ in 0..<150 {
            let (width, height) = (subsampling.horizontal + next(20), subsampling.vertical + next(150))
            var picture = Picture(UInt32(width), UInt32(height), PixelFormat(planar: subsampling))
            picture.frames[0] = picture.frames[0].map { _ in 0x55 }
            let newWidth = UInt32(1 + next(width / subsampling.horizontal))
            let newHeight = UInt32(1 + next(height / subsampling.vertical))
            let result = try resized(picture, newWidth, newHeight, kernel: Kernel.allCases[next(Kernel.allCases.count)])
            #expect(result.frames[0] == [UInt8](repeating: 0x55, count: 3 * Int(newWidth * newHeight)), "\(width)x\(height) to \(newWidth)x\(newHeight)")
        }
    }
}
