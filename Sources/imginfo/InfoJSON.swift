import FilterSupport
import ImageCore
import ImageMetadata

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
        add("gps", try picture.position(exif).map(position))
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
        case .numbers(let numbers): .text(numbers.map { NumberText.general($0) }.joined(separator: " "))
        }
    }

    private static func position(_ position: GPSPosition) -> JSONValue {
        .object([("latitude", .number(position.latitude)), ("longitude", .number(position.longitude))] + (position.altitude.map { [("altitude", .number($0))] } ?? []))
    }
}
