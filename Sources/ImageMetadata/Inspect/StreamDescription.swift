import ImageCore

extension PictureDescription {
    /// A picture of the pixel stream, before its frames.
    public init(_ info: ImageInfo) {
        self.init(.pixelStream)
        (width, height) = (info.width, info.height)
        depth = 8 * info.format.sample.byteCount
        model = switch info.format.model {
        case .gray: .gray
        case .rgb: .rgb
        case .ycbcr: .ycbcr
        }
        hasAlpha = info.format.hasAlpha
        if info.format.layout == .planar {
            subsampling = info.format.subsampling.name
        }
        (frames, loop) = (0, info.loop)
        statedOrientation = info.orientation
    }

    public mutating func add(_ frame: Frame) {
        frames += 1
        durationMilliseconds += UInt64(frame.durationMilliseconds)
    }

    public mutating func add(_ records: [MetadataRecord]) {
        for record in records {
            switch record.type {
            case .exif: exif = record.payload
            case .xmp: xmp = record.payload
            case .iptc: iptc = record.payload
            case .icc: icc = record.payload
            case .damage: damage += DamageRecord(record).map { [$0] } ?? []
            case .text:
                let keyword = record.payload.prefix { $0 != 0 }
                texts.append((String(decoding: keyword, as: UTF8.self), String(decoding: record.payload.dropFirst(keyword.count + 1), as: UTF8.self)))
            default: break
            }
            let name = record.type == .text ? "comment" : record.type == .xmp ? "xmp" : record.type == .icc ? "icc" : record.type.text
            if record.type != .name { count(name, record.payload.count) }
        }
    }
}
