/// RFC 3986, section 2, as S3 signs it: of upper case, and of every byte but the unreserved ones.
public enum PercentEncoding {
    static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// `keepsSlash`: for a path.
    public static func encode(_ bytes: some Sequence<UInt8>, keepsSlash: Bool = false) -> String {
        encode(bytes) { isUnreserved($0) || (keepsSlash && $0 == UInt8(ascii: "/")) }
    }

    /// Only what no URL may have: an escape stays one.
    static func encode(strange bytes: some Sequence<UInt8>) -> String { encode(bytes) { $0 > 0x20 && $0 < 0x7f } }

    private static func encode(_ bytes: some Sequence<UInt8>, _ stays: (UInt8) -> Bool) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            if stays(byte) { text.append(byte) } else { text += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)] }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10 }

    /// An escape that is none stays as it is. `plusIsSpace`: as forms have it.
    public static func decode(_ bytes: some Collection<UInt8>, plusIsSpace: Bool = false) -> [UInt8] {
        var decoded: [UInt8] = []
        var rest = Array(bytes)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2, let high = value(rest[rest.startIndex]), let low = value(rest[rest.startIndex + 1]) {
                decoded.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            }
        }
        return decoded
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit.lowered {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit.lowered - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
