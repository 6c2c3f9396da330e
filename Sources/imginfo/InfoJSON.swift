import CPlatformShims
import ImageCore
import ImageMetadata

/// A value of JSON: RFC 8259.
indirect enum JSONValue {
    case text(String)
    case number(Double)
    case integer(UInt64)
    case bool(Bool)
    case list([JSONValue])
    case object([(String, JSONValue)])

    /// Adds its text, on one line.
    func write(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text): Self.write(text, to: &bytes)
        case .number(let number): number.isFinite ? bytes.append(contentsOf: NumberText.general(number).utf8) : Self.write(NumberText.general(number), to: &bytes)
        case .integer(let number): bytes.append(contentsOf: String(number).utf8)
        case .bool(let isTrue): bytes.append(contentsOf: (isTrue ? "true" : "false").utf8)
        case .list(let values): Self.write(values, "[", "]", to: &bytes) { $0.write(to: &$1) }
        case .object(let members):
            Self.write(members, "{", "}", to: &bytes) { member, bytes in
                Self.write(member.0, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.1.write(to: &bytes)
            }
        }
    }

    private static func write<T>(_ parts: [T], _ open: Character, _ close: Character, to bytes: inout [UInt8], _ write: (T, inout [UInt8]) -> Void) {
        bytes.append(open.asciiValue!)
        for (i, part) in parts.enumerated() {
            if i > 0 { bytes.append(UInt8(ascii: ",")) }
            write(part, &bytes)
        }
        bytes.append(close.asciiValue!)
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += Array("\\n".utf8)
            case UInt8(ascii: "\t"): bytes += Array("\\t".utf8)
            case 0..<0x20, 0x7f: bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

enum NumberText {
    /// With ten digits that mean something, as ExifTool rounds fractions; `inf` and `undef` for what is none.
    static func general(_ number: Double) -> String {
        if number.isNaN { return "undef" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { text in
            _ = imgpipe_format_number(text.baseAddress!, text.count, 10, number)
            return String(cString: text.baseAddress!)
        }
    }
}

/// A picture as an object. Members that say nothing are left out; names of fields are those of the field's own standard.
enum InfoJSON {
    static func line(_ picture: PictureDescription, name: [UInt8]) throws(ImageError) -> [UInt8] {
        var bytes: [UInt8] = []
        try object(picture, name).write(to: &bytes)
        return bytes + [0x0a]
    }

    private static func object(_ picture: PictureDescription, _ name: [UInt8]) throws(ImageError) -> JSONValue {
        var members: [(String, JSONValue)] = []
        func add(_ name: String, _ value: JSONValue?) { if let value { members.append((name, value)) } }
        add("file", .text(name.isEmpty ? "-" : String(decoding: name, as: UTF8.self)))
        add("format", .text(picture.format == .pixelStream ? "stream" : picture.format.rawValue.lowercased()))
        add("width", .integer(UInt64(picture.width)))
        add("height", .integer(UInt64(picture.height)))
        add("bytes", picture.fileBytes.map { .integer($0) })
        add("frames", .integer(UInt64(picture.frames)))
        if picture.frames > 1 {
            add("duration_ms", .integer(picture.durationMilliseconds))
            add("loop", .integer(UInt64(picture.loop)))
        }
        add("model", .text(picture.model.rawValue))
        add("alpha", .bool(picture.hasAlpha))
        add("depth", .integer(UInt64(picture.depth)))
        add("subsampling", picture.subsampling.map { .text($0) })
        if picture.format == .jpeg || picture.format == .png { add("progressive", .bool(picture.isProgressive)) }
        add("lossless", picture.isLossless.map { .bool($0) })
        add("quality", picture.quality.map { .integer(UInt64($0.value)) })
        add("quality_exact", picture.quality.map { .bool($0.isExact) })
        add("orientation", .integer(UInt64(picture.orientation)))
        add("icc", picture.icc.map(icc))
        let exif = picture.exif.flatMap { ExifListing($0) }
        add("exif", exif.flatMap { fields($0) { $0 != .thumbnail } })
        add("thumbnail", exif.flatMap { fields($0) { $0 == .thumbnail } })
        add("gps", exif?.position.map(position))
        if let xmp = picture.xmp { add("xmp", object(try XMPListing.properties(in: xmp).map { ($0.name, values($0.values)) })) }
        add("iptc", picture.iptc.flatMap { block in object(IPTCListing.fields(in: block).map { ($0.name, values($0.values)) }) })
        add("comments", picture.texts.isEmpty ? nil : .list(picture.texts.map { .object([("keyword", .text($0.keyword)), ("text", .text($0.text))]) }))
        add("c2pa", .bool(picture.hasC2PA))
        add("mpf", picture.furtherPictures > 0 ? .object([("pictures", .integer(UInt64(picture.furtherPictures + 1)))]) : nil)
        add("sizes", .object(picture.byteCounts.map { ($0.name, .integer($0.byteCount)) }))
        add("damage", picture.damage.isEmpty ? nil : .list(picture.damage.map(damage)))
        add("error", picture.fault.map { .text($0.description) })
        return .object(members)
    }

    private static func damage(_ record: DamageRecord) -> JSONValue {
        .object([
            ("frame", .integer(UInt64(record.frame))), ("row", .integer(UInt64(record.firstRow))), ("rows", .integer(UInt64(record.rowCount))),
            ("kind", .text(record.kind.name)), ("text", .text(record.text)),
        ])
    }

    /// Nil where there is nothing in it; of members of one name the first.
    private static func object(_ members: [(String, JSONValue)]) -> JSONValue? {
        var seen: Set<String> = []
        let members = members.filter { seen.insert($0.0).inserted }
        return members.isEmpty ? nil : .object(members)
    }

    private static func values(_ values: [String]) -> JSONValue { values.count == 1 ? .text(values[0]) : .list(values.map { .text($0) }) }

    private static func icc(_ bytes: [UInt8]) -> JSONValue {
        let profile = ICCProfile(bytes)
        return .object([("bytes", .integer(UInt64(bytes.count)))] + (profile.map { [("space", .text($0.space))] } ?? [])
            + (profile?.description.map { [("description", .text($0))] } ?? []))
    }

    private static func fields(_ listing: ExifListing, _ isListed: (ExifDirectory) -> Bool) -> JSONValue? {
        object(listing.fields.filter { isListed($0.directory) }.compactMap { field in field.name.map { ($0, value(field.value)) } })
    }

    private static func value(_ value: ExifListing.Value) -> JSONValue {
        switch value {
        case .text(let text): .text(text)
        case .numbers(let numbers) where numbers.count == 1: .number(numbers[0])
        case .numbers(let numbers): .text(numbers.map(NumberText.general).joined(separator: " "))
        }
    }

    private static func position(_ position: GPSPosition) -> JSONValue {
        .object([("latitude", .number(position.latitude)), ("longitude", .number(position.longitude))] + (position.altitude.map { [("altitude", .number($0))] } ?? []))
    }
}
