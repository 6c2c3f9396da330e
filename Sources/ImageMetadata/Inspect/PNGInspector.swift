import ImageCore

/// The chunks of a PNG: PNG specification, 3rd edition. Pixels are passed over; metadata may stand behind them.
struct PNGInspector {
    private let source: ByteSource
    private let limits: Limits
    private var heldBytes = 0

    init(_ source: ByteSource, _ limits: Limits) { (self.source, self.limits) = (source, limits) }

    mutating func read(into picture: inout PictureDescription) throws(ImageError) {
        source.skip(PNGChunk.signature.count)
        while true {
            try source.prefetch(8)
            guard source.waitingCount >= 8 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
            let head = Array(source.window.prefix(8))
            let (length, type) = (head[..<4].reduce(0) { $0 << 8 | Int($1) }, FourCC(head[4...]))
            guard length < 1 << 31, type.isPNGChunk, picture.width > 0 || type == FourCC("IHDR") else {
                throw .damaged("no chunk of a PNG", atByte: source.positionBytes)
            }
            source.skip(8)
            switch type {
            case FourCC("IEND"): return
            case FourCC("IHDR"), FourCC("acTL"), FourCC("fcTL"): header(type, try content(length), &picture)
            case FourCC("PLTE"), FourCC("IDAT"), FourCC("fdAT"): try source.pass(UInt64(length) + 4)
            case FourCC("tRNS"):
                picture.hasAlpha = true
                try source.pass(UInt64(length) + 4)
            default: try metadata(type, length, &picture)
            }
            if picture.width == 0 || picture.height == 0 { throw .damaged("a picture of \(picture.width) x \(picture.height)") }
        }
    }

    /// The bytes of a chunk behind whose head the source stands; its checksum too.
    private mutating func content(_ length: Int) throws(ImageError) -> [UInt8] {
        heldBytes += length
        try limits.check(.metadata, UInt64(heldBytes))
        let bytes = try source.take(length)
        _ = try source.take(4)
        return bytes
    }

    private func header(_ type: FourCC, _ bytes: [UInt8], _ picture: inout PictureDescription) {
        func number(_ at: Int) -> UInt32 { bytes[at..<at + 4].reduce(0) { $0 << 8 | UInt32($1) } }
        switch type {
        case FourCC("IHDR") where bytes.count == 13:
            (picture.width, picture.height) = (number(0), number(4))
            picture.depth = Int(bytes[8])
            picture.model = bytes[9] == 3 ? .palette : bytes[9] & 2 != 0 ? .rgb : .gray
            picture.hasAlpha = bytes[9] & 4 != 0
            picture.isProgressive = bytes[12] == 1
            picture.isLossless = true
        case FourCC("acTL") where bytes.count == 8: (picture.frames, picture.loop) = (number(0), number(4))
        case FourCC("fcTL") where bytes.count == 26:
            let (delay, parts) = (UInt64(bytes[20]) << 8 | UInt64(bytes[21]), UInt64(bytes[22]) << 8 | UInt64(bytes[23]))
            picture.durationMilliseconds += 1000 * delay / (parts == 0 ? 100 : parts)
        default: break
        }
    }

    private mutating func metadata(_ type: FourCC, _ length: Int, _ picture: inout PictureDescription) throws(ImageError) {
        switch type {
        case FourCC("eXIf"):
            picture.count("exif", length + 12)
            let bytes = try content(length)
            picture.exif = picture.exif ?? bytes
        case FourCC("iCCP"):
            picture.count("icc", length + 12)
            let bytes = try content(length)
            guard let name = PNGText.keyword(bytes), bytes.count > name.utf8Count + 2 else { return }
            picture.icc = try Zlib.inflated(bytes[(name.utf8Count + 2)...], limitBytes: limits.metadata).bytes
        case FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt"): try text(type, try content(length), &picture)
        case FourCC("caBX"):
            picture.hasC2PA = true
            picture.count("c2pa", length + 12)
            try source.pass(UInt64(length) + 4)
        default:
            if !PNGChunk.isRendering(type) && type != FourCC("pHYs") { picture.count("other", length + 12) }
            try source.pass(UInt64(length) + 4)
        }
    }

    private func text(_ type: FourCC, _ bytes: [UInt8], _ picture: inout PictureDescription) throws(ImageError) {
        let text = try PNGText(type: type, bytes, limitBytes: limits.metadata)
        let container = text.flatMap { PNGText.container($0.keyword) }
        picture.count([.xmp, .exif, .iptc, .icc].contains(container) ? container!.word : "comment", bytes.count + 12)
        guard let text else { return }
        if text.keyword == PNGText.xmpKeyword {
            picture.xmp = picture.xmp ?? text.text
            return
        }
        switch text.rawProfile {
        case .exif(let block): picture.exif = picture.exif ?? block
        case .xmp(let packet): picture.xmp = picture.xmp ?? packet
        case .iptc(let block): picture.iptc = picture.iptc ?? block
        case nil: picture.texts.append((text.keyword, String(decoding: text.text, as: UTF8.self)))
        }
    }
}
