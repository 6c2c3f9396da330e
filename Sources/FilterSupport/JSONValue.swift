import CPlatformShims

/// A value of JSON: RFC 8259.
public indirect enum JSONValue: Sendable {
    case text(String)
    case number(Double)
    case integer(UInt64)
    case signed(Int64)
    case bool(Bool)
    case null
    case list([JSONValue])
    case object([(String, JSONValue)])

    /// Adds its text, on one line.
    public func write(to bytes: inout [UInt8]) {
        switch self {
        case .text(let text): Self.write(text, to: &bytes)
        case .number(let number): number.isFinite ? bytes.append(contentsOf: NumberText.general(number).utf8) : Self.write(NumberText.general(number), to: &bytes)
        case .integer(let number): bytes.append(contentsOf: String(number).utf8)
        case .signed(let number): bytes.append(contentsOf: String(number).utf8)
        case .bool(let isTrue): bytes.append(contentsOf: (isTrue ? "true" : "false").utf8)
        case .null: bytes.append(contentsOf: "null".utf8)
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

public enum NumberText {
    /// With so many digits that mean something: ten, as ExifTool rounds fractions; `inf` and `undef` for what is none.
    public static func general(_ number: Double, digits: Int32 = 10) -> String {
        if number.isNaN { return "undef" }
        if number.isInfinite { return number < 0 ? "-inf" : "inf" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { text in
            _ = imgpipe_format_number(text.baseAddress!, text.count, digits, number)
            return String(cString: text.baseAddress!)
        }
    }
}
