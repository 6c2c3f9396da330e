import ImageCore

/// The text of a tEXt, zTXt or iTXt: PNG specification, 3rd edition, 11.3.3.
package struct PNGText {
    /// In UTF-8.
    package let keyword: String
    /// UTF-8.
    package let text: [UInt8]

    package static let xmpKeyword = "XML:com.adobe.xmp"

    /// Nil for a chunk that is malformed, or does not unpack. `charge` is told of bytes beyond those of the chunk before they are kept.
    package init?(
        type: FourCC, _ bytes: [UInt8], limitBytes: UInt64, charge: (Int) throws(ImageError) -> Void = { _ in }
    ) throws(ImageError) {
        guard let keyword = Self.keyword(bytes) else { return nil }
        let content = bytes[(keyword.utf8Count + 1)...]
        var text: [UInt8]?
        switch type {
        case FourCC("tEXt"): text = try Self.utf8(latin1: content, charge)
        case FourCC("zTXt"):
            // A byte for the method, which is 0.
            guard content.first == 0, let plain = try Self.inflated(content.dropFirst(), limitBytes, charge) else { return nil }
            text = try Self.utf8(latin1: plain[...], charge)
        default:
            // Compressed or not, the method, a language, the keyword in it, the text.
            guard content.count >= 4, let language = content.dropFirst(2).firstIndex(of: 0),
                let translated = content[(language + 1)...].firstIndex(of: 0)
            else { return nil }
            let rest = content[(translated + 1)...]
            text = content.first != 0 ? try Self.inflated(rest, limitBytes, charge) : Array(rest)
            if let plain = text, String(validating: plain, as: UTF8.self) == nil { return nil }
        }
        guard let text else { return nil }
        (self.keyword, self.text) = (keyword.text, text)
    }

    /// What stands before the first NUL, of 1 to 79 bytes.
    package static func keyword(_ bytes: [UInt8]) -> (text: String, utf8Count: Int)? {
        guard let nul = bytes.prefix(80).firstIndex(of: 0), nul > 0 else { return nil }
        return (String(latin1: bytes[..<nul]), nul)
    }

    private static func inflated(_ bytes: ArraySlice<UInt8>, _ limitBytes: UInt64, _ charge: (Int) throws(ImageError) -> Void) throws(ImageError) -> [UInt8]? {
        let plain = try Zlib.inflated(bytes, limitBytes: limitBytes)
        try charge(plain.bytes.count)
        return plain.isWhole ? plain.bytes : nil
    }

    /// ISO 8859-1 as UTF-8: bytes from 0x80 on become two, and these count.
    private static func utf8(latin1 bytes: ArraySlice<UInt8>, _ charge: (Int) throws(ImageError) -> Void) throws(ImageError) -> [UInt8] {
        try charge(bytes.count { $0 >= 0x80 })
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        for byte in bytes {
            if byte < 0x80 {
                result.append(byte)
            } else {
                result.append(0xc0 | byte >> 6)
                result.append(0x80 | byte & 0x3f)
            }
        }
        return result
    }

    // MARK: Raw profiles

    /// What a text is that ImageMagick and ExifTool wrote before there were chunks for it.
    package enum RawProfile: Equatable {
        case exif([UInt8])
        case xmp([UInt8])
        /// IIM, out of Photoshop's resources where it came in them.
        case iptc([UInt8])
    }

    private static let rawProfilePrefix = "Raw profile type "

    /// The container that the keyword of a raw profile names; nil for other texts.
    static func rawProfileContainer(_ keyword: String) -> MetadataGroup? {
        // Readers take no heed of capitals.
        guard keyword.lowercased().hasPrefix(rawProfilePrefix.lowercased()) else { return nil }
        return switch keyword.dropFirst(rawProfilePrefix.count).lowercased() {
        case "exif", "app1": .exif
        case "xmp": .xmp
        case "iptc", "8bim": .iptc
        case "icc", "icm": .icc
        default: .all
        }
    }

    /// A name, a length, and bytes in hexadecimal; nil for what is not such a text.
    package var rawProfile: RawProfile? {
        guard Self.rawProfileContainer(keyword) != nil else { return nil }
        let lines = text.drop { $0 == 0x0a }.split(separator: 0x0a, maxSplits: 2, omittingEmptySubsequences: true)
        guard lines.count == 3, lines[1].count <= 20, let count = Int(String(latin1: lines[1]).filter { $0 != " " }), count <= lines[2].count else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        var high: UInt8?
        for character in lines[2] {
            let digit: UInt8
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = character - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = character - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = character - UInt8(ascii: "A") + 10
            default: continue
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        guard bytes.count == count else { return nil }
        switch keyword.dropFirst(Self.rawProfilePrefix.count).lowercased() {
        case "exif" where bytes.starts(with: JPEGSegment.exifSignature), "app1" where bytes.starts(with: JPEGSegment.exifSignature):
            return .exif(Array(bytes[JPEGSegment.exifSignature.count...]))
        case "app1" where bytes.starts(with: JPEGSegment.xmpSignature): return .xmp(Array(bytes[JPEGSegment.xmpSignature.count...]))
        case "xmp": return .xmp(bytes)
        case "iptc", "8bim": return (bytes.first == 0x1c ? bytes : PhotoshopResources.iptc(in: bytes)).map { .iptc($0) }
        default: return nil
        }
    }

    /// IPTC has no chunk; what others write and read is a tEXt: a name, a length, and bytes in hexadecimal.
    package static func chunk(iptc block: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array("\(rawProfilePrefix)iptc\0\niptc\n\(block.count)".utf8)
        for (i, byte) in block.enumerated() {
            if i % 36 == 0 { text.append(0x0a) }
            text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return text + [0x0a]
    }

    /// tEXt, or iTXt where Latin-1 does not hold it, of a keyword and a text in UTF-8; nil where PNG has no such keyword.
    package static func chunk(keyword: [UInt8], text bytes: ArraySlice<UInt8>) -> (type: StaticString, payload: [UInt8])? {
        guard let keyword = String(validating: keyword, as: UTF8.self)?.latin1, let text = String(validating: bytes, as: UTF8.self),
            isKeyword(keyword), !text.utf8.contains(0)
        else { return nil }
        if let latin1 = text.latin1 { return ("tEXt", keyword + [0] + latin1) }
        return ("iTXt", internationalChunk(keyword, Array(text.utf8)))
    }

    /// 1...79 printable characters, without spaces at the ends or two together: 11.3.3.2.
    private static func isKeyword(_ keyword: [UInt8]) -> Bool {
        (1...79).contains(keyword.count) && keyword.allSatisfy { (0x20...0x7e).contains($0) || $0 >= 0xa1 }
            && keyword.first != 0x20 && keyword.last != 0x20 && keyword.firstPlace(of: [0x20, 0x20]) == nil
    }

    /// An iTXt that is not compressed, without language and translated keyword.
    package static func internationalChunk(_ keyword: [UInt8], _ text: [UInt8]) -> [UInt8] { keyword + [0, 0, 0, 0, 0] + text }
}

extension String {
    /// ISO 8859-1, where each byte is a scalar.
    package init(latin1 bytes: ArraySlice<UInt8>) {
        self.init(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }

    /// ISO 8859-1; nil where it does not hold all of this.
    package var latin1: [UInt8]? {
        let bytes = unicodeScalars.compactMap { UInt8(exactly: $0.value) }
        return bytes.count == unicodeScalars.count ? bytes : nil
    }
}

extension PNGText {
    /// The container that a text carries or copies; nil for a text that is one.
    static func container(_ keyword: String) -> MetadataGroup? {
        if keyword == xmpKeyword { return .xmp }
        // As ImageMagick writes fields one by one.
        if keyword.lowercased().hasPrefix("exif:") { return .exif }
        return rawProfileContainer(keyword)
    }
}
