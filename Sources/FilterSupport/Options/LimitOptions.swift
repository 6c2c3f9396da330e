import Glibc
import ImageCore

/// The limits, as options that every filter has; an environment variable each where the option is not given.
public enum LimitOptions {
    static let declarations: [OptionDeclaration] = Limit.allCases.map { limit in
        let (value, help) = switch limit {
        case .pixels: ("n", "Refuse pictures of more pixels.")
        case .totalPixels: ("n", "Refuse more pixels over all frames of a picture.")
        case .frames: ("n", "Refuse pictures of more frames.")
        case .metadata: ("bytes", "Refuse pictures with more bytes of metadata.")
        case .scans: ("n", "Refuse JPEGs of more scans.")
        case .memory: ("bytes", "Refuse what takes more memory.")
        }
        return .value(String(limit.option.dropFirst(2)), value, help)
    } + [.value("timeout", "seconds", "Give up a picture that takes longer.")]
}

extension GivenOptions {
    /// The limits in force. Throws `usage` for what is no number.
    public func limits() throws(ImageError) -> Limits {
        var limits = Limits()
        for limit in Limit.allCases {
            let name = String(limit.option.dropFirst(2))
            if let text = text(name) {
                limits[limit] = try Self.count(text, of: limit.option + " ")
            } else if let text = getenv(limit.variable).map({ String(cString: $0) }) {
                limits[limit] = try Self.count(text, of: limit.variable + ": ")
            }
        }
        if let text = text("timeout") {
            limits.timeoutSeconds = try Self.seconds(text, of: "--timeout ")
        } else if let text = getenv("IMG_TIMEOUT").map({ String(cString: $0) }) {
            limits.timeoutSeconds = try Self.seconds(text, of: "IMG_TIMEOUT: ")
        }
        return limits
    }

    /// The bytes given, or by default, as the limits have them: with K, M or G. Throws `usage`.
    public func byteCount(_ name: String) throws(ImageError) -> UInt64? {
        try text(name).map { (text) throws(ImageError) in try Self.count(text, of: "--\(name) ") }
    }

    /// Nanoseconds of the time given, or by default: "3s", "500ms", "3". Throws `usage`; 0 and what is more than a day are none.
    public func nanoseconds(_ name: String) throws(ImageError) -> UInt64? {
        try value(name) { text in
            let isShort = text.hasSuffix("ms")
            guard let number = Double(isShort ? text.dropLast(2) : text.hasSuffix("s") ? text.dropLast() : text[...]) else { return nil }
            let seconds = isShort ? number / 1000 : number
            return seconds >= 0.001 && seconds <= 86400 ? UInt64(seconds * 1e9) : nil
        }
    }

    private static func seconds(_ text: String, of place: String) throws(ImageError) -> Double {
        guard let seconds = Double(text), seconds.isFinite, seconds > 0 else { throw .usage("\(place)\(printable(text)) is no number of seconds") }
        return seconds
    }

    /// A number, with K, M or G for 1024, its square and its cube.
    private static func count(_ text: String, of place: String) throws(ImageError) -> UInt64 {
        let shift = switch text.last {
        case "K", "k": 10
        case "M", "m": 20
        case "G", "g": 30
        default: 0
        }
        let digits = shift == 0 ? text[...] : text.dropLast()
        guard let number = UInt64(digits), number.leadingZeroBitCount >= shift else { throw .usage("\(place)\(printable(text)) is no number") }
        return number << UInt64(shift)
    }
}
