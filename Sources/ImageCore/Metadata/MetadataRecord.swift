/// A metadata record of the stream: known by its type, passed on unchanged by those who do not know it.
public struct MetadataRecord: Equatable, Sendable {
    /// Four ASCII letters or underscores, the first small.
    public var type: FourCC
    /// What imgpipe(5) says for the type: bytes of the file, without what its format packs them in.
    public var payload: [UInt8]

    /// A record of `type`, whose bytes are not looked at.
    public init(_ type: FourCC, _ payload: [UInt8]) {
        (self.type, self.payload) = (type, payload)
    }
}

/// Four ASCII bytes that name a record.
public struct FourCC: Hashable, Sendable {
    /// As the four bytes stand in the stream, read as a little-endian integer.
    public let code: UInt32

    /// `code`: the four bytes, read as a little-endian integer.
    public init(code: UInt32) { self.code = code }

    /// `text`: exactly four ASCII characters.
    public init(_ text: StaticString) {
        precondition(text.utf8CodeUnitCount == 4)
        code = text.withUTF8Buffer { $0.reversed().reduce(0) { $0 << 8 | UInt32($1) } }
    }

    /// The four bytes of a chunk's name.
    package init(_ bytes: ArraySlice<UInt8>) {
        code = bytes.prefix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The four, as they stand in the stream.
    public var bytes: [UInt8] { (0..<4).map(byte) }

    /// For messages.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    private func byte(_ i: Int) -> UInt8 { UInt8(truncatingIfNeeded: code >> (8 * i)) }

    private func isLetter(_ i: Int) -> Bool { (0x61...0x7a).contains(byte(i) | 0x20) }

    /// Letters and underscores, and the first of them a small letter.
    var isMetadata: Bool { isWellFormed && byte(0) >= UInt8(ascii: "a") }

    /// Letters and underscores, a letter first.
    var isWellFormed: Bool {
        isLetter(0) && (1..<4).allSatisfy { isLetter($0) || byte($0) == UInt8(ascii: "_") }
    }

    /// An ICC profile (ICC.1:2022), of the model that the samples have.
    public static let icc = FourCC("icc_")
    /// EXIF (CIPA DC-008), from its TIFF header on.
    public static let exif = FourCC("exif")
    /// An XMP packet (ISO 16684-1), whole, also where a JPEG has it in parts.
    public static let xmp = FourCC("xmp_")
    /// IPTC datasets in IIM form.
    public static let iptc = FourCC("iptc")
    /// A keyword, a NUL and text, in UTF-8.
    public static let text = FourCC("text")
    /// The name of the picture's file, any bytes but NUL: for messages, never opened.
    public static let name = FourCC("name")
    /// Rows that are not as they were: `DamageRecord`.
    public static let damage = FourCC("dmge")
    /// The compressed file that the picture was decoded from; empty once the pixels are others.
    public static let file = FourCC("file")

    /// Whether a picture may have several of it.
    public var isRepeatable: Bool { self == .text || self == .damage }
}

extension [MetadataRecord] {
    /// The payload of the first record of `type`.
    public subscript(type: FourCC) -> [UInt8]? { first { $0.type == type }?.payload }
}
