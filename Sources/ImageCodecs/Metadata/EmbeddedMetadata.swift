import ImageCore
import ImageMetadata

/// The metadata that all written formats have a place for, as it is to be written.
struct EmbeddedMetadata {
    let icc: [UInt8]
    /// From the TIFF header on. IMAG is the authority on orientation, and encoders are given upright rows.
    let exif: [UInt8]
    let xmp: [UInt8]
    /// IIM, for JPEG.
    let iptc: [UInt8]
    /// Keyword, NUL, text, in UTF-8.
    let texts: [[UInt8]]

    init(_ records: [MetadataRecord], info: ImageInfo) {
        icc = records[.icc].flatMap { Self.fits($0, info.format.model) ? $0 : nil } ?? []
        exif = records[.exif].map { Exif.upright($0, width: info.width, height: info.height) } ?? []
        // XMP is text: with a NUL it is none, but for some that a writer put behind it.
        let packet = records[.xmp].map { $0[...($0.lastIndex { $0 != 0 } ?? -1)] } ?? []
        xmp = packet.contains(0) ? [] : XMP.upright(Array(packet), width: info.width, height: info.height)
        iptc = records[.iptc] ?? []
        texts = records.filter { $0.type == .text }.map(\.payload)
    }

    /// Whether a profile is for such samples: bytes 16...19 of its header, ICC.1:2022 7.2.6. One that is not is never written.
    private static func fits(_ profile: [UInt8], _ model: ColorModel) -> Bool {
        profile.count >= 128 && profile[16..<20].elementsEqual((model == .gray ? "GRAY" : "RGB ").utf8)
    }

    /// Whether there is nothing that a WebP holds.
    var isEmpty: Bool { icc.isEmpty && exif.isEmpty && xmp.isEmpty }
}
