/// What an APPn or COM segment of a JPEG carries, by its marker and how it begins.
enum JPEGSegmentKind: Hashable {
    case jfif, jfifExtension, exif, xmp, extendedXMP, icc, mpf, gainMap, photoshop, c2pa, adobe, comment
    case unknown(UInt8)

    /// Nil for a segment that draws the picture.
    init?(_ code: UInt8, _ payload: some Collection<UInt8>) {
        func begins(_ signature: [UInt8]) -> Bool { payload.starts(with: signature) }
        switch code {
        case 0xe0 where begins(JPEGSegment.jfifSignature) && payload.count >= 14: self = .jfif
        case 0xe0 where begins(Array("JFXX\0".utf8)): self = .jfifExtension
        case 0xe1 where begins(JPEGSegment.exifSignature): self = .exif
        case 0xe1 where begins(JPEGSegment.xmpSignature): self = .xmp
        case 0xe1 where begins(JPEGSegment.extendedXMPSignature): self = .extendedXMP
        case 0xe2 where begins(JPEGSegment.iccSignature): self = .icc
        case 0xe2 where begins(JPEGSegment.mpfSignature): self = .mpf
        case 0xe2 where begins(JPEGSegment.gainMapSignature): self = .gainMap
        case 0xeb where begins(Array("JP".utf8)): self = .c2pa
        case 0xed where begins(JPEGSegment.photoshopSignature): self = .photoshop
        case 0xee where begins(JPEGSegment.adobeSignature) && payload.count >= JPEGSegment.adobeBytes: self = .adobe
        case 0xfe: self = .comment
        case 0xe0...0xef: self = .unknown(code)
        default: return nil
        }
    }

    /// For people.
    var name: String {
        switch self {
        case .jfif: "JFIF"
        case .jfifExtension: "JFIF thumbnail"
        case .exif: "EXIF"
        case .xmp, .extendedXMP: "XMP"
        case .icc: "ICC profile"
        case .mpf: "MPF"
        case .gainMap: "gain map"
        case .photoshop: "Photoshop and IPTC"
        case .c2pa: "C2PA"
        case .adobe: "Adobe"
        case .comment: "comment"
        case .unknown(let code): "APP\(code & 15)"
        }
    }
}
