import Glibc
import ImageCore

/// The fields of EXIF with their names and values, for people and for programs. A MakerNote is not looked into.
package struct ExifListing: Sendable {
    package enum Value: Equatable, Sendable {
        case text(String)
        /// A number, or several. Of a fraction by 0 it is infinite, of 0 by 0 no number.
        case numbers([Double])
    }

    package struct Field: Sendable {
        package let directory: ExifDirectory
        package let tag: Int
        /// TIFF's type, 1...12.
        package let type: Int
        /// As ExifTool names it; nil where it names none.
        package let name: String?
        package let value: Value
        /// The value as it stands in the block.
        package let bytes: [UInt8]
        package let count: Int
    }

    package private(set) var fields: [Field] = []
    package let isBigEndian: Bool
    private let tiff: TIFFBlock

    /// Longer values are of no use to anybody who reads them.
    private static let mostValues = 64
    private static let mostTextBytes = 4096
    /// Of one block: cameras write a hundred or so.
    private static let mostFields = 1000

    /// `block`: from the TIFF header on. Nil for what is none. What is malformed in it is left out.
    package init?(_ block: [UInt8]) {
        guard let tiff = TIFFBlock(block), let first = tiff.firstDirectory else { return nil }
        (self.tiff, isBigEndian) = (tiff, tiff.isBigEndian)
        var seen: Set<Int> = []
        var waiting: [(ExifDirectory, Int)] = [(.primary, first)]
        if let link = tiff.nextDirectoryAt(first), let second = tiff.number(at: link, byteCount: 4), second != 0 { waiting.append((.thumbnail, second)) }
        while !waiting.isEmpty {
            let (directory, at) = waiting.removeFirst()
            guard seen.insert(at).inserted else { continue }
            var next: [(ExifDirectory, Int)] = []
            for entry in tiff.entries(at: at) where fields.count < Self.mostFields {
                if let inner = directory.next(tag: entry.tag) {
                    if let at = tiff.value(entry) { next.append((inner, at)) }
                } else if let field = field(entry, directory) {
                    fields.append(field)
                }
            }
            waiting.insert(contentsOf: next, at: 0)
        }
    }

    private func field(_ entry: TIFFBlock.Entry, _ directory: ExifDirectory) -> Field? {
        guard directory == .gps || !(entry.tag == ExifTag.makerNote || ExifTag.isContainer(entry.tag)), let range = tiff.bytesOfValue(entry), let value = value(entry, directory, range) else { return nil }
        let name = directory == .gps ? FieldNames.gps[entry.tag] : FieldNames.exif[entry.tag]
        return Field(
            directory: directory, tag: entry.tag, type: entry.type, name: name.map(String.init), value: value,
            bytes: Array(tiff.bytes[range].prefix(Self.mostTextBytes)), count: entry.count)
    }

    // MARK: Values

    private func value(_ entry: TIFFBlock.Entry, _ directory: ExifDirectory, _ range: Range<Int>) -> Value? {
        let bytes = tiff.bytes[range]
        switch (directory, entry.tag) {
        case (.exif, 0x9286), (.gps, 0x1b), (.gps, 0x1c): return .text(encodedText(bytes))
        // Windows' texts.
        case (.primary, 0x9c9b...0x9c9f): return .text(Self.utf16(bytes, isBigEndian: false))
        case (.exif, 0x9000), (.exif, 0xa000), (.interoperability, 2): return .text(Self.text(bytes))
        case (.gps, 2), (.gps, 4), (.gps, 0x14), (.gps, 0x16): return degrees(entry).map { .numbers([$0]) }
        case (.gps, 7): return time(entry).map { .text($0) }
        default: break
        }
        switch entry.type {
        case 2: return .text(Self.text(bytes.prefix(Self.mostTextBytes)))
        case 7 where entry.count > 8: return nil
        default: break
        }
        guard entry.count <= Self.mostValues else { return nil }
        let numbers = numbers(entry)
        switch (directory, entry.tag) {
        // APEX: CIPA DC-008, annex C.
        case (.exif, 0x9201): return .numbers(numbers.map { abs($0) < 100 ? Self.powerOfTwo(-$0) : 0 })
        case (.exif, 0x9202), (.exif, 0x9205): return .numbers(numbers.map { Self.powerOfTwo($0 / 2) })
        default: return numbers.isEmpty ? nil : .numbers(numbers)
        }
    }

    /// The values of a field as numbers, whatever their type.
    func numbers(_ entry: TIFFBlock.Entry) -> [Double] {
        guard let range = tiff.bytesOfValue(entry) else { return [] }
        let size = TIFFBlock.typeBytes[entry.type]
        return stride(from: range.lowerBound, to: range.upperBound, by: size).map { at in
            func unsigned(_ at: Int, _ count: Int) -> Int { tiff.number(at: at, byteCount: count)! }
            func signed(_ at: Int) -> Double { Double(Int32(truncatingIfNeeded: unsigned(at, 4))) }
            return switch entry.type {
            case 3: Double(unsigned(at, 2))
            case 4: Double(unsigned(at, 4))
            case 5: Double(unsigned(at, 4)) / Double(unsigned(at + 4, 4))
            case 6: Double(Int8(truncatingIfNeeded: unsigned(at, 1)))
            case 8: Double(Int16(truncatingIfNeeded: unsigned(at, 2)))
            case 9: signed(at)
            case 10: signed(at) / signed(at + 4)
            case 11: Double(Float(bitPattern: UInt32(unsigned(at, 4))))
            case 12: Double(bitPattern: UInt64(unsigned(at + (isBigEndian ? 0 : 4), 4)) << 32 | UInt64(unsigned(at + (isBigEndian ? 4 : 0), 4)))
            default: Double(unsigned(at, 1))
            }
        }
    }

    /// Up to the first NUL; UTF-8, and where it is none, ISO 8859-1.
    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        let content = bytes.prefix { $0 != 0 }
        let text = content[..<((content.lastIndex { $0 != 0x20 } ?? content.startIndex - 1) + 1)]
        return String(validating: text, as: UTF8.self) ?? String(latin1: text)
    }

    /// A text behind eight bytes that name its encoding: CIPA DC-008, 4.6.5, UserComment.
    private func encodedText(_ bytes: ArraySlice<UInt8>) -> String {
        let content = bytes.dropFirst(8).prefix(Self.mostTextBytes)
        return bytes.starts(with: "UNICODE".utf8) ? Self.utf16(content, isBigEndian: isBigEndian) : Self.text(content)
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool) -> String {
        let bytes = Array(bytes.prefix(mostTextBytes))
        let units = stride(from: 0, to: bytes.count & ~1, by: 2).map { UInt16(bytes[$0 + (isBigEndian ? 0 : 1)]) << 8 | UInt16(bytes[$0 + (isBigEndian ? 1 : 0)]) }
        return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
    }

    /// Degrees, minutes and seconds, of which the last ones may be missing, as degrees.
    private func degrees(_ entry: TIFFBlock.Entry) -> Double? {
        let parts = numbers(entry).map { $0.isNaN ? 0 : $0 }
        guard (1...3).contains(parts.count) else { return nil }
        return zip(parts, [1, 60, 3600]).reduce(0) { $0 + $1.0 / $1.1 }
    }

    private func time(_ entry: TIFFBlock.Entry) -> String? {
        let parts = numbers(entry)
        guard parts.count == 3, parts.allSatisfy({ $0 >= 0 && $0 < 100 }) else { return nil }
        func two(_ value: Int) -> String { (value < 10 ? "0" : "") + String(value) }
        let seconds = Int(parts[2])
        let fraction = Int(((parts[2] - Double(seconds)) * 1e6).rounded())
        var digits = String(1_000_000 + fraction).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        let tail = fraction == 0 || fraction > 999_999 ? "" : "." + digits
        return "\(two(Int(parts[0]))):\(two(Int(parts[1]))):\(two(seconds))\(tail)"
    }

    private static func powerOfTwo(_ exponent: Double) -> Double { Glibc.exp2(exponent) }

    // MARK: The position

    /// Where the picture was taken; nil where EXIF does not say it.
    package var position: GPSPosition? {
        func field(_ tag: Int) -> Value? { fields.first { $0.directory == .gps && $0.tag == tag }?.value }
        func number(_ tag: Int) -> Double? { if case .numbers(let numbers) = field(tag) { numbers.first } else { nil } }
        func isText(_ tag: Int, _ letter: Character) -> Bool { if case .text(let text) = field(tag) { text.first == letter } else { false } }
        guard let latitude = number(2), let longitude = number(4), latitude <= 90, longitude <= 180 else { return nil }
        // Below the sea is 1.
        let altitude = number(6).flatMap { $0.isFinite ? (number(5) == 1 ? -$0 : $0) : nil }
        return GPSPosition(latitude: isText(1, "S") ? -latitude : latitude, longitude: isText(3, "W") ? -longitude : longitude, altitude: altitude)
    }
}

/// WGS 84, in most cameras.
package struct GPSPosition: Equatable, Sendable {
    /// Degrees, north and east positive.
    package let latitude: Double
    package let longitude: Double
    /// Metres above the sea.
    package let altitude: Double?
}
