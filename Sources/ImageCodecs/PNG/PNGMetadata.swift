import ImageCore
import ImageMetadata

/// Collects what the chunks of a PNG carry beside pixels: EXIF, text with XMP among it, coding-independent code points. PNG
/// specification, 3rd edition, 11.3. A chunk that is malformed is not there.
struct PNGMetadata {
    private(set) var exif: [UInt8]?
    private(set) var xmp: [UInt8]?
    private(set) var iptc: [UInt8]?
    private(set) var texts: [[UInt8]] = []
    /// Primaries, transfer, matrix and range of cICP.
    private(set) var codePoints: ColorCode?
    private(set) var isAnimated = false
    private var byteCount: UInt64 = 0
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    /// For chunks that come after these: it counts on.
    func following() -> PNGMetadata {
        var next = PNGMetadata(limits: limits)
        next.byteCount = byteCount
        return next
    }

    /// `type`: the four letters of a chunk, of `bytes`. Throws `overLimit` when all together, as they are when they are unpacked, are too much.
    mutating func take(type: FourCC, _ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        switch type {
        case FourCC("eXIf") where exif == nil && bytes.count > 0: exif = Array(bytes)
        case FourCC("cICP") where bytes.count == 4:
            codePoints = ColorCode(primaries: bytes[0], transfer: bytes[1], matrix: bytes[2], fullRange: bytes[3])
            return
        case FourCC("acTL"):
            isAnimated = true
            return
        case FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt"): try takeText(type, Array(bytes))
        default: return
        }
        try charge(bytes.count + Int(Limits.metadataRecordBytes))
    }

    private mutating func charge(_ count: Int) throws(ImageError) {
        byteCount += UInt64(count)
        try limits.check(.metadata, byteCount)
    }

    private mutating func takeText(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) {
        let room = limits.metadata - min(byteCount, limits.metadata)
        var more = 0
        // Never more than the limit leaves room for, however much it would become.
        let found = try PNGText(type: type, bytes, limitBytes: room) { (count) throws(ImageError) in
            more += count
            try limits.check(.metadata, byteCount + UInt64(more))
        }
        try charge(more)
        guard let found else { return }
        if found.keyword == PNGText.xmpKeyword {
            xmp = xmp ?? found.text
            return
        }
        switch found.rawProfile {
        case .exif(let block): exif = exif ?? block
        case .xmp(let packet): xmp = xmp ?? packet
        case .iptc(let block): iptc = iptc ?? block
        case nil: if !found.text.contains(0) { texts.append(Array(found.keyword.utf8) + [0] + found.text) }
        }
    }

    var records: [MetadataRecord] {
        let found = [(FourCC.exif, exif), (.xmp, xmp), (.iptc, iptc)].compactMap { type, bytes in bytes.map { MetadataRecord(type, $0) } }
        return found + texts.map { MetadataRecord(.text, $0) }
    }
}
