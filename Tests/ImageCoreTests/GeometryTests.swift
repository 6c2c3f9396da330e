import ImageCore
import Testing

@Suite struct GeometryTests {
    /// What ImageMagick's -resize makes of the same words.
    @Test(arguments: [
        ("800", 1600, 1000, 800, 500), ("800x", 1600, 1000, 800, 500), ("x600", 1600, 1000, 960, 600),
        ("800x600", 1600, 1000, 800, 500), ("800x400", 1600, 1000, 640, 400), ("3200", 1600, 1000, 3200, 2000),
        ("50%", 1601, 1001, 801, 501), ("50%x25%", 1600, 1000, 800, 250), ("50x25%", 1600, 1000, 800, 250),
        ("33.3%", 1000, 10, 333, 3), ("800x600!", 1600, 1000, 800, 600), ("800!", 1600, 1000, 800, 1000),
        ("3200>", 1600, 1000, 1600, 1000), ("800>", 1600, 1000, 800, 500), ("3200<", 1600, 1000, 3200, 2000),
        ("800<", 1600, 1000, 1600, 1000), ("1", 1000, 10, 1, 1), ("0.01%", 100, 100, 1, 1), ("800x", 3, 70000, 800, 18_666_667),
    ] as [(String, UInt32, UInt32, UInt32, UInt32)])
    func sizes(_ text: String, _ width: UInt32, _ height: UInt32, _ newWidth: UInt32, _ newHeight: UInt32) throws {
        let geometry = try #require(Geometry(text))
        var limits = Limits()
        limits.pixels = .max
        let size = try geometry.size(width: width, height: height, limits: limits)
        #expect(size == (newWidth, newHeight))
    }

    @Test(arguments: ["", "x", "0", "800x0", "-5", "+5", "800x600x4", "abc", "50%%", "%", "x%", "0%", "nan%", "8e2", "4294967296", "80 0", "１"])
    func wordsThatAreNoGeometry(_ text: String) {
        #expect(Geometry(text) == nil)
    }

    @Test func resultsOverTheLimitAreRefused() throws {
        for text in ["100000x100000!", "4294967295x4294967295!", "99999999999%"] {
            #expect(throws: ImageError.self, "\(text)") { try Geometry(text)!.size(width: 10, height: 10, limits: Limits()) }
        }
    }

    @Test func rowsOnTheirSideAreReckonedUpright() throws {
        var info = ImageInfo(width: 400, height: 200, format: .rgb)
        info.orientation = 6
        // Upright 200 x 400, so 100 wide is 100 x 200: rows of 200.
        #expect(try Geometry("100")!.size(of: info, limits: Limits()) == (200, 100))
    }
}
