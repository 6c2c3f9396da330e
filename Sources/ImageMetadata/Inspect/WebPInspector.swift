import ImageCore

/// The chunks of a WebP: the WebP container specification. Metadata stands behind the pixels, which are passed over.
struct WebPInspector {
    private let source: ByteSource
    private let limits: Limits

    init(_ source: ByteSource, _ limits: Limits) { (self.source, self.limits) = (source, limits) }

    func read(into picture: inout PictureDescription) throws(ImageError) {
        let head = try source.take(12)
        let end = 8 + Self.number(head[4..<8])
        var hasCanvas = false
        picture.frames = 0
        defer { picture.frames = max(1, picture.frames) }
        while source.positionBytes + 8 <= end {
            let head = try source.take(8)
            let (type, length) = (FourCC(head[..<4]), Self.number(head[4...]))
            guard source.positionBytes + length <= end else { throw .damaged("a chunk reaches over the end", atByte: source.positionBytes - 8) }
            // The byte that makes a length even is missing at the end of some files.
            let next = min(source.positionBytes + length + length % 2, end)
            switch type {
            case FourCC("VP8X") where length >= 10:
                let bytes = try source.take(10)
                hasCanvas = true
                picture.hasAlpha = bytes[0] & 0x10 != 0
                picture.width = 1 + UInt32(Self.number(bytes[4..<7]))
                picture.height = 1 + UInt32(Self.number(bytes[7..<10]))
            case FourCC("ANIM") where length >= 6: picture.loop = UInt32(Self.number(try source.take(6)[4...]))
            case FourCC("ANMF") where length >= 24:
                let bytes = try source.take(24)
                picture.frames += 1
                picture.durationMilliseconds += Self.number(bytes[12..<15])
                describeCoding(FourCC(bytes[16..<20]), &picture)
            case FourCC("VP8 "), FourCC("VP8L"):
                describeCoding(type, &picture)
                if !hasCanvas { try stillHead(type, length, &picture) }
            case FourCC("ALPH"): picture.hasAlpha = true
            default: try metadata(type, length, &picture)
            }
            try source.pass(next - source.positionBytes)
        }
        if picture.width == 0 { throw .damaged("no picture in it") }
    }

    private func describeCoding(_ type: FourCC, _ picture: inout PictureDescription) {
        // A frame with alpha apart has its pixels behind that: of the lossy kind.
        let isLossless = type == FourCC("VP8L")
        if picture.isLossless == nil || !isLossless { picture.isLossless = isLossless }
        picture.model = isLossless && picture.isLossless == true ? .rgb : .ycbcr
        picture.subsampling = picture.model == .rgb ? nil : "4:2:0"
    }

    /// RFC 6386, 9.1, and the WebP lossless bitstream specification, 3.
    private func stillHead(_ type: FourCC, _ length: UInt64, _ picture: inout PictureDescription) throws(ImageError) {
        if type == FourCC("VP8L"), length >= 5 {
            let bytes = try source.take(5)
            let bits = Self.number(bytes[1...])
            guard bytes[0] == 0x2f else { return }
            picture.width = 1 + UInt32(bits & 0x3fff)
            picture.height = 1 + UInt32(bits >> 14 & 0x3fff)
            picture.hasAlpha = bits >> 28 & 1 == 1
        } else if length >= 10 {
            let bytes = try source.take(10)
            guard bytes[3..<6].elementsEqual([0x9d, 0x01, 0x2a]) else { return }
            picture.width = UInt32(Self.number(bytes[6..<8]) & 0x3fff)
            picture.height = UInt32(Self.number(bytes[8..<10]) & 0x3fff)
        }
    }

    private func metadata(_ type: FourCC, _ length: UInt64, _ picture: inout PictureDescription) throws(ImageError) {
        func content() throws(ImageError) -> [UInt8] {
            try limits.check(.metadata, length)
            return try source.take(Int(length))
        }
        let signature = JPEGSegment.exifSignature
        switch type {
        case FourCC("EXIF"):
            picture.count("exif", length + 8)
            let bytes = try content()
            // Some writers put JPEG's signature before the block.
            picture.exif = picture.exif ?? (bytes.starts(with: signature) ? Array(bytes[signature.count...]) : bytes)
        case FourCC("XMP "):
            picture.count("xmp", length + 8)
            let bytes = try content()
            picture.xmp = picture.xmp ?? bytes
        case FourCC("ICCP"):
            picture.count("icc", length + 8)
            let bytes = try content()
            picture.icc = picture.icc ?? bytes
        case FourCC("C2PA"):
            picture.hasC2PA = true
            picture.count("c2pa", length + 8)
        default: picture.count("other", length + 8)
        }
    }

    private static func number(_ bytes: some BidirectionalCollection<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
