import ImageCore

/// The segments of a JPEG up to its first scan: ITU-T T.81, annex B.
struct JPEGInspector {
    private let source: ByteSource
    private let limits: Limits

    init(_ source: ByteSource, _ limits: Limits) { (self.source, self.limits) = (source, limits) }

    func read(into picture: inout PictureDescription) throws(ImageError) {
        var head = JPEGHead()
        defer { Self.describe(head, &picture) }
        var tables = JPEGQuality()
        source.skip(2)
        while true {
            let (code, before) = try marker()
            if before > 0 { picture.count("other", before) }
            switch code {
            case 0x01, 0xd0...0xd7: continue
            case 0xd8, 0xd9: throw .damaged("no frame, or no scan", atByte: source.positionBytes)
            default: break
            }
            try source.prefetch(2)
            guard source.waitingCount >= 2 else { throw truncated }
            let length = Int(source.window[0]) << 8 | Int(source.window[1])
            guard length >= 2 else { throw .damaged("a segment of length \(length)", atByte: source.positionBytes) }
            source.skip(2)
            switch code {
            case 0xda: return
            case 0xc0...0xc3, 0xc5...0xc7, 0xc9...0xcb, 0xcd...0xcf: try frame(code, try source.take(length - 2), &picture)
            case 0xdb:
                tables.add(try source.take(length - 2))
                picture.quality = tables.estimate
            case 0xe0...0xef, 0xfe: try metadata(code, length - 2, &head, &picture)
            default: try source.pass(UInt64(length - 2))
            }
        }
    }

    private var truncated: ImageError { .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }

    private func marker() throws(ImageError) -> (code: UInt8, bytesBefore: Int) {
        var before = 0
        while true {
            try source.prefetch(2)
            guard source.waitingCount >= 2 else { throw truncated }
            let (first, second) = (source.window[0], source.window[1])
            source.skip(1)
            if first == 0xff && second != 0xff && second != 0 {
                source.skip(1)
                return (second, before)
            }
            before += 1
        }
    }

    /// B.2.2.
    private func frame(_ code: UInt8, _ bytes: [UInt8], _ picture: inout PictureDescription) throws(ImageError) {
        guard bytes.count >= 6, bytes.count == 6 + 3 * Int(bytes[5]), bytes[5] > 0 else { throw .damaged("SOF of a wrong length", atByte: source.positionBytes) }
        picture.depth = Int(bytes[0])
        picture.height = UInt32(bytes[1]) << 8 | UInt32(bytes[2])
        picture.width = UInt32(bytes[3]) << 8 | UInt32(bytes[4])
        guard picture.width > 0, picture.height > 0 else { throw .damaged("a picture of \(picture.width) x \(picture.height)") }
        picture.isProgressive = code & 3 == 2
        picture.isLossless = code & 3 == 3
        let places = Array(stride(from: 6, to: bytes.count, by: 3))
        let factors: [(h: Int, v: Int)] = places.map { at in (h: Int(bytes[at + 1] >> 4), v: Int(bytes[at + 1] & 15)) }
        switch places.count {
        case 1: picture.model = .gray
        case 4: picture.model = .cmyk
        // As libjpeg guesses where no segment says it.
        default: picture.model = places.map { bytes[$0] } == Array("RGB".utf8) ? .rgb : .ycbcr
        }
        if places.count >= 3 { picture.subsampling = Self.subsampling(factors) }
    }

    /// The usual name, where both chroma components have one sample for the same luma samples.
    private static func subsampling(_ factors: [(h: Int, v: Int)]) -> String? {
        let (luma, blue, red) = (factors[0], factors[1], factors[2])
        guard blue == red, blue.h > 0, blue.v > 0, luma.h % blue.h == 0, luma.v % blue.v == 0, factors.dropFirst(3).allSatisfy({ $0 == luma }) else {
            return factors.map { "\($0.h)x\($0.v)" }.joined(separator: ",")
        }
        return switch (luma.h / blue.h, luma.v / blue.v) {
        case (1, 1): "4:4:4"
        case (2, 1): "4:2:2"
        case (2, 2): "4:2:0"
        case (1, 2): "4:4:0"
        case (4, 1): "4:1:1"
        case (4, 2): "4:1:0"
        default: factors.map { "\($0.h)x\($0.v)" }.joined(separator: ",")
        }
    }

    // MARK: Metadata

    /// More than what any kind is told by.
    private static let signatureBytes = 64

    private func metadata(_ code: UInt8, _ count: Int, _ head: inout JPEGHead, _ picture: inout PictureDescription) throws(ImageError) {
        try source.prefetch(min(count, Self.signatureBytes))
        let kind = JPEGSegmentKind(code, Array(source.window.prefix(min(count, Self.signatureBytes))))
        picture.count(Self.name(kind), count + 4)
        switch kind {
        case .jfifExtension, .c2pa, .gainMap, .unknown, nil:
            picture.hasC2PA = picture.hasC2PA || kind == .c2pa
            try source.pass(UInt64(count))
        default:
            let payload = try source.take(count)
            try head.add(JPEGHead.Piece(code: code, kind: kind, payload: payload, fileBytes: count + 4), limits)
        }
    }

    private static func name(_ kind: JPEGSegmentKind?) -> String {
        switch kind {
        case .jfif, .jfifExtension: "jfif"
        case .exif: "exif"
        case .xmp, .extendedXMP: "xmp"
        case .icc: "icc"
        case .mpf, .gainMap: "mpf"
        case .photoshop: "iptc"
        case .c2pa: "c2pa"
        case .adobe: "adobe"
        case .comment: "comment"
        case .unknown, nil: "other"
        }
    }

    private static func describe(_ head: JPEGHead, _ picture: inout PictureDescription) {
        picture.exif = head.exif
        picture.icc = head.profile
        picture.xmp = head.wholeXMP?.packet
        picture.iptc = head.resources.flatMap(PhotoshopResources.iptc)
        for piece in head.pieces {
            switch piece.kind {
            case .comment: picture.texts.append(("Comment", text(piece.payload)))
            case .mpf:
                let sizes = MPFIndex.furtherPictureBytes(Array(piece.payload.dropFirst(JPEGSegment.mpfSignature.count)))
                picture.furtherPictures += sizes.count
                picture.count("mpf", sizes.reduce(0, +))
            // Annex K of T.872: 0 is no transform.
            case .adobe where picture.model == .cmyk: if piece.payload[11] == 2 { picture.model = .ycck }
            case .adobe where picture.model != .gray: picture.model = piece.payload[11] == 0 ? .rgb : .ycbcr
            default: break
            }
        }
        // JFIF knows only grey and YCbCr.
        if picture.model == .rgb && head.pieces.contains(where: { $0.kind == .jfif }) && !head.pieces.contains(where: { $0.kind == .adobe }) { picture.model = .ycbcr }
        if picture.model == .rgb || picture.model == .cmyk { picture.subsampling = nil }
    }

    /// A comment is of no encoding: UTF-8 where it can be.
    private static func text(_ bytes: [UInt8]) -> String {
        let content = bytes.prefix { $0 != 0 }
        return String(validating: content, as: UTF8.self) ?? String(latin1: content)
    }
}

/// CIPA DC-007, Multi-Picture Format, 5.2: a TIFF directory that lists the pictures of a file.
enum MPFIndex {
    /// Of the pictures behind the first. `block`: from its TIFF header on.
    static func furtherPictureBytes(_ block: [UInt8]) -> [UInt64] {
        guard let tiff = TIFFBlock(block), let first = tiff.firstDirectory,
            let list = tiff.entries(at: first).first(where: { $0.tag == 0xb002 }).flatMap(tiff.outerBytes)
        else { return [] }
        // Each picture: attributes, size, offset, two dependencies.
        return stride(from: list.lowerBound, to: list.upperBound - 15, by: 16).dropFirst().compactMap { at in
            tiff.number(at: at + 4, byteCount: 4).map { UInt64($0) }
        }
    }
}
