import ImageCore
import ImageMetadata

/// Metadata as the APPn and COM segments of a JPEG, but for the ICC profile, which libjpeg cuts into segments itself.
struct JPEGSegments {
    private(set) var segments: [(code: Int32, payload: [UInt8])] = []

    /// What a text begins with that becomes a COM segment.
    static let commentKeyword = Array("Comment\0".utf8)

    /// `leftOut` is told what has no place in a JPEG.
    init(_ metadata: EmbeddedMetadata, leftOut: inout [String]) {
        addExif(metadata.exif, &leftOut)
        addXMP(metadata.xmp)
        addIPTC(metadata.iptc, &leftOut)
        for text in metadata.texts where text.starts(with: Self.commentKeyword) {
            add(0xfe, [], Array(text.dropFirst(Self.commentKeyword.count)), "a comment", &leftOut)
        }
    }

    private mutating func add(_ code: Int32, _ signature: [UInt8], _ content: [UInt8], _ name: String, _ leftOut: inout [String]) {
        let payload = signature + content
        if payload.count <= JPEGSegment.maximumBytes {
            segments.append((code, payload))
        } else {
            leftOut.append("\(name) of \(content.count) bytes, more than a segment of a JPEG holds")
        }
    }

    /// CIPA DC-008, 4.5.4. A block that is too large may do without its thumbnail.
    private mutating func addExif(_ exif: [UInt8], _ leftOut: inout [String]) {
        if exif.isEmpty { return }
        let fits = exif.count <= JPEGSegment.maximumBytes - JPEGSegment.exifSignature.count
        add(0xe1, JPEGSegment.exifSignature, fits ? exif : Exif.withoutThumbnail(exif), "EXIF", &leftOut)
    }

    /// XMP specification part 3, 1.1.3.
    private mutating func addXMP(_ xmp: [UInt8]) {
        if xmp.isEmpty { return }
        var nothing: [String] = []
        let room = JPEGSegment.maximumBytes - JPEGSegment.xmpSignature.count
        let packet = xmp.count <= room ? xmp : ExtendedXMP.withoutPadding(xmp)
        if packet.count <= room { return add(0xe1, JPEGSegment.xmpSignature, packet, "XMP", &nothing) }
        segments += ExtendedXMP.segments(packet).map { (0xe1, $0) }
    }

    /// One of Photoshop's image resources, 0x0404, without a name.
    private mutating func addIPTC(_ iptc: [UInt8], _ leftOut: inout [String]) {
        if iptc.isEmpty { return }
        add(0xed, JPEGSegment.photoshopSignature, PhotoshopResources.resource(id: PhotoshopResources.ID.iptc, iptc), "IPTC", &leftOut)
    }
}
