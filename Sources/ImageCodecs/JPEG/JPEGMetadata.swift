import ImageCore
import ImageMetadata

/// Collects what APPn and COM segments of a JPEG carry, without their container headers.
struct JPEGMetadata {
    private var exif: [UInt8]?
    private var xmp: [UInt8]?
    /// Parts of extended XMP, each behind its head.
    private var xmpParts: [ArraySlice<UInt8>] = []
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
        func content(after signature: [UInt8]) -> [UInt8]? {
            bytes.count > signature.count && bytes.starts(with: signature) ? Array(bytes[signature.count...]) : nil
        }
        var kept: [UInt8]?
        switch code {
        case 0xe1:
            if let block = content(after: JPEGSegment.exifSignature) {
                // Some writers go on in a second segment where one is too small; a second block is none.
                if exif == nil || !(block.starts(with: "II".utf8) || block.starts(with: "MM".utf8)) { exif = (exif ?? []) + block }
                kept = block
            } else if xmp == nil, let packet = content(after: JPEGSegment.xmpSignature) {
                (xmp, kept) = (packet, packet)
            } else if let part = content(after: JPEGSegment.extendedXMPSignature), part.count > ExtendedXMP.partHeadBytes {
                xmpParts.append(part[...])
                kept = part
            }
        case 0xe2:
            if let part = content(after: JPEGSegment.iccSignature), part.count > 2, iccParts[part[0]] == nil {
                iccParts[part[0]] = Array(part[2...])
                (iccCount, kept) = (part[1], part)
            }
        case 0xed:
            if let part = content(after: JPEGSegment.photoshopSignature) {
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

    /// What there is; `isWhole` is false where extended XMP is not.
    func records() -> (records: [MetadataRecord], isWhole: Bool) {
        let xmp = xmp.map { ExtendedXMP.whole($0, parts: xmpParts) }
        var records: [MetadataRecord] = []
        if let icc { records.append(MetadataRecord(.icc, icc)) }
        if let exif { records.append(MetadataRecord(.exif, exif)) }
        if let xmp { records.append(MetadataRecord(.xmp, xmp.packet)) }
        if let iptc = PhotoshopResources.iptc(in: resources) { records.append(MetadataRecord(.iptc, iptc)) }
        return (records + comments.map { MetadataRecord(.text, $0) }, xmp?.isJoined ?? true)
    }
}
