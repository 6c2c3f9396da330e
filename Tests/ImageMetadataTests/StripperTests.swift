import Foundation
import ImageCore
import Testing

@testable import ImageMetadata

/// Files made here, with data where no decoder looks: what stripper and walker make of them.
@Suite struct StripperTests {
    private let pool = BufferPool(limits: Limits())
    private let secret = Array("secret-9f2".utf8)

    /// The stripped file. Throws what the stripper throws; `internalError` is the walker's.
    private func stripped(_ file: [UInt8], _ choice: MetadataChoice, limits: Limits = Limits()) throws -> (bytes: [UInt8], warnings: [String]) {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(file).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let source = try ByteSource(.open(reading: FilePath(path.path)), pool: pool)
        let sink = MemorySink()
        let report = try FileStripper(choice, limits: limits, pool: pool).strip(source, to: sink)
        try sink.commit()
        return (sink.file!, report.warnings)
    }

    private func holdsSecret(_ bytes: [UInt8]) -> Bool { bytes.firstRange(of: secret) != nil }

    private func bare() throws -> MetadataChoice { try MetadataChoice(dropping: [.all]) }

    // MARK: PNG

    private func chunk(_ type: String, _ bytes: [UInt8]) -> [UInt8] {
        let named = Array(type.utf8) + bytes
        return UInt32(bytes.count).bigEndianBytes + named + Zlib.crc(0, named.span.bytes).bigEndianBytes
    }

    /// Of one grey pixel, with chunks before its IDAT.
    private func png(_ chunks: [UInt8] = [], end: [UInt8] = []) -> [UInt8] {
        // A stored block of two zeros.
        let pixel: [UInt8] = [0x78, 1, 1, 2, 0, 0xfd, 0xff, 0, 0, 0, 2, 0, 1]
        return PNGStripper.signature + chunk("IHDR", [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]) + chunks + chunk("IDAT", pixel) + chunk("IEND", end)
    }

    @Test(arguments: ["gAMA", "cHRM", "sRGB", "cICP", "mDCV", "mDCv", "cLLI", "cLLi", "sBIT", "bKGD", "pHYs", "acTL", "fcTL", "fdAT"])
    func renderingChunksOfPNGHoldNoMoreThanTheyMay(_ type: String) throws {
        let (bytes, _) = try stripped(png(chunk(type, [0, 0, 0, 0] + secret + Array(repeating: 0, count: 40))), bare())
        #expect(bytes == png())
    }

    @Test func repeatedChunksOfPNGGo() throws {
        let gamma = chunk("gAMA", [0, 0, 0xb1, 0x8f])
        #expect(try stripped(png(gamma + chunk("gAMA", [1, 2, 3, 4])), bare()).bytes == png(gamma))
        #expect(try stripped(png([], end: secret), bare()).bytes == png())
        #expect(throws: ImageError.self) { try stripped(png(chunk("PLTE", Array(repeating: 0, count: 768) + secret + [0, 0])), bare()) }
    }

    @Test func chunksBetweenThePixelsOfAPNGAreDamage() throws {
        let file = png()
        let again = file.dropLast(12) + chunk("tEXt", Array("a\0b".utf8)) + file[33..<58] + file.suffix(12)
        #expect(throws: ImageError.self) { try stripped(Array(again), bare()) }
    }

    // MARK: JPEG

    private static let frame: [UInt8] = [8, 0, 8, 0, 8, 1, 1, 0x11, 0]

    private func jpeg(_ segments: [(UInt8, [UInt8])] = [], behind: [(UInt8, [UInt8])] = []) -> [UInt8] {
        [0xff, 0xd8] + segments.flatMap { JPEGSegment.bytes($0.0, $0.1) } + JPEGSegment.bytes(0xc0, Self.frame)
            + JPEGSegment.bytes(0xda, [1, 1, 0, 0, 63, 0]) + [1, 2, 0xff, 0, 3] + behind.flatMap { JPEGSegment.bytes($0.0, $0.1) } + [0xff, 0xd9]
    }

    private static let tables: [(UInt8, [UInt8])] = [
        (0xdd, [0, 4]), (0xdc, [0, 8]), (0xcc, [0, 0x10]), (0xdb, [0] + Array(repeating: 1, count: 64)), (0xc4, [0] + Array(repeating: 0, count: 16)),
    ]

    @Test(arguments: tables)
    func segmentsThatDrawHoldNoMoreThanTheyMay(_ segment: (UInt8, [UInt8])) throws {
        #expect(try stripped(jpeg([segment]), bare()).bytes == jpeg([segment]))
        #expect(throws: ImageError.self) { try stripped(jpeg([(segment.0, segment.1 + secret)]), bare()) }
        #expect(throws: ImageError.self) { try stripped(jpeg(behind: [(segment.0, segment.1 + secret)]), bare()) }
    }

    @Test func framesAndScansHoldNoMoreThanTheyMay() throws {
        #expect(throws: ImageError.self) { try stripped(jpeg([(0xc0, Self.frame + secret)]), bare()) }
        #expect(throws: ImageError.self) { try stripped(jpeg(behind: [(0xda, [1, 1, 0, 0, 63, 0] + secret)]), bare()) }
    }

    @Test func ofJFIFAndAdobeTheLastStays() throws {
        func jfif(_ x: UInt8) -> (UInt8, [UInt8]) { (0xe0, Array("JFIF\0".utf8) + [1, 2, 0, 0, x, 0, 1, 0, 0]) }
        func adobe(_ transform: UInt8) -> (UInt8, [UInt8]) { (0xee, Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, transform]) }
        let file = jpeg([jfif(3), adobe(0), jfif(2), adobe(1)], behind: [jfif(4), adobe(2)])
        #expect(try stripped(file, MetadataChoice()).bytes == jpeg([jfif(2), adobe(1)]))
    }

    @Test func whatIsNoProfileIsNoneToKeep() throws {
        func icc(_ number: UInt8, _ count: UInt8, _ content: [UInt8]) -> (UInt8, [UInt8]) { (0xe2, Array("ICC_PROFILE\0".utf8) + [number, count] + content) }
        var profile = Array(repeating: UInt8(0), count: 200)
        profile.replaceSubrange(0..<4, with: [0, 0, 0, 200])
        profile.replaceSubrange(36..<40, with: "acsp".utf8)
        let sound = jpeg([icc(1, 2, Array(profile[..<150])), icc(2, 2, Array(profile[150...]))])
        #expect(try stripped(sound, MetadataChoice()).bytes == sound)
        for parts in [[icc(1, 1, secret)], [icc(1, 1, profile + secret)], [icc(1, 1, profile), icc(1, 1, profile)], [icc(2, 2, profile)], [icc(1, 2, profile)]] {
            let result = try stripped(jpeg(parts), MetadataChoice())
            #expect(result.bytes == jpeg() && result.warnings.count == 1)
        }
    }

    @Test func anythingMayStandBehindAPictureWhereItStays() throws {
        let all = try MetadataChoice(keeping: [.all])
        for tail in [[0xff], [0xff, 0xd8], [0xff, 0x01, 0x02, 0x03], [0, 0, 1], [0, 0], Array(repeating: 0xff, count: 300)] as [[UInt8]] {
            #expect(try stripped(jpeg() + tail, all).bytes == jpeg() + tail)
            #expect(try stripped(jpeg() + tail, MetadataChoice()).bytes == jpeg())
        }
        let two = jpeg() + [0, 0] + jpeg([(0xfe, secret)])
        let kept = try stripped(two, MetadataChoice(keeping: [.mpf])).bytes
        #expect(kept.count == two.count && !holdsSecret(kept))
    }

    // MARK: WebP

    private func riff(_ chunks: [UInt8]) -> [UInt8] { Array("RIFF".utf8) + little(4 + chunks.count) + Array("WEBP".utf8) + chunks }
    private func little(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    private func webpChunk(_ type: String, _ bytes: [UInt8]) -> [UInt8] {
        Array(type.utf8) + little(bytes.count) + bytes + (bytes.count % 2 == 1 ? [0] : [])
    }
    private func head(_ flags: UInt8) -> [UInt8] { webpChunk("VP8X", [flags, 0, 0, 0, 0, 0, 0, 0, 0, 0]) }

    @Test func chunksOfWebPThatNoDecoderReadsGo() throws {
        let pixels = webpChunk("VP8L", [0x2f, 1, 2, 3])
        let clean = riff(head(0) + pixels)
        for extra in [webpChunk("ANIM", secret), webpChunk("ANMF", Array(repeating: 0, count: 16) + secret), webpChunk("VP8 ", secret), webpChunk("VP8L", secret), webpChunk("ALPH", secret)] {
            #expect(try stripped(riff(head(0) + pixels + extra), bare()).bytes == clean)
            #expect(try stripped(riff(pixels + extra), bare()).bytes == riff(pixels))
        }
        #expect(try stripped(riff(webpChunk("VP8X", Array(repeating: 0, count: 10) + secret) + pixels), bare()).bytes == clean)
        let moving = head(2) + webpChunk("ANIM", [1, 2, 3, 4, 0, 0])
        let frame = webpChunk("ANMF", Array(repeating: 0, count: 16) + pixels)
        let loaded = webpChunk("ANMF", Array(repeating: 0, count: 16) + pixels + webpChunk("VP8L", secret) + webpChunk("ANMF", secret))
        #expect(try stripped(riff(moving + webpChunk("ANIM", secret) + frame + loaded + pixels), bare()).bytes == riff(moving + frame + frame))
    }

    @Test func metadataOfAWebPOfAPictureAloneGoes() throws {
        let pixels = webpChunk("VP8L", [0x2f, 1, 2, 3])
        let exif = webpChunk("EXIF", Exif.block(orientation: 6))
        let result = try stripped(riff(pixels + exif), MetadataChoice(keeping: [.exif]))
        #expect(result.bytes == riff(pixels) && result.warnings.count == 1)
        #expect(try stripped(riff(pixels + exif), MetadataChoice(keeping: [.all])).bytes == riff(pixels + exif))
    }

    // MARK: EXIF, XMP and IPTC

    /// A little-endian block of one directory; values of more than four bytes are offsets.
    private func exif(_ fields: [(tag: Int, type: Int, count: Int, value: [UInt8])], behind: [UInt8] = []) -> [UInt8] {
        func two(_ value: Int) -> [UInt8] { Array(little(value)[..<2]) }
        return [0x49, 0x49, 42, 0] + little(8) + two(fields.count) + fields.flatMap { two($0.tag) + two($0.type) + little($0.count) + $0.value } + little(0) + behind
    }

    @Test func valuesThatLieOverOneAnotherAreMalformed() throws {
        let count = 2000, values = Array(repeating: UInt8(65), count: 100_000)
        let at = little(14 + 12 * count)
        let block = exif((0..<count).map { (0x100 + $0, 2, values.count, at) }, behind: values)
        #expect(ExifEditor.edited(block, try MetadataChoice(keeping: [.exif], dropping: [.time])) == .malformed(rest: nil))
    }

    @Test func positionsOfEverySchemaGo() throws {
        let choice = try MetadataChoice(keeping: [.xmp], dropping: [.gps])
        let packet = """
            <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="\(XMPTree.rdf)"><rdf:Description xmlns:geo="http://www.w3.org/2003/01/geo/wgs84_pos#" \
            geo:lat="48.2" xmlns:a="urn:a" a:Title="kept"><geo:long>16.3</geo:long><geo:alt>1</geo:alt><a:coordinates>2</a:coordinates>\
            <a:Sizes><rdf:Alt><rdf:li>3</rdf:li></rdf:Alt></a:Sizes></rdf:Description></rdf:RDF></x:xmpmeta>
            """
        let file = jpeg([(0xe1, JPEGSegment.xmpSignature + Array(packet.utf8))])
        let text = String(decoding: try stripped(file, choice).bytes, as: UTF8.self)
        #expect(text.contains("kept") && text.contains("<rdf:Alt>") && !["48.2", "16.3", "geo:", "coordinates"].contains { text.contains($0) })
        #expect(throws: ImageError.self) { try PayloadJudge(choice).xmp(Array(packet.utf8)[...]) }
    }

    @Test func extendedXMPThatIsEditedAndStaysLongPasses() throws {
        let rest = String(repeating: "x", count: 100_000)
        let packet = Array("<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"\(XMPTree.rdf)\"><rdf:Description xmlns:a=\"urn:a\" a:gps=\"1\" a:b=\"\(rest)\"/></rdf:RDF></x:xmpmeta>".utf8)
        let file = jpeg(ExtendedXMP.segments(packet).map { (0xe1, $0) })
        let bytes = try stripped(file, MetadataChoice(keeping: [.xmp], dropping: [.gps])).bytes
        #expect(bytes.count > 100_000 && bytes.firstRange(of: "gps".utf8) == nil)
    }

    @Test func iptcOfExtendedLengthPasses() throws {
        let long = [0x1c, 2, 120, 0x80, 4, 0, 0, 0x90, 0] + Array(repeating: UInt8(65), count: 0x9000)
        let block = long + [0x1c, 2, 55, 0, 1, 66]
        let choice = try MetadataChoice(keeping: [.iptc], dropping: [.time])
        let file = jpeg([(0xed, JPEGSegment.photoshopSignature + PhotoshopResources.resource(id: 0x404, block))])
        let wanted = jpeg([(0xed, JPEGSegment.photoshopSignature + PhotoshopResources.resource(id: 0x404, long))])
        #expect(try stripped(file, choice).bytes == wanted)
        let many = Array(repeating: [0x1c, 2, 25, 0, 1, 65] as [UInt8], count: 200_000).flatMap { $0 }
        #expect(IPTCBlock.edited(many, choice) == .kept(many))
    }

    @Test func exifOfSeveralSegmentsIsEditedAndPasses() throws {
        let values = Array(repeating: UInt8(65), count: 90_000)
        func block(_ fields: Int) -> [UInt8] {
            exif([(0x10e, 2, values.count, little(14 + 12 * fields)), (0x132, 2, 4, [66, 66, 66, 66])].prefix(fields).map { $0 }, behind: values)
        }
        func segments(_ block: [UInt8]) -> [(UInt8, [UInt8])] {
            let most = JPEGSegment.maximumBytes - 6
            return [block[..<most], block[most...]].map { (0xe1, JPEGSegment.exifSignature + $0) }
        }
        #expect(try stripped(jpeg(segments(block(2))), MetadataChoice(keeping: [.exif], dropping: [.time])).bytes == jpeg(segments(block(1))))
    }
}
