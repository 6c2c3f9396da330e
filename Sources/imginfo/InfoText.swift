import FilterSupport
import ImageCore
import ImageMetadata

/// A picture for people: a line that says what it is, and below it what its metadata say.
enum InfoText {
    static func lines(_ picture: PictureDescription, name: [UInt8], isBrief: Bool) throws(ImageError) -> [UInt8] {
        var lines = [Console.printable(name.isEmpty ? Console.standardInput : name) + ": " + summary(picture)]
        if !isBrief { try addMetadata(picture, to: &lines) }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    private static func summary(_ picture: PictureDescription) -> String {
        var parts = [picture.format == .pixelStream ? "pixels" : picture.format.rawValue, "\(picture.width) x \(picture.height)"]
        if picture.frames > 1 {
            let times = picture.loop == 0 ? "for ever" : picture.loop == 1 ? "once" : "\(picture.loop) times"
            parts.append("\(picture.frames) frames of \(NumberText.general(Double(picture.durationMilliseconds) / 1000)) s, \(times)")
        }
        parts.append(([model(picture.model)] + (picture.hasAlpha ? ["with alpha"] : []) + (picture.subsampling.map { [$0] } ?? [])).joined(separator: " "))
        parts.append("\(picture.depth) \(picture.depth == 1 ? "bit" : "bits")")
        if picture.isProgressive { parts.append(picture.format == .png ? "interlaced" : "progressive") }
        if let isLossless = picture.isLossless, picture.format == .webp || (picture.format == .jpeg && isLossless) { parts.append(isLossless ? "lossless" : "lossy") }
        if let quality = picture.quality { parts.append("quality \(quality.isExact ? "" : "about ")\(quality.value)") }
        if let bytes = picture.fileBytes { parts.append("\(bytes) bytes") }
        return parts.joined(separator: ", ")
    }

    private static func model(_ model: PictureDescription.Model) -> String {
        switch model {
        case .gray: "grey"
        case .rgb: "RGB"
        case .ycbcr: "YCbCr"
        case .cmyk: "CMYK"
        case .ycck: "YCCK"
        case .palette: "palette"
        }
    }

    // MARK: Metadata

    private static func addMetadata(_ picture: PictureDescription, to lines: inout [String]) throws(ImageError) {
        /// A head, and fields below it, their values under one another.
        func add(_ head: String, _ fields: [(name: String, value: String)] = []) {
            lines.append("  " + head)
            // Keywords are the file's own text too.
            let fields = fields.map { (name: Console.printable(Array($0.name.utf8)), value: $0.value) }
            let width = fields.map(\.name.count).max() ?? 0
            for field in fields {
                lines.append("    " + field.name + String(repeating: " ", count: width - field.name.count + 2) + Console.printable(Array(field.value.utf8)))
            }
        }
        func size(_ name: String) -> String { picture.byteCounts.first { $0.name == name }.map { " (\($0.byteCount) bytes)" } ?? "" }
        let turns = ["", "mirrored", "turned by 180 degrees", "upside down", "transposed", "turned to the right", "transverse", "turned to the left"]
        for record in picture.damage {
            // What a stream states may be anything.
            let last = UInt64(record.firstRow) + UInt64(max(1, record.rowCount)) - 1
            let rows = last == record.firstRow ? "row \(last)" : "rows \(record.firstRow)-\(last)"
            add("salvaged: \(rows) \(record.kind.name): \(Console.printable(Array(record.text.utf8)))")
        }
        if picture.orientation > 1 { add("orientation \(picture.orientation): to be shown \(turns[Int(picture.orientation) - 1])") }
        if let icc = picture.icc {
            let profile = ICCProfile(icc)
            add("ICC profile: \(Console.printable(Array((profile.map { $0.description ?? $0.space } ?? "malformed").utf8)))" + size("icc"))
        }
        let listing = picture.exif.flatMap { ExifListing($0) }
        if let listing {
            let names = listing.fields.filter { $0.directory != .thumbnail }
            let text = try ExifText(isBigEndian: listing.isBigEndian)
            add("EXIF" + size("exif"), try names.map { (field) throws(ImageError) in (field.name ?? "0x" + String(field.tag, radix: 16), try text.value(of: field)) })
            if listing.fields.contains(where: { $0.directory == .thumbnail && $0.tag == 0x201 }) { add("thumbnail in EXIF") }
        } else if picture.exif != nil {
            add("EXIF, malformed" + size("exif"))
        }
        if let position = try picture.position(listing) {
            let altitude = position.altitude.map { ", \(NumberText.general($0)) m" } ?? ""
            add("position \(NumberText.general(position.latitude)), \(NumberText.general(position.longitude))\(altitude)")
        }
        if let xmp = picture.xmp { add("XMP" + size("xmp"), try XMPListing.properties(in: xmp).map { ($0.name, $0.values.joined(separator: "; ")) }) }
        if let iptc = picture.iptc { add("IPTC" + size("iptc"), IPTCListing.fields(in: iptc).map { ($0.name, $0.values.joined(separator: "; ")) }) }
        if !picture.texts.isEmpty { add("text" + size("comment"), picture.texts.map { ($0.keyword, String($0.text.prefix(1000))) }) }
        if picture.hasC2PA { add("C2PA" + size("c2pa")) }
        if picture.furtherPictures > 0 { add("MPF: \(picture.furtherPictures) further \(picture.furtherPictures == 1 ? "picture" : "pictures")" + size("mpf")) }
        if picture.byteCounts.contains(where: { $0.name == "other" }) { add("other metadata" + size("other")) }
    }
}
