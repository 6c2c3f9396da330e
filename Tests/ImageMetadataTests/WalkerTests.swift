import Foundation
import ImageCore
import Testing

@testable import ImageMetadata

/// The walker against what a faulty stripper would let through.
@Suite struct WalkerTests {
    private let pool = BufferPool(limits: Limits())

    /// A JPEG of a frame and a scan, which nobody decodes here, with segments before them.
    private func jpeg(_ segments: [(UInt8, [UInt8])]) -> [UInt8] {
        let frame: [UInt8] = [8, 0, 8, 0, 8, 1, 1, 0x11, 0]
        return [0xff, 0xd8] + segments.flatMap { JPEGSegment.bytes($0.0, $0.1) } + JPEGSegment.bytes(0xc0, frame)
            + JPEGSegment.bytes(0xda, [1, 1, 0, 0, 63, 0]) + [1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xd9]
    }

    private func audited(_ bytes: [UInt8], _ choice: MetadataChoice, stepBytes: Int) throws -> [UInt8] {
        let sink = MemorySink()
        let audited = AuditedSink(sink, JPEGWalker(choice))
        for at in stride(from: 0, to: bytes.count, by: stepBytes) {
            try audited.write(Array(bytes[at..<min(at + stepBytes, bytes.count)]).span.bytes)
        }
        try audited.end()
        try sink.commit()
        return sink.file!
    }

    @Test(arguments: [1, 2, 3, 7, 1000])
    func cleanFilesPassWhateverThePartsTheyComeIn(_ stepBytes: Int) throws {
        let clean = jpeg([(0xe0, Array("JFIF\0".utf8) + [1, 2, 0, 0, 1, 0, 1, 0, 0]), (0xee, Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, 1])])
        #expect(try audited(clean, MetadataChoice(dropping: [.all]), stepBytes: stepBytes) == clean)
    }

    @Test(arguments: [
        (0xe1, Array("Exif\0\0".utf8) + Exif.block(orientation: 6)), (0xe1, Array("http://ns.adobe.com/xap/1.0/\0<x/>".utf8)),
        (0xe2, Array("ICC_PROFILE\0".utf8) + [1, 1, 0]), (0xe2, Array("MPF\0".utf8)), (0xe5, [1, 2, 3]), (0xeb, Array("JP".utf8)),
        (0xed, Array("Photoshop 3.0\0".utf8) + PhotoshopResources.resource(id: 0x404, [0x1c, 2, 80, 0, 1, 65])), (0xfe, [65]),
        (0xe0, Array("JFIF\0".utf8) + [1, 2, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0]), (0xee, Array("Adobe".utf8) + [0, 100, 0, 0, 0, 0, 1, 9]),
    ] as [(UInt8, [UInt8])])
    func whateverHadToGoIsFoundBeforeItIsOut(_ segment: (UInt8, [UInt8])) throws {
        let choice = try MetadataChoice(dropping: [.all])
        let error = #expect(throws: ImageError.self) { try audited(jpeg([segment]), choice, stepBytes: 5) }
        #expect(error?.status == .internalError)
    }

    @Test func bytesBehindThePictureAreFound() throws {
        #expect(throws: ImageError.self) { try audited(jpeg([]) + [1], MetadataChoice(), stepBytes: 100) }
    }

    @Test func theJudgeOfXMPKnowsAPropertyHoweverItIsWritten() throws {
        let choice = try MetadataChoice(keeping: [.xmp], dropping: [.gps])
        func packet(_ inner: String) -> [UInt8] {
            Array(#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="\#(XMPTree.rdf)" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:d="drone">\#(inner)</rdf:RDF></x:xmpmeta>"#.utf8)
        }
        for inner in [
            #"<rdf:Description exif:GPSLatitude="1"/>"#, "<rdf:Description><exif:GPSLatitude>1</exif:GPSLatitude></rdf:Description>",
            "<rdf:Description><d:place><rdf:Bag><rdf:li d:GpsLongitude='1'/></rdf:Bag></d:place></rdf:Description>",
        ] {
            #expect(throws: ImageError.self) { try PayloadJudge(choice).xmp(packet(inner)[...]) }
            guard case .kept(let edited) = try XMPFilter.edited(packet(inner + #"<rdf:Description d:other="2"/>"#), choice) else {
                Issue.record("\(inner) was not edited")
                continue
            }
            let text = String(decoding: edited, as: UTF8.self)
            #expect(!text.lowercased().contains("gps") && text.contains(#"d:other="2""#))
            try PayloadJudge(choice).xmp(edited[...])
        }
    }

    @Test func documentTypesAreRefused() throws {
        #expect(try XMPTree.descriptions(in: Array(#"<!DOCTYPE a [<!ENTITY b "c">]><rdf:RDF xmlns:rdf="\#(XMPTree.rdf)"/>"#.utf8)) == nil)
    }
}

@Suite struct MetadataChoiceTests {
    @Test func theMoreSpecificWordWins() throws {
        let some = try MetadataChoice(keeping: [.exif], dropping: [.gps])
        #expect(some.keeps(.exif) && !some.keeps(.gps, in: .exif) && !some.keepsMakerNote && !some.keepsAll(of: .exif))
        let rights = try MetadataChoice(keeping: [.copyright], dropping: [.all])
        #expect(rights.keeps(.copyright, in: .xmp) && !rights.keeps(.icc) && !rights.keeps(.orientation, in: .exif))
        let nothing = try MetadataChoice()
        #expect(nothing.keeps(.icc) && nothing.keeps(.orientation, in: .exif) && !nothing.keepsAny(of: .xmp) && !nothing.keeps(.comment))
        #expect(throws: ImageError.self) { try MetadataChoice(keeping: [.icc], dropping: [.icc]) }
    }
}
