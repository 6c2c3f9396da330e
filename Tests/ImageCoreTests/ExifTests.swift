import ImageCore
import Testing

/// EXIF blocks laid out by hand, big-endian.
@Suite struct ExifTests {
    private static func u16(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    private static func u32(_ value: Int) -> [UInt8] { u16(value >> 16) + u16(value & 0xffff) }
    private static func entry(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] {
        u16(tag) + u16(type) + u32(count) + value + [UInt8](repeating: 0, count: 4 - value.count)
    }

    /// IFD0 with orientation 6 and a Software that stands outside, EXIF with sizes, IFD1 with a thumbnail at the end.
    private static let block: [UInt8] = {
        // 8: IFD0 of three entries, 50: EXIF of two, 80: "software" and NUL, 90: IFD1 of two, 120: the thumbnail.
        var bytes = [0x4d, 0x4d, 0, 42] + u32(8)
        bytes += u16(3) + entry(0x0112, 3, 1, u16(6)) + entry(0x0131, 2, 9, u32(80)) + entry(0x8769, 4, 1, u32(50)) + u32(90)
        bytes += u16(2) + entry(0xa002, 3, 1, u16(4000)) + entry(0xa003, 4, 1, u32(3000)) + u32(0)
        bytes += Array("software\\0".utf8.prefix(8)) + [0, 0]
        bytes += u16(2) + entry(0x0201, 4, 1, u32(120)) + entry(0x0202, 4, 1, u32(6)) + u32(0)
        return bytes + [0xff, 0xd8, 1, 2, 0xff, 0xd9]
    }()

    @Test func orientationAndSizesAreThoseThatWereWritten() {
        #expect(Self.block.count == 126)
        #expect(Exif.orientation(of: Self.block) == 6)
        let upright = Exif.upright(Self.block, width: 70_000, height: 20)
        #expect(Exif.orientation(of: upright) == 1)
        // The width no longer fits a SHORT.
        #expect(Array(upright[52..<64]) == Self.entry(0xa002, 4, 1, Self.u32(70_000)))
        #expect(Array(upright[64..<76]) == Self.entry(0xa003, 4, 1, Self.u32(20)))
        #expect(Exif.upright(upright, width: 70_000, height: 20) == upright)
    }

    @Test func theThumbnailGoesAndNothingElse() {
        let bare = Exif.withoutThumbnail(Self.block)
        // All behind IFD0's and EXIF's values was the thumbnail's; so was the link to it.
        #expect(bare.count == 90 && Array(bare[46..<50]) == [0, 0, 0, 0])
        #expect(Array(bare[..<46]) == Array(Self.block[..<46]) && Array(bare[50...]) == Array(Self.block[50..<90]))
        #expect(Exif.withoutThumbnail(bare) == bare)
    }

    /// A second directory that shares its values with the first takes none of them along.
    @Test func sharedValuesStay() {
        var shared = Self.block
        shared.replaceSubrange(92..<104, with: Self.entry(0x0131, 2, 9, Self.u32(80)))
        let bare = Exif.withoutThumbnail(shared)
        #expect(Array(bare[80..<89]) == Array(shared[80..<89]) && Array(bare[90..<92]) == [0, 0])
    }

    /// Two strips of samples, as uncompressed thumbnails have them, are wiped too.
    @Test func stripsOfAThumbnailGo() {
        var bytes: [UInt8] = [0x4d, 0x4d, 0, 42] + Self.u32(8)
        bytes += Self.u16(0) + Self.u32(14)
        bytes += Self.u16(2) + Self.entry(0x0111, 4, 2, Self.u32(50)) + Self.entry(0x0117, 3, 2, Self.u16(3) + Self.u16(3)) + Self.u32(0)
        bytes += [UInt8](repeating: 0, count: 50 - bytes.count) + Self.u32(58) + Self.u32(61) + [1, 2, 3, 4, 5, 6]
        #expect(Exif.withoutThumbnail(bytes) == Array(bytes[..<10]) + [UInt8](repeating: 0, count: 40))
    }

    /// Directories in thousands, each with thousands of fields that all say the same bytes: work in proportion to the block.
    @Test func blocksThatClaimMuchTakeNoLonger() {
        let size = 400_000
        var bytes: [UInt8] = [0x4d, 0x4d, 0, 42] + Self.u32(8)
        bytes += Self.u16(6000)
        for i in 0..<6000 { bytes += Self.entry(0x8769, 4, 1, Self.u32(8 + i % 7 * 12)) }
        bytes += Self.u32(bytes.count + 4)
        bytes += Self.u16(9000)
        for _ in 0..<9000 { bytes += Self.entry(0x8298, 7, size - 16, Self.u32(16)) }
        bytes += Self.u32(0) + [UInt8](repeating: 5, count: size - bytes.count - 4)
        // Ten thousand passes over the block would be four billion steps; this is a few million.
        let clock = ContinuousClock()
        let time = clock.measure { _ = Exif.upright(Exif.withoutThumbnail(bytes), width: 1, height: 1) }
        #expect(time < .seconds(20))
    }

    @Test func blocksThatLieNeverTrap() {
        var random: UInt64 = 1
        for _ in 0..<20_000 {
            var block = Self.block
            for _ in 0..<4 {
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                block[8 + Int(random >> 33) % (block.count - 8)] = UInt8(truncatingIfNeeded: random >> 17)
            }
            let cut = Array(block.prefix(8 + Int(random >> 40) % block.count))
            #expect(Exif.upright(cut, width: 5, height: 6).count == cut.count)
            #expect(Exif.withoutThumbnail(cut).count <= cut.count)
        }
    }
}
