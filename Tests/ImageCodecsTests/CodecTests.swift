import CZlib
import Glibc
import ImageCodecs
import ImageCore
import TestPictures
import Testing

let pool = BufferPool(limits: Limits())

func encoded(_ picture: Picture, _ options: EncodeOptions) throws(ImageError) -> [UInt8] {
    let sink = MemorySink()
    _ = try Encoder(options, pool: pool).encode(PictureSource(picture), to: sink)
    try sink.commit()
    return sink.file!
}

func options(_ format: EncodedFormat, lossless: Bool = false, quality: Int = 90) -> EncodeOptions {
    var options = EncodeOptions()
    (options.format, options.isLossless, options.quality) = (format, lossless, quality)
    return options
}

func decoded(_ bytes: [UInt8], _ options: DecodeOptions = DecodeOptions(), by decoder: Decoder? = nil) throws(ImageError) -> Picture {
    let decoder = decoder ?? Decoder(pool: pool, options: options)
    return try collect(try decoder.open(try source(bytes, pool: pool)), pool)
}

func psnr(_ a: [UInt8], _ b: [UInt8]) -> Double {
    let sum = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    return a.count != b.count ? 0 : sum == 0 ? .infinity : 10 * log10(255 * 255 * Double(a.count) / sum)
}

@Suite struct RoundTripTests {
    @Test(arguments: [
        PixelFormat.gray, PixelFormat(.gray, alpha: .straight), .rgb, .rgba, PixelFormat(.gray, sample: .uint16),
        PixelFormat(.gray, alpha: .straight, sample: .uint16), PixelFormat(.rgb, sample: .uint16),
        PixelFormat(.rgb, alpha: .straight, sample: .uint16),
    ])
    func pngKeepsEverySample(_ format: PixelFormat) throws {
        for (width, height) in [(1, 1), (33, 17), (700, 211)] as [(UInt32, UInt32)] {
            let picture = Picture(smooth: width, height, format)
            var exact = options(.png)
            exact.sample = format.sample
            let result = try decoded(try encoded(picture, exact))
            #expect(result.info.format == format)
            #expect(result.frames == picture.frames)
            #expect(result.info.source == .png)
        }
    }

    @Test(arguments: [PixelFormat.rgb, .rgba])
    func losslessWebPKeepsEverySample(_ format: PixelFormat) throws {
        let picture = Picture(smooth: 61, 47, format)
        let result = try decoded(try encoded(picture, options(.webp, lossless: true)))
        #expect(result.frames == picture.frames)
    }

    @Test(arguments: [EncodedFormat.jpeg, .webp], [PixelFormat.gray, .rgb])
    func lossyFormatsStayClose(_ format: EncodedFormat, _ pixels: PixelFormat) throws {
        for (width, height) in [(64, 48), (301, 77)] as [(UInt32, UInt32)] {
            let picture = Picture(smooth: width, height, pixels)
            var decoding = DecodeOptions()
            decoding.pixels = pixels == .gray ? .gray : .rgb
            let result = try decoded(try encoded(picture, options(format, quality: 95)), decoding)
            // A smooth picture at quality 95: above 40 dB with 4:4:4, WebP's 4:2:0 and its limited range take some.
            #expect(psnr(result.frames[0], picture.frames[0]) > 33)
        }
    }

    @Test func sixteenBitsOfAnEightBitPictureAreWrittenAsEight() throws {
        var picture = Picture(smooth: 20, 10, PixelFormat(.rgb, sample: .uint16))
        picture.info.depth = 8
        let bytes = try encoded(picture, options(.png))
        #expect(try decoded(bytes).info.format == .rgb)
    }

    @Test func laterFramesAreLeftOutAndCounted() throws {
        let picture = Picture(smooth: 20, 10, .rgb, frames: 3)
        let report = try Encoder(options(.png), pool: pool).encode(PictureSource(picture), to: MemorySink())
        #expect(report.framesLeft == 2 && !report.showsItsSource)
    }

    /// XMP of several segments, IPTC and texts come back as they went in; so does EXIF from behind the rows of a PNG.
    @Test func metadataOfEveryKindComesBack() throws {
        let long = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">"
            + (0..<4000).map { "<rdf:Description rdf:about=\"\" a:b\($0)=\"some text of a property\"/>" }.joined() + "</rdf:RDF></x:xmpmeta>"
        let iptc: [UInt8] = [0x1c, 2, 80, 0, 5] + Array("Grace".utf8)
        let texts = ["Comment\0plain", "Title\0naïve", "Author\0東京"].map { MetadataRecord(.text, Array($0.utf8)) }
        var picture = Picture(smooth: 40, 30, .rgb)
        picture.metadata = [MetadataRecord(.xmp, Array(long.utf8)), MetadataRecord(.iptc, iptc)] + texts
        let jpeg = try decoded(try encoded(picture, options(.jpeg))).metadata
        let xmp = String(decoding: try #require(jpeg[.xmp]), as: UTF8.self)
        #expect(xmp.contains("a:b0=") && xmp.contains("a:b3999=") && !xmp.contains("HasExtendedXMP"))
        #expect(jpeg[.iptc] == iptc && jpeg.filter { $0.type == .text } == [texts[0]])
        let png = try decoded(try encoded(picture, options(.png))).metadata
        #expect(png[.xmp] == Array(long.utf8) && png[.iptc] == iptc && png.filter { $0.type == .text } == texts)
        picture.trailing = [MetadataRecord(.exif, [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0])]
        #expect(try decoded(try encoded(picture, options(.png))).metadata[.exif] == picture.trailing[0].payload)
        let sink = MemorySink()
        #expect(try Encoder(options(.jpeg), pool: pool).encode(PictureSource(picture), to: sink).leftOut.count == 1)
    }

    /// Prefixes that are declared around what goes into further segments are declared in what comes back.
    @Test func prefixesOfLongXMPStayDeclared() throws {
        let properties = String(repeating: "<dc:source>some text of a property</dc:source>\n", count: 2000)
        for gap in [" ", "\n\t"] {
            let packet = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'\(gap)"
                + "xmlns:dc='http://purl.org/dc/elements/1.1/'><rdf:Description rdf:about=''>\(properties)</rdf:Description></rdf:RDF></x:xmpmeta>"
            var picture = Picture(smooth: 40, 30, .rgb)
            picture.metadata = [MetadataRecord(.xmp, Array(packet.utf8))]
            let xmp = try #require(try decoded(try encoded(picture, options(.jpeg))).metadata[.xmp])
            #expect(String(decoding: xmp, as: UTF8.self) == packet)
        }
    }

    @Test func whatDoesNotFitASegmentIsLeftOutAndSaid() throws {
        var picture = Picture(smooth: 40, 30, .rgb)
        picture.metadata = [
            MetadataRecord(.exif, [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 1, count: 66_000)),
            MetadataRecord(.text, Array("Comment\0".utf8) + [UInt8](repeating: 0x61, count: 66_000)),
        ]
        let sink = MemorySink()
        let report = try Encoder(options(.jpeg), pool: pool).encode(PictureSource(picture), to: sink)
        #expect(report.leftOut == ["EXIF of 66014 bytes, more than a segment of a JPEG holds", "a comment of 66000 bytes, more than a segment of a JPEG holds"])
    }

    @Test(arguments: [EncodedFormat.jpeg, .png, .webp])
    func metadataTravels(_ format: EncodedFormat) throws {
        // Two segments of a JPEG.
        var profile = emptyProfile("RGB ", byteCount: 70_000)
        func exif(_ orientation: UInt8) -> [UInt8] {
            [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0]
        }
        func xmp(_ orientation: Int) -> [UInt8] {
            Array("<x:xmpmeta><rdf:Description tiff:Orientation='\(orientation)'/><tiff:Orientation>\(orientation)</tiff:Orientation></x:xmpmeta>".utf8)
        }
        var picture = Picture(smooth: 40, 30, .rgb)
        picture.info.orientation = 6
        picture.metadata = [MetadataRecord(.icc, profile), MetadataRecord(.exif, exif(6)), MetadataRecord(.xmp, xmp(6))]
        let result = try decoded(try encoded(picture, options(format)))
        #expect(result.metadata[.icc] == profile)
        // The rows are upright now, and nothing says otherwise.
        #expect(result.metadata[.exif] == exif(1))
        #expect(result.metadata[.xmp] == xmp(1))
        #expect(result.info.orientation == 1 && result.info.width == 30 && result.info.height == 40)

        // A profile of other samples is not written.
        profile.replaceSubrange(16..<20, with: Array("CMYK".utf8))
        picture.metadata = [MetadataRecord(.icc, profile)]
        #expect(try decoded(try encoded(picture, options(format))).metadata[.icc] == nil)
    }
}

@Suite struct DamageTests {
    static func files() throws -> [(String, [UInt8])] {
        let picture = Picture(smooth: 48, 40, .rgb)
        return [
            ("JPEG", try encoded(picture, options(.jpeg))),
            ("PNG", try encoded(picture, options(.png))),
            ("WebP", try encoded(picture, options(.webp))),
            ("lossless WebP", try encoded(picture, options(.webp, lossless: true))),
        ]
    }

    @Test func everyProperPrefixIsTruncated() throws {
        for (name, bytes) in try Self.files() {
            #expect(try decoded(bytes).info.width == 48)
            for count in 16..<bytes.count {
                let error = #expect(throws: ImageError.self, "\(name), \(count) of \(bytes.count) bytes") {
                    try decoded(Array(bytes[..<count]))
                }
                // Baseline entropy data that ends inside an MCU is truncated too: nothing was made up before.
                #expect(error == .truncated(atByte: UInt64(count)), "\(name), \(count) of \(bytes.count) bytes")
            }
        }
    }

    @Test func changedBytesNeverCrashAndAFailedDecoderServesTheNextPicture() throws {
        for (name, bytes) in try Self.files() {
            let decoder = Decoder(pool: pool, options: DecodeOptions())
            var random: UInt64 = 1
            for _ in 0..<200 {
                var changed = bytes
                for _ in 0..<3 {
                    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    changed[Int(random >> 33) % bytes.count] = UInt8(truncatingIfNeeded: random >> 17)
                }
                _ = try? decoded(changed, by: decoder)
            }
            #expect(try decoded(bytes, by: decoder).info.width == 48, "\(name)")
            #expect(pool.leasedBytes < 8 << 20)
        }
    }

    /// Chunks of text that each become 30 MB: one fits the limit, the second does not.
    @Test func textThatInflatesCountsTogether() throws {
        var png = try encoded(Picture(smooth: 8, 8, .rgb), options(.png))
        let bomb = try #require(deflated([UInt8](repeating: 0x61, count: 40 << 20)))
        for _ in 0..<3 { png.insert(contentsOf: chunk("zTXt", Array("Title".utf8) + [0, 0] + bomb), at: 33) }
        #expect(throws: ImageError.self) { try decoded(png) }
        let one = try encoded(Picture(smooth: 8, 8, .rgb), options(.png))
        #expect(try decoded(Array(one[..<33]) + chunk("zTXt", Array("Title".utf8) + [0, 0] + bomb) + one[33...]).metadata[.text]?.count == 6 + 40 << 20)
    }

    /// A chunk with a wrong checksum is dropped, and no other one.
    @Test func onlyTheChunkWithTheWrongChecksumIsDropped() throws {
        let png = try encoded(Picture(smooth: 8, 8, .rgb), options(.png))
        var bad = chunk("gAMA", [0, 0, 1, 1])
        bad[bad.count - 1] ^= 1
        var badText = chunk("tEXt", Array("Title\0b".utf8))
        badText[badText.count - 1] ^= 1
        let texts = bad + chunk("tEXt", Array("Title\0a".utf8)) + badText + chunk("tEXt", Array("Title\0c".utf8))
        let found = try decoded(Array(png[..<33]) + texts + png[33...]).metadata
        #expect(found.map(\.payload) == ["Title\0a", "Title\0c"].map { Array($0.utf8) })
    }

    @Test func limitsAreJudgedByTheHeader() throws {
        var decoding = DecodeOptions()
        decoding.limits.pixels = 48 * 40 - 1
        for (name, bytes) in try Self.files() {
            #expect(throws: ImageError.overLimit(.pixels, value: 48 * 40, maximum: 48 * 40 - 1), "\(name)") {
                try decoded(bytes, decoding)
            }
        }
    }

    @Test func unknownAndForeignInputsAreNamed() throws {
        #expect(throws: ImageError.damaged("empty file")) { try decoded([]) }
        #expect(throws: ImageError.damaged("is not a picture: no JPEG, PNG, WebP or PNM begins like this")) {
            try decoded(Array("hello, this is text".utf8))
        }
        #expect(throws: ImageError.unsupported("is a TIFF, which imgpipe does not read")) {
            try decoded([0x49, 0x49, 42, 0] + [UInt8](repeating: 0, count: 20))
        }
    }

    @Test func picturesTooLargeForTheirFormatAreRefused() throws {
        let wide = Picture(70_000, 1, .gray)
        for format in [EncodedFormat.jpeg, .webp] {
            #expect(throws: ImageError.self) { try encoded(wide, options(format)) }
        }
        #expect(try decoded(try encoded(wide, options(.png))).info.width == 70_000)
    }
}

/// A chunk of a PNG: length, letters, payload, checksum.
func chunk(_ type: String, _ payload: [UInt8]) -> [UInt8] {
    func bytes(_ value: UInt) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt($0))) } }
    let content = Array(type.utf8) + payload
    return bytes(UInt(payload.count)) + content + bytes(UInt(crc32(0, content, UInt32(content.count))))
}

func deflated(_ bytes: [UInt8]) -> [UInt8]? {
    var count = compressBound(UInt(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(count))
    return compress(&result, &count, bytes, UInt(bytes.count)) == Z_OK ? Array(result[..<Int(count)]) : nil
}
