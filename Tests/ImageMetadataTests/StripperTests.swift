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
        return PNGChunk.signature + chunk("IHDR", [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]) + chunks + chunk("IDAT", pixel) + chunk("IEND", end)
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
        // Grey has no palette.
        #expect(try stripped(png(chunk("PLTE", Array(repeating: 0, count: 768) + secret + [0, 0])), bare()).bytes == png())
    }

    @Test func chunksOfAnAnimationStandWhereTheyAreRead() throws {
        let control = chunk("acTL", [0, 0, 0, 2, 0, 0, 0, 0]), frame = chunk("fcTL", Array(repeating: 0, count: 26)), data = chunk("fdAT", [0, 0, 0, 1] + secret)
        #expect(try stripped(png(control + data), bare()).bytes == png(control))
        let file = png(), end = file.suffix(12)
        #expect(try stripped(Array(file.dropLast(12)) + control + frame + data + Array(end), bare()).bytes == file)
        let sound = Array(png(control + frame).dropLast(12)) + frame + data + Array(end)
        #expect(try stripped(sound, bare()).bytes == sound)
    }

    /// Found by scripts/fuzz: what belonged to such a chunk was taken for data that no decoder reads.
    @Test(arguments: ["acTL", "fcTL", "fdAT"])
    func aChunkOfAnAnimationOfAWrongChecksumIsDamage(_ broken: String) throws {
        var chunks = [("acTL", chunk("acTL", [0, 0, 0, 2, 0, 0, 0, 0])), ("fcTL", chunk("fcTL", Array(repeating: 0, count: 26))), ("fdAT", chunk("fdAT", [0, 0, 0, 1, 5]))]
        let at = chunks.firstIndex { $0.0 == broken }!
        chunks[at].1[chunks[at].1.count - 1] ^= 1
        let file = png(), end = file.suffix(12)
        do {
            _ = try stripped(Array(png(chunks[0].1).dropLast(12)) + chunks[1].1 + chunks[2].1 + Array(end), bare())
            Issue.record("a wrong checksum of \(broken) passed")
        } catch {
            #expect((error as? ImageError)?.status == .data, "\(error)")
        }
    }

    @Test func aSmallChunkOfAWrongChecksumGoes() throws {
        var gamma = chunk("gAMA", [0, 0, 0xb1, 0x8f])
        gamma[11] ^= 1
        #expect(try stripped(png(gamma), bare()).bytes == png())
    }

    @Test func aProfileOfAPNGIsItsStreamAlone() throws {
        var profile = Array(repeating: UInt8(0), count: 200)
        profile.replaceSubrange(0..<4, with: [0, 0, 0, 200])
        profile.replaceSubrange(36..<40, with: "acsp".utf8)
        // A stored block; its checksum, of Adler.
        let (a, b) = profile.reduce((1, 0)) { (($0.0 + Int($1)) % 65521, ($0.1 + $0.0 + Int($1)) % 65521) }
        let stream: [UInt8] = [0x78, 1, 1, 200, 0, 0x37, 0xff] + profile + [UInt8(b >> 8), UInt8(b & 255), UInt8(a >> 8), UInt8(a & 255)]
        let clean = png(chunk("iCCP", Array("ICC profile".utf8) + [0, 0] + stream))
        #expect(try stripped(png(chunk("iCCP", secret + [0, 0] + stream + secret)), MetadataChoice()).bytes == clean)
        #expect(try stripped(png(chunk("iCCP", secret + [0, 9] + stream)), MetadataChoice()).bytes == png())
        #expect(throws: ImageError.self) {
            let sink = AuditedSink(MemorySink(), PNGWalker(try MetadataChoice()))
            try sink.write(png(chunk("iCCP", Array("ICC profile".utf8) + [0, 0] + stream + secret)).span.bytes)
        }
    }

    @Test func textsThatStayForTheirSubjectAreWrittenAnew() throws {
        let rights = try MetadataChoice(keeping: [.copyright])
        #expect(try stripped(png(chunk("iTXt", Array("Copyright\0\0\0".utf8) + secret + [0] + secret + Array("\0C".utf8))), rights).bytes == png(chunk("tEXt", Array("Copyright\0C".utf8))))
        #expect(try stripped(png(chunk("zTXt", Array("Copyright\0\0".utf8) + secret)), rights).bytes == png())
        #expect(try stripped(png(chunk("tEXt", Array("Copyright\0C\0".utf8) + secret)), rights).bytes == png(chunk("tEXt", Array("Copyright\0C".utf8))))
        let times = png(chunk("tEXt", Array("Creation time\0T".utf8)) + chunk("tEXt", Array("create-date\0T".utf8)))
        #expect(try stripped(times, MetadataChoice(keeping: [.comment], dropping: [.time])).bytes == png())
        let raw = png(chunk("tEXt", Array("raw profile type EXIF\0\nexif\n   10\n45786966000049492a00\n".utf8)))
        #expect(try stripped(raw, MetadataChoice(keeping: [.all], dropping: [.gps])).bytes == png())
    }

    @Test func chunksBetweenThePixelsOfAPNGAreDamage() throws {
        let file = png()
        let again = file.dropLast(12) + chunk("tEXt", Array("a\0b".utf8)) + file[33..<58] + file.suffix(12)
        #expect(throws: ImageError.self) { try stripped(Array(again), bare()) }
    }

    // MARK: JPEG

    private static let frame: [UInt8] = [8, 0, 8, 0, 8, 1, 1, 0x11, 0]

    /// Found by scripts/fuzz: the frame behind it was taken for the first.
    @Test func aFrameOfNoComponentIsDamage() throws {
        do {
            _ = try stripped(jpeg([(0xc0, [8, 0, 8, 0, 8, 0])]), bare())
            Issue.record("it passed")
        } catch {
            #expect((error as? ImageError)?.status == .data, "\(error)")
        }
    }

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

    @Test func aFrameIsOneAndScansAreOfIt() throws {
        #expect(throws: ImageError.self) { try stripped(jpeg([(0xc0, Self.frame)]), bare()) }
        #expect(throws: ImageError.self) { try stripped(jpeg(behind: [(0xda, [1, 9, 0, 0, 63, 0])]), bare()) }
    }

    /// Such a thumbnail goes, as the picture would be refused.
    @Test func thumbnailsAreOfOneFrameAndItsScans() throws {
        for broken in [jpeg([(0xc0, Self.frame)]), jpeg(behind: [(0xda, [1, 9, 0, 0, 63, 0])])] {
            #expect(JPEGThumbnail.stripped(broken[...]) == nil)
        }
        #expect(JPEGThumbnail.stripped(jpeg()[...]) == jpeg())
    }

    @Test func thumbnailsOfOtherContainersHaveNoMetadata() throws {
        let inner = jpeg([(0xe1, JPEGSegment.exifSignature + secret)])
        let choice = try MetadataChoice(keeping: [.all], dropping: [.gps])
        let extension1 = try stripped(jpeg([(0xe0, Array("JFXX\0".utf8) + [0x10] + inner)]), choice).bytes
        #expect(extension1 == jpeg([(0xe0, Array("JFXX\0".utf8) + [0x10] + jpeg())]))
        #expect(try stripped(jpeg([(0xe0, Array("JFXX\0".utf8) + [0x13, 1, 1] + secret)]), choice).bytes == jpeg())
        let resources = PhotoshopResources.resource(id: 0x40c, Array(repeating: 0, count: 28) + inner)
        #expect(try stripped(jpeg([(0xed, JPEGSegment.photoshopSignature + resources)]), choice).bytes == jpeg())
    }

    @Test func resourcesStayWithoutNamesAndWithTheirLength() throws {
        let rights = try MetadataChoice(keeping: [.copyright])
        func file(_ resource: [UInt8]) -> [UInt8] { jpeg([(0xed, JPEGSegment.photoshopSignature + resource)]) }
        let flag = PhotoshopResources.resource(id: 0x40a, [1])
        let named = Array("8BIM".utf8) + [4, 0x0a, 11] + secret + [0] + flag.suffix(6)
        #expect(try stripped(file(named), rights).bytes == file(flag))
        #expect(try stripped(file(PhotoshopResources.resource(id: 0x40a, secret)), rights).bytes == jpeg())
        let line = [0x1c, 2, 80, 0, 2, 0xc3, 0xa4] as [UInt8]
        func iptc(_ charset: [UInt8]) -> [UInt8] { PhotoshopResources.resource(id: 0x404, [0x1c, 1, 90, 0, UInt8(charset.count)] + charset + line) }
        #expect(try stripped(file(iptc(secret)), rights).bytes == file(PhotoshopResources.resource(id: 0x404, line)))
        #expect(try stripped(file(iptc([0x1b, 0x25, 0x47])), rights).bytes == file(iptc([0x1b, 0x25, 0x47])))
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

    @Test func bytesBetweenTheChunksOfAWebPAreAChange() throws {
        let pixels = webpChunk("VP8L", [0x2f, 1, 2, 3])
        let frame = Array(repeating: UInt8(0), count: 16) + pixels
        let file = riff(head(2) + webpChunk("ANIM", [1, 2, 3, 4, 0, 0]) + webpChunk("ANMF", frame + [65, 66, 67, 68, 69, 70]))
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data(file).write(to: path)
        defer { try? FileManager.default.removeItem(at: path) }
        let source = try ByteSource(.open(reading: FilePath(path.path)), pool: pool)
        #expect(try FileStripper(bare(), limits: Limits(), pool: pool).strip(source, to: MemorySink()).isChanged)
    }

    @Test func aWebPThatBeginsWithAnotherChunkIsNoneToMakeWhole() throws {
        let pixels = webpChunk("VP8L", [0x2f, 1, 2, 3])
        for first in ["VP9X", "EXIF", "ALPH"] {
            #expect(throws: ImageError.self) { try stripped(riff(webpChunk(first, Array(repeating: 0, count: 10)) + pixels), bare()) }
        }
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

    @Test func onlyAnOrientationIsOne() throws {
        let choice = try MetadataChoice()
        #expect(ExifEditor.edited(exif([(0x112, 2, 4, Array("text".utf8))]), choice) == .nothing)
        #expect(ExifEditor.edited(exif([(0x112, 3, 2, [6, 0, 65, 66])]), choice) == .nothing)
        // In the directory of EXIF it is none.
        let inner = exif([(0x8769, 4, 1, little(26))], behind: [1, 0, 0x12, 1, 2, 0, 4, 0, 0, 0] + Array("text".utf8) + [0, 0, 0, 0])
        #expect(ExifEditor.edited(inner, choice) == .nothing)
        #expect(throws: ImageError.self) { try PayloadJudge(choice).exif(exif([(0x112, 2, 4, Array("text".utf8))])) }
    }

    @Test func timesAndPlacesGoWhateverElseTheyAre() throws {
        let noTime = try MetadataChoice(keeping: [.exif], dropping: [.time]), noPlace = try MetadataChoice(keeping: [.exif], dropping: [.gps])
        #expect(!noTime.keepsField(tag: 0x1d, in: .gps) && noTime.keepsField(tag: 2, in: .gps) && !noTime.keepsField(tag: 0x9003, in: .interoperability))
        #expect(!noPlace.keepsField(tag: 0x8482, in: .primary) && noPlace.keepsField(tag: 0x10f, in: .primary))
        let names = ["date", "GPSTimeStamp", "created", "OffsetTimeOriginal", "SubSecTime", "datetime", "MetadataDate", "CreateDate", "ModifyDate"]
        for name in names { #expect(XMPSubject(namespace: "urn:a", local: name).subjects.contains(.time), "\(name)") }
        for name in ["LRFTargetLat", "AbsLon", "latlng", "Lattitude", "CameraHomeLat", "footprintWKT", "GPSTimeStamp", "RelativeAltitude"] {
            #expect(XMPSubject(namespace: "urn:a", local: name).subjects.contains(.gps), "\(name)")
        }
        for name in ["ExposureTime", "Rating", "format", "Flat", "Longest", "subject", "CreatorTool"] {
            #expect(XMPSubject(namespace: "urn:a", local: name).subjects == [], "\(name)")
        }
    }

    @Test func manyPointersAreFollowedOnce() throws {
        let count = 65_000
        let block = exif(Array(repeating: (0x8769, 4, 1, little(14 + 12 * count)), count: count), behind: [255, 255])
        #expect(ExifEditor.edited(block, try MetadataChoice()) == .nothing)
    }

    @Test func aThumbnailOfAShortLengthStaysInPlace() throws {
        // Big-endian: a MakerNote, and a second directory whose picture has its length in a SHORT.
        let picture = jpeg([(0xfe, secret)])
        func two(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        func field(_ tag: Int, _ type: Int, _ count: Int, _ value: [UInt8]) -> [UInt8] { two(tag) + two(type) + UInt32(count).bigEndianBytes + value }
        func long(_ value: Int) -> [UInt8] { UInt32(value).bigEndianBytes }
        // Directories at 8, 26 and 56; values from 86 on.
        let block = [0x4d, 0x4d, 0, 42] + long(8) + two(1) + field(0x8769, 4, 1, long(26)) + long(56)
            + two(2) + field(0x9003, 2, 4, Array("time".utf8)) + field(0x927c, 7, 8, long(86)) + long(0)
            + two(2) + field(0x201, 4, 1, long(94)) + field(0x202, 3, 1, two(picture.count) + [0, 0]) + long(0) + Array("makernot".utf8) + picture
        let file = jpeg([(0xe1, JPEGSegment.exifSignature + block)])
        let bytes = try stripped(file, MetadataChoice(keeping: [.exif, .makernote, .thumbnail], dropping: [.time])).bytes
        #expect(bytes.firstRange(of: "makernot".utf8) != nil && bytes.firstRange(of: "time".utf8) == nil && !holdsSecret(bytes))
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
