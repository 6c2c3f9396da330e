/// What a file is, by its first bytes: never by its name.
public enum FileSignature: String, CaseIterable, Sendable {
    /// ff d8 ff.
    case jpeg = "JPEG"
    /// 89 50 4e 47 0d 0a 1a 0a.
    case png = "PNG"
    /// `RIFF`, a length, `WEBP`.
    case webp = "WebP"
    /// `imgpipe1`: imgpipe(5).
    case pixelStream = "pixel stream"
    /// `P1` to `P7` and white space or a comment: PBM, PGM, PPM, PAM.
    case pnm = "PNM"
    /// `GIF87a` or `GIF89a`.
    case gif = "GIF"
    /// `II` or `MM`, and 42 in that order of bytes.
    case tiff = "TIFF"
    /// An ISO base media file of the brand `avif` or `avis`.
    case avif = "AVIF"
    /// An ISO base media file of the brand `heic`, `heix`, `hevc` or `mif1`.
    case heic = "HEIC"
    /// ff 0a, or `JXL` in a box.
    case jpegXL = "JPEG XL"
    /// `BM`, and four zeros after the length.
    case bmp = "BMP"
    /// `%PDF-`.
    case pdf = "PDF"
    /// `<svg`, at once.
    case svg = "SVG"

    /// How many bytes are looked at.
    public static let headBytes = 16

    /// `head`: the first 16 bytes, or all when there are fewer. Nil when no signature fits.
    public init?(_ head: RawSpan) {
        func at(_ offset: Int, _ text: StaticString) -> Bool {
            head.byteCount >= offset + text.utf8CodeUnitCount
                && (0..<text.utf8CodeUnitCount).allSatisfy { head.uint8(at: offset + $0) == text.utf8Start[$0] }
        }
        func at(_ offset: Int, _ bytes: [UInt8]) -> Bool {
            head.byteCount >= offset + bytes.count && bytes.indices.allSatisfy { head.uint8(at: offset + $0) == bytes[$0] }
        }
        if at(0, [0xff, 0xd8, 0xff]) {
            self = .jpeg
        } else if at(0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) {
            self = .png
        } else if at(0, "RIFF") && at(8, "WEBP") {
            self = .webp
        } else if at(0, "imgpipe1") {
            self = .pixelStream
        } else if head.byteCount >= 3, head.uint8(at: 0) == UInt8(ascii: "P"),
            (UInt8(ascii: "1")...UInt8(ascii: "7")).contains(head.uint8(at: 1)),
            [0x20, 0x09, 0x0a, 0x0d, 0x23].contains(head.uint8(at: 2))
        {
            self = .pnm
        } else if at(0, "GIF87a") || at(0, "GIF89a") {
            self = .gif
        } else if at(0, [0x49, 0x49, 0x2a, 0x00]) || at(0, [0x4d, 0x4d, 0x00, 0x2a]) {
            self = .tiff
        } else if at(4, "ftypavif") || at(4, "ftypavis") {
            self = .avif
        } else if at(4, "ftypheic") || at(4, "ftypheix") || at(4, "ftypmif1") || at(4, "ftyphevc") {
            self = .heic
        } else if at(0, [0xff, 0x0a]) || at(4, "JXL ") {
            self = .jpegXL
        } else if at(0, "BM") && head.byteCount >= 16 && head.uint32(at: 6) == 0 {
            self = .bmp
        } else if at(0, "%PDF-") {
            self = .pdf
        } else if at(0, "<svg") {
            self = .svg
        } else {
            return nil
        }
    }

    /// imgdecode takes it.
    public var isDecoded: Bool { [.jpeg, .png, .webp, .pnm].contains(self) }

    /// "a JPEG", "an AVIF".
    public var withArticle: String { (self == .avif || self == .svg ? "an " : "a ") + rawValue }
}
