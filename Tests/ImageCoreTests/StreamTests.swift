import Foundation
import ImageCore
import TestPictures
import Testing

/// Every layout that a stream can hold, at sizes that leave partial chroma blocks.
let everyFormat: [PixelFormat] =
    [ColorModel.gray, .rgb, .ycbcr].flatMap { model in
        [Alpha.none, .straight, .premultiplied].flatMap { alpha in
            [SampleType.uint8, .uint16].map { PixelFormat(model, alpha: alpha, sample: $0) }
        }
    }
    + [Subsampling.s444, .s422, .s420, .s440, .s411].flatMap { subsampling in
        [SampleType.uint8, .uint16].map { PixelFormat(planar: subsampling, sample: $0) }
    }

func stream(_ pictures: [Picture], failures: [StreamFailure] = []) throws -> [UInt8] {
    try written { file in
        let writer = StreamWriter(Descriptor(number: file))
        for picture in pictures {
            try transfer(from: PictureSource(picture), to: writer, pool: BufferPool(limits: Limits()))
        }
        for failure in failures { try writer.fail(failure) }
        try writer.done()
    }
}

/// What a stream holds, to its end.
func readAll(_ bytes: [UInt8], limits: Limits = Limits()) throws -> (pictures: [Picture], failures: [StreamFailure]) {
    let reader = StreamReader(try source(bytes), limits: limits)
    var (pictures, failures): ([Picture], [StreamFailure]) = ([], [])
    while let item = try reader.next() {
        switch item {
        case .picture: pictures.append(try collect(reader))
        case .failure(let failure): failures.append(failure)
        }
    }
    return (pictures, failures)
}

@Suite struct StreamTests {
    @Test(arguments: everyFormat)
    func pictureIsReadBackAsItWasWritten(_ format: PixelFormat) throws {
        for (width, height) in [(1, 1), (5, 3), (16, 9), (301, 260)] as [(UInt32, UInt32)] {
            var picture = Picture(width, height, format)
            picture.info.orientation = 6
            picture.info.density = (3937, 2835)
            picture.metadata = [MetadataRecord(.name, Array("a b.jpg".utf8)), MetadataRecord(.icc, [1, 2, 3])]
            picture.trailing = [MetadataRecord(.text, Array("Title\0x".utf8)), MetadataRecord(.text, Array("Title\0y".utf8))]
            let read = try readAll(try stream([picture]))
            #expect(read.pictures == [picture])
            #expect(read.failures.isEmpty)
        }
    }

    @Test func manyPicturesFramesAndFailuresKeepTheirOrder() throws {
        let pictures = [Picture(7, 5, .rgb), Picture(3, 2, .rgba, frames: 4), Picture(1, 1, .gray)]
        let failure = StreamFailure(status: 65, name: [0xff, 0x2f], message: "truncated at byte 5")
        let read = try readAll(try stream(pictures, failures: [failure]))
        #expect(read.pictures == pictures)
        #expect(read.failures == [failure])
    }

    @Test func unknownMetadataPassesAndUnknownRecordsAreRefused() throws {
        var picture = Picture(2, 1, .rgb)
        picture.metadata = [MetadataRecord(FourCC("zzzz"), [1])]
        #expect(try readAll(try stream([picture])).pictures == [picture])
        picture.metadata = [MetadataRecord(FourCC("ZZZZ"), [1])]
        let bytes = try stream([picture])
        #expect(throws: ImageError.self) { try readAll(bytes) }
    }

    @Test func smallestExampleHasTheBytesOfThePage() throws {
        let page = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../man/imgpipe.5").standardized
        // "128  ff 00 ...": an offset and 16 bytes.
        let rows = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").compactMap { line -> [UInt8]? in
            let words = line.split(separator: " ")
            let bytes = words.dropFirst().prefix(16).compactMap { $0.count == 2 ? UInt8($0, radix: 16) : nil }
            return words.first.flatMap { Int($0) } != nil && bytes.count == 16 ? bytes : nil
        }
        var picture = Picture(2, 1, .rgb)
        picture.info.color = .sRGB(.rgb)
        picture.frames = [[255, 0, 0, 0, 0, 255]]
        #expect(try stream([picture]) == rows.flatMap { $0 })
        #expect(rows.count == 13)
    }

    @Test func everyProperPrefixIsRefused() throws {
        let bytes = try stream([Picture(2, 3, .rgb), Picture(3, 3, PixelFormat(planar: .s420))])
        for count in 0..<bytes.count {
            #expect(throws: ImageError.self, "\(count) of \(bytes.count) bytes") { try readAll(Array(bytes[..<count])) }
        }
        #expect(try readAll(bytes).pictures.count == 2)
    }

    @Test func truncationIsSaidWithItsByte() throws {
        let bytes = try stream([Picture(2, 3, .rgb)])
        #expect(throws: ImageError.truncated(atByte: 100)) { try readAll(Array(bytes[..<100])) }
    }

    /// Pixels and free fields may change; structure, reserved bytes and padding may not, and nothing may crash.
    @Test func aChangedByteIsRefusedOrHarmless() throws {
        var picture = Picture(2, 3, .rgb)
        picture.metadata = [MetadataRecord(.exif, [1, 2, 3])]
        let bytes = try stream([picture])
        var refused = 0
        for at in bytes.indices {
            for change in [0x01, 0x80, 0xff] as [UInt8] {
                var changed = bytes
                changed[at] ^= change
                if (try? readAll(changed)) == nil { refused += 1 }
            }
        }
        // What may be anything: 18 bytes of pixels, 3 of exif and its type's 4, a duration's 4, and 35 bytes of IMAG.
        let free = 18 + 3 + 4 + 4 + 35
        #expect(refused >= 3 * (bytes.count - free))
    }

    @Test func bytesAfterTheEndAreRefused() throws {
        let bytes = try stream([Picture(2, 1, .rgb)])
        #expect(throws: ImageError.damaged("bytes after the end of the stream, at byte 208")) { try readAll(bytes + [0]) }
        #expect(throws: ImageError.damaged("a second stream begins at byte 208; give all files to one imgdecode")) {
            try readAll(bytes + bytes)
        }
    }

    @Test func countsThatDifferAreRefused() throws {
        let bytes = try stream([Picture(2, 1, .rgb)])
        for (at, what) in [(208 - 16, "DONE"), (208 - 48, "ENDI")] {
            var changed = bytes
            changed[at] += 1
            let error = #expect(throws: ImageError.self) { try readAll(changed) }
            #expect("\(error!)".contains(what))
        }
    }

    @Test func metadataBetweenFramesIsRefused() throws {
        let bytes = try stream([Picture(2, 1, .rgb, frames: 2)])
        // Behind the first frame's ROWS: header 16, IMAG 64, FRAM 32, ROWS 32.
        let record = Array("exif".utf8) + [0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0]
        let changed = Array(bytes[..<144] + record + bytes[144...])
        let error = #expect(throws: ImageError.self) { try readAll(changed) }
        #expect("\(error!)".hasPrefix("metadata between frames"))
    }

    @Test func aStreamCutBetweenPicturesHasNoNameToSay() throws {
        var picture = Picture(2, 1, .rgb)
        picture.metadata = [MetadataRecord(.name, Array("a.jpg".utf8))]
        let bytes = try stream([picture])
        let reader = StreamReader(try source(Array(bytes[..<(bytes.count - 32)])), limits: Limits())
        _ = try reader.next()
        #expect(throws: ImageError.self) { try reader.next() }
        #expect(reader.metadata.isEmpty)
    }

    @Test func wrongNeighboursAreToldWhatToDo() throws {
        let jpeg: [UInt8] = [0xff, 0xd8, 0xff, 0xe0] + [UInt8](repeating: 0, count: 12)
        #expect(throws: ImageError.damaged("is a JPEG; put imgdecode before it")) { try readAll(jpeg) }
        let gif = Array("GIF89a0123456789".utf8)
        #expect(throws: ImageError.unsupported("is a GIF, which imgpipe does not read")) { try readAll(gif) }
    }

    @Test func aPictureGivenUpIsPassedOver() throws {
        let pictures = [Picture(50, 40, .rgb, frames: 3), Picture(3, 2, .gray)]
        let reader = StreamReader(try source(try stream(pictures)), limits: Limits())
        #expect(try reader.next() == .picture)
        #expect(try reader.next() == .picture)
        #expect(try collect(reader) == pictures[1])
        #expect(try reader.next() == nil)
    }

    @Test func aPictureOverALimitConcernsOnlyItself() throws {
        let pictures = [Picture(50, 40, .rgb, frames: 3), Picture(3, 2, .gray)]
        var limits = Limits()
        limits.pixels = 1999
        let reader = StreamReader(try source(try stream(pictures)), limits: limits)
        #expect(throws: ImageError.overLimit(.pixels, value: 2000, maximum: 1999)) { try reader.next() }
        #expect(!reader.isBroken)
        #expect(try reader.next() == .picture)
        #expect(try collect(reader) == pictures[1])
        #expect(try reader.next() == nil)
    }

    @Test func aFailureInsideAPictureIsThrownAndTheNextOneComes() throws {
        let failure = StreamFailure(status: 65, name: [], message: "truncated at byte 9")
        let good = Picture(3, 2, .gray)
        let bytes = try written { file in
            let writer = StreamWriter(Descriptor(number: file))
            try writer.begin(Picture(2, 2, .gray).info, metadata: [])
            try writer.beginFrame(Frame())
            let row: [UInt8] = [1, 2]
            try writer.write(row.span.bytes, rows: 1)
            try writer.fail(failure)
            try transfer(from: PictureSource(good), to: writer, pool: BufferPool(limits: Limits()))
            try writer.done()
        }
        let reader = StreamReader(try source(bytes), limits: Limits())
        #expect(try reader.next() == .picture)
        #expect(throws: ImageError.upstream(failure)) { try collect(reader) }
        #expect(try reader.next() == .picture)
        #expect(try collect(reader) == good)
        #expect(try reader.next() == nil)
    }

    @Test func statedLengthsAreNotAllocated() throws {
        var bytes = try stream([Picture(2, 1, .rgb)])
        // A metadata record of 2^60 bytes before the first frame.
        let record = Array("exif".utf8) + [0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, 0x10]
        bytes.insert(contentsOf: record, at: 16 + 64)
        #expect(throws: ImageError.truncated(atByte: UInt64(bytes.count))) { try readAll(bytes) }
    }

    @Test func metadataOverTheLimitFailsItsPictureOnly() throws {
        var large = Picture(2, 2, .rgb)
        large.metadata = [MetadataRecord(.name, Array("a".utf8)), MetadataRecord(.icc, [UInt8](repeating: 1, count: 5000))]
        var late = Picture(2, 2, .gray)
        late.trailing = (0..<100).map { MetadataRecord(.text, Array("k\0\($0)".utf8)) }
        let good = Picture(3, 1, .rgb)
        var limits = Limits()
        limits.metadata = 1000
        let reader = StreamReader(try source(try stream([large, late, good])), limits: limits)
        #expect(throws: ImageError.self) { try reader.next() }
        #expect(reader.metadata[.name] == Array("a".utf8))
        #expect(try reader.next() == .picture)
        #expect(throws: ImageError.self) { try collect(reader) }
        #expect(try reader.next() == .picture)
        #expect(try collect(reader) == good)
        #expect(try reader.next() == nil)
    }

    /// Sides and full sizes that no arithmetic may trap on: refused, or judged by the limits, by whoever reads them.
    @Test func absurdSizesAreRefused() throws {
        let bytes = try stream([Picture(2, 1, .rgb)])
        func withField(_ values: [(at: Int, UInt32)]) -> [UInt8] {
            var changed = bytes
            for (at, value) in values { for i in 0..<4 { changed[32 + at + i] = UInt8(truncatingIfNeeded: value >> (8 * i)) } }
            return changed
        }
        let most = UInt32.max
        #expect(throws: ImageError.self) { try readAll(withField([(0, most), (4, most), (36, most), (40, most)])) }
        #expect(throws: ImageError.self) { try readAll(withField([(0, 1 << 20), (4, 1 << 20), (36, 1 << 20), (40, 1 << 20)])) }
        #expect(throws: ImageError.self) { try readAll(withField([(36, 1)])) }
        let reader = StreamReader(try source(withField([(36, most), (40, most)])), limits: Limits())
        #expect(try reader.next() == .picture)
        for text in ["10<", "4294967295", "x4294967295", "99999%", "4294967295x4294967295!"] {
            #expect(throws: ImageError.self, "\(text)") { try Geometry(text)!.size(of: reader.info, limits: Limits()).width }
        }
    }
}
