import ImageCore
import ImageMetadata

/// Collects what APPn and COM segments of a JPEG carry, without their container headers.
struct JPEGMetadata {
    private var exif: [UInt8]?
    private var xmp: [UInt8]?
    /// Parts of extended XMP by the digest of the whole, and by where they begin in it.
    private var xmpParts: [[UInt8]: [Int: [UInt8]]] = [:]
    /// Photoshop's image resources, of several segments one after another.
    private var resources: [UInt8] = []
    private var comments: [[UInt8]] = []
    /// Parts of the ICC profile by sequence number, and how many there are to be. ICC.1:2022 annex B.4.
    private var iccParts: [UInt8: [UInt8]] = [:]
    private var iccCount: UInt8 = 0
    private var byteCount: UInt64 = 0
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    /// `bytes`: the payload of one segment.
    mutating func take(code: UInt32, _ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        func content(after signature: StaticString) -> [UInt8]? {
            let n = signature.utf8CodeUnitCount
            guard bytes.count > n, (0..<n).allSatisfy({ bytes[$0] == signature.utf8Start[$0] }) else { return nil }
            return Array(bytes[n...])
        }
        var kept: [UInt8]?
        switch code {
        case 0xe1:
            if let block = content(after: "Exif\0\0") {
                // Some writers go on in a second segment where one is too small; a second block is none.
                if exif == nil || !(block.starts(with: "II".utf8) || block.starts(with: "MM".utf8)) { exif = (exif ?? []) + block }
                kept = block
            } else if xmp == nil, let packet = content(after: "http://ns.adobe.com/xap/1.0/\0") {
                (xmp, kept) = (packet, packet)
            } else if let part = content(after: "http://ns.adobe.com/xmp/extension/\0"), part.count > Self.xmpPartHeadBytes {
                let offset = part[36..<40].reduce(0) { $0 << 8 | Int($1) }
                xmpParts[Array(part[..<32]), default: [:]][offset] = Array(part[Self.xmpPartHeadBytes...])
                kept = part
            }
        case 0xe2:
            if let part = content(after: "ICC_PROFILE\0"), part.count > 2, iccParts[part[0]] == nil {
                iccParts[part[0]] = Array(part[2...])
                (iccCount, kept) = (part[1], part)
            }
        case 0xed:
            if let part = content(after: "Photoshop 3.0\0") {
                resources += part
                kept = part
            }
        case 0xfe:
            // The stream's text has a keyword, and JPEG says of no encoding; what is not UTF-8 is left.
            if bytes.count > 0, String(validating: bytes, as: UTF8.self) != nil {
                let text = Array("Comment\0".utf8) + bytes
                comments.append(text)
                kept = text
            }
        default: break
        }
        if let kept { byteCount += UInt64(kept.count) + Limits.metadataRecordBytes }
        try limits.check(.metadata, byteCount)
    }

    /// The profile, when all its parts are there.
    private var icc: [UInt8]? {
        guard iccCount > 0, iccParts.count == Int(iccCount) else { return nil }
        var profile: [UInt8] = []
        for number in 1...iccCount {
            guard let part = iccParts[number] else { return nil }
            profile += part
        }
        return profile
    }

    /// Digest, length of the whole, offset of the part: XMP specification part 3, table 3.
    static let xmpPartHeadBytes = ExtendedXMP.digestCount + 8

    /// The packet, with what is in further segments where all of it is there and can be joined to it.
    private func wholeXMP() -> (packet: [UInt8]?, isWhole: Bool) {
        guard let xmp, let digest = ExtendedXMP.digest(in: xmp) else { return (xmp, true) }
        var whole: [UInt8] = []
        for (offset, part) in (xmpParts[digest] ?? [:]).sorted(by: { $0.key < $1.key }) where offset == whole.count { whole += part }
        if let joined = ExtendedXMP.joined(xmp, whole) { return (joined, true) }
        return (ExtendedXMP.withoutNote(xmp), false)
    }

    /// What there is; `isWhole` is false where extended XMP is not.
    func records() -> (records: [MetadataRecord], isWhole: Bool) {
        let (xmp, isWhole) = wholeXMP()
        var records: [MetadataRecord] = []
        if let icc { records.append(MetadataRecord(.icc, icc)) }
        if let exif { records.append(MetadataRecord(.exif, exif)) }
        if let xmp { records.append(MetadataRecord(.xmp, xmp)) }
        if let iptc = PhotoshopResources.iptc(in: resources) { records.append(MetadataRecord(.iptc, iptc)) }
        return (records + comments.map { MetadataRecord(.text, $0) }, isWhole)
    }
}
