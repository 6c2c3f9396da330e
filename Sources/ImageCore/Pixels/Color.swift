/// A colour of sRGB with 8 bits a channel.
public struct Color: Equatable, Sendable {
    /// 0...255, as are the others.
    public var red: UInt8
    /// 0...255.
    public var green: UInt8
    /// 0...255.
    public var blue: UInt8
    /// 255 is opaque.
    public var alpha: UInt8

    /// Opaque, unless `alpha` says otherwise.
    public init(red: UInt8, green: UInt8, blue: UInt8, alpha: UInt8 = 255) {
        (self.red, self.green, self.blue, self.alpha) = (red, green, blue, alpha)
    }

    /// All 255.
    public static let white = Color(red: 255, green: 255, blue: 255)

    /// `white`, `black`, `transparent`, `#rgb`, `#rrggbb` or `#rrggbbaa`, in any case; nil for anything else.
    public init?(_ text: String) {
        switch text.lowercased() {
        case "white": self = .white
        case "black": self.init(red: 0, green: 0, blue: 0)
        case "transparent": self.init(red: 0, green: 0, blue: 0, alpha: 0)
        default:
            let digits: [Int] = text.dropFirst().compactMap { $0.isASCII ? $0.hexDigitValue : nil }
            guard text.first == "#", digits.count == text.count - 1, [3, 6, 8].contains(digits.count) else { return nil }
            func channel(_ i: Int) -> UInt8 {
                digits.count == 3 ? UInt8(digits[i] * 17) : UInt8(digits[2 * i] * 16 + digits[2 * i + 1])
            }
            self.init(red: channel(0), green: channel(1), blue: channel(2), alpha: digits.count == 8 ? channel(3) : 255)
        }
    }

    /// Its channels are equal, alpha aside.
    public var isGray: Bool { red == green && green == blue }
}
