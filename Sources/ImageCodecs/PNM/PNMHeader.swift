import ImageCore

/// The header of a PBM, PGM, PPM or PAM file: netpbm's pbm(5), pgm(5), ppm(5), pam(5).
struct PNMHeader: Equatable {
    /// How samples are written.
    enum Encoding {
        /// Decimal numbers; of a bitmap digits 0 and 1, which need no space between.
        case plain
        /// One byte each up to a maximum of 255, else two, high byte first.
        case raw
        /// Eight pixels a byte, first pixel in the highest bit; a row begins a byte.
        case bits
    }

    var width: UInt32
    var height: UInt32
    /// Channels, alpha among them.
    var channels: Int
    var hasAlpha: Bool
    /// The value of a full sample, 1...65535.
    var maximum: Int
    var encoding: Encoding
    /// 1 is black, and white is `maximum`: PBM.
    var isInverted = false

    /// Rows as they leave: 8 bits hold a maximum up to 255.
    var format: PixelFormat {
        PixelFormat(
            channels < 3 ? .gray : .rgb, alpha: hasAlpha ? .straight : .none, sample: maximum > 255 ? .uint16 : .uint8)
    }

    /// Significant bits of a sample.
    var depth: UInt8 { UInt8(Int.bitWidth - maximum.leadingZeroBitCount) }

    /// Bytes of a row in the file, raw or bits.
    var rowBytes: Int {
        encoding == .bits ? (Int(width) + 7) / 8 : Int(width) * channels * (maximum > 255 ? 2 : 1)
    }

    /// Reads up to the first sample.
    init(_ input: PNMInput) throws(ImageError) {
        _ = try input.byte()
        let kind = try input.byte()
        if kind == UInt8(ascii: "7") {
            self = try Self.pam(input)
            return
        }
        let digit = Int(kind - UInt8(ascii: "0"))
        let shape = (digit - 1) % 3
        width = try Self.side(input)
        height = try Self.side(input)
        channels = shape == 2 ? 3 : 1
        hasAlpha = false
        isInverted = shape == 0
        maximum = shape == 0 ? 1 : try Self.maximum(input)
        encoding = digit <= 3 ? .plain : shape == 0 ? .bits : .raw
        // One white space stands between the header and raw samples.
        if encoding != .plain { try input.whiteSpace() }
    }

    private init(width: UInt32, height: UInt32, channels: Int, hasAlpha: Bool, maximum: Int) {
        (self.width, self.height, self.channels, self.hasAlpha, self.maximum) = (width, height, channels, hasAlpha, maximum)
        encoding = .raw
    }

    private static func side(_ input: PNMInput) throws(ImageError) -> UInt32 {
        let number = try input.number()
        guard number > 0 else { throw input.fault("a side of 0") }
        return UInt32(number)
    }

    private static func maximum(_ input: PNMInput) throws(ImageError) -> Int {
        let number = try input.number()
        guard (1...65535).contains(number) else { throw input.fault("a maximum of \(number)") }
        return Int(number)
    }

    /// Lines of a keyword and a value, up to ENDHDR.
    private static func pam(_ input: PNMInput) throws(ImageError) -> PNMHeader {
        var fields: [String: UInt64] = [:]
        var tuple = ""
        _ = try input.line()
        for number in 1... {
            guard number < 1000 else { throw input.fault("PAM header without end") }
            let line = try input.line()
            let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
            guard let keyword = words.first, keyword.first != "#" else { continue }
            if keyword == "ENDHDR" { break }
            let value = words.count > 1 ? words[1] : ""
            switch keyword {
            case "TUPLTYPE": tuple = tuple.isEmpty ? String(value) : tuple + " " + value
            case "WIDTH", "HEIGHT", "DEPTH", "MAXVAL":
                guard let number = UInt64(value), number > 0, number <= UInt64(UInt32.max) else {
                    throw input.fault("\(keyword) \(value.prefix(20))")
                }
                fields[String(keyword)] = number
            default: throw input.fault("PAM header of an unknown line")
            }
        }
        guard let width = fields["WIDTH"], let height = fields["HEIGHT"], let depth = fields["DEPTH"],
            let maximum = fields["MAXVAL"]
        else { throw input.fault("PAM header without WIDTH, HEIGHT, DEPTH or MAXVAL") }
        guard maximum <= 65535 else { throw input.fault("MAXVAL \(maximum)") }
        guard depth <= 4 else { throw .unsupported("PAM of \(depth) channels") }
        let hasAlpha = tuple.hasSuffix("_ALPHA") || (tuple.isEmpty && depth % 2 == 0)
        let color = hasAlpha ? depth - 1 : depth
        guard color == 1 || color == 3 else { throw .unsupported("PAM of \(depth) channels, \(tuple.isEmpty ? "untyped" : tuple)") }
        return PNMHeader(
            width: UInt32(width), height: UInt32(height), channels: Int(depth), hasAlpha: hasAlpha, maximum: Int(maximum))
    }
}

/// The characters of a PNM file, one by one.
final class PNMInput {
    private let source: ByteSource

    init(_ source: ByteSource) { self.source = source }

    func fault(_ text: String) -> ImageError { .damaged(text, atByte: source.positionBytes) }

    /// The next byte; throws `truncated` at the end.
    func byte() throws(ImageError) -> UInt8 {
        if source.waitingCount == 0, try source.refill() == 0 { throw .truncated(atByte: source.positionBytes) }
        let byte = source.waitingStart.load(as: UInt8.self)
        source.skip(1)
        return byte
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }

    func whiteSpace() throws(ImageError) {
        guard Self.isSpace(try peek()) else { throw fault("no white space behind the header") }
        source.skip(1)
    }

    /// The first byte that is neither white space nor in a comment; it stays.
    private func peekWord() throws(ImageError) -> UInt8 {
        while true {
            let next = try peek()
            if next == UInt8(ascii: "#") {
                while try byte() != 0x0a {}
            } else if Self.isSpace(next) {
                source.skip(1)
            } else {
                return next
            }
        }
    }

    private func peek() throws(ImageError) -> UInt8 {
        if source.waitingCount == 0, try source.refill() == 0 { throw .truncated(atByte: source.positionBytes) }
        return source.waitingStart.load(as: UInt8.self)
    }

    /// A decimal number up to 2^32 - 1, with white space and comments before it. What follows stays.
    func number() throws(ImageError) -> UInt64 {
        var value: UInt64 = 0
        var digits = 0
        _ = try peekWord()
        while true {
            // A number may be the last thing in a file.
            if source.waitingCount == 0, try source.refill() == 0 { break }
            let next = source.waitingStart.load(as: UInt8.self)
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) else { break }
            value = value * 10 + UInt64(next - UInt8(ascii: "0"))
            guard value <= UInt64(UInt32.max) else { throw fault("a number beyond 32 bits") }
            digits += 1
            source.skip(1)
        }
        guard digits > 0 else { throw fault("no number where one is due") }
        return value
    }

    /// A digit of a plain bitmap.
    func bit() throws(ImageError) -> UInt8 {
        let digit = try peekWord()
        guard digit == UInt8(ascii: "0") || digit == UInt8(ascii: "1") else { throw fault("no digit of a bitmap") }
        source.skip(1)
        return digit - UInt8(ascii: "0")
    }

    /// The rest of the line, without its end; at most 1000 characters.
    func line() throws(ImageError) -> String {
        var bytes: [UInt8] = []
        while true {
            let next = try byte()
            if next == 0x0a { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(next)
            if bytes.count > 1000 { throw fault("a line of the header has no end") }
        }
    }

    func read(into target: inout MutableRawSpan) throws(ImageError) { try source.read(into: &target) }
}
