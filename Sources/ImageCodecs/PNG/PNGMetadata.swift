import CZlib
import ImageCore

/// Collects what the chunks of a PNG carry beside pixels: EXIF, text with XMP among it, coding-independent code points. PNG
/// specification, 3rd edition, 11.3. A chunk that is malformed is not there.
struct PNGMetadata {
    private(set) var exif: [UInt8]?
    private(set) var xmp: [UInt8]?
    private(set) var iptc: [UInt8]?
    private(set) var texts: [[UInt8]] = []
    /// Primaries, transfer, matrix and range of cICP.
    private(set) var codePoints: ColorCode?
    private(set) var isAnimated = false
    private var byteCount: UInt64 = 0
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    /// For chunks that come after these: it counts on.
    func following() -> PNGMetadata {
        var next = PNGMetadata(limits: limits)
        next.byteCount = byteCount
        return next
    }

    static let xmpKeyword = "XML:com.adobe.xmp"

    /// `type`: the four letters of a chunk, of `bytes`. Throws `overLimit` when all together, as they are when they are unpacked, are too much.
    mutating func take(type: FourCC, _ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        switch type {
        case FourCC("eXIf") where exif == nil && bytes.count > 0: exif = Array(bytes)
        case FourCC("cICP") where bytes.count == 4:
            codePoints = ColorCode(primaries: bytes[0], transfer: bytes[1], matrix: bytes[2], fullRange: bytes[3])
            return
        case FourCC("acTL"):
            isAnimated = true
            return
        case FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt"): try takeText(type, Array(bytes))
        default: return
        }
        try charge(bytes.count + Int(Limits.metadataRecordBytes))
    }

    private mutating func charge(_ count: Int) throws(ImageError) {
        byteCount += UInt64(count)
        try limits.check(.metadata, byteCount)
    }

    private mutating func takeText(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) {
        guard let nul = bytes.firstIndex(of: 0), nul > 0, nul < 80 else { return }
        let keyword = String(latin1: bytes[..<nul])
        let content = bytes[(nul + 1)...]
        let text: [UInt8]?
        switch type {
        case FourCC("tEXt"): text = try utf8(latin1: content)
        case FourCC("zTXt"):
            // A byte for the method, which is 0.
            guard content.first == 0, let plain = try inflated(content.dropFirst()) else { return }
            text = try utf8(latin1: plain[...])
        default: text = try international(content)
        }
        guard let text else { return }
        if keyword == Self.xmpKeyword {
            xmp = xmp ?? text
        } else if keyword.hasPrefix("Raw profile type "), takeRawProfile(String(keyword.dropFirst(17)), text) {
            return
        } else if !text.contains(0) {
            texts.append(Array(keyword.utf8) + [0] + text)
        }
    }

    /// Behind the keyword of an iTXt: compressed or not, the method, a language, the keyword in it, the text.
    private mutating func international(_ content: ArraySlice<UInt8>) throws(ImageError) -> [UInt8]? {
        guard content.count >= 4, let language = content.dropFirst(2).firstIndex(of: 0),
            let translated = content[(language + 1)...].firstIndex(of: 0)
        else { return nil }
        let text = content[(translated + 1)...]
        let isCompressed = content.first != 0
        guard let plain = isCompressed ? try inflated(text) : Array(text), plain.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) != nil else { return nil }
        return plain
    }

    /// ISO 8859-1 as UTF-8: bytes from 0x80 on become two, and these count.
    private mutating func utf8(latin1 bytes: ArraySlice<UInt8>) throws(ImageError) -> [UInt8] {
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

    /// zlib's format; nil when it is broken. Never more than the limit leaves room for, however much it would become.
    private mutating func inflated(_ bytes: ArraySlice<UInt8>) throws(ImageError) -> [UInt8]? {
        let room = limits.metadata - min(byteCount, limits.metadata)
        var stream = z_stream()
        guard inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { throw .outOfMemory }
        defer { inflateEnd(&stream) }
        var input = Array(bytes)
        var output: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16 << 10)
        stream.avail_in = UInt32(clamping: input.count)
        let code: Int32 = input.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            while true {
                let code = block.withUnsafeMutableBufferPointer { block in
                    stream.next_out = block.baseAddress
                    stream.avail_out = UInt32(block.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
                output += block[..<(block.count - Int(stream.avail_out))]
                if code != Z_OK || UInt64(output.count) > room { return code }
            }
        }
        try charge(output.count)
        return code == Z_STREAM_END ? output : nil
    }

    /// What ImageMagick and ExifTool wrote before there were chunks for it: a name, a length, and bytes in hexadecimal. False for what is
    /// no metadata of ours.
    private mutating func takeRawProfile(_ name: String, _ text: [UInt8]) -> Bool {
        let lines = text.drop { $0 == 0x0a }.split(separator: 0x0a, maxSplits: 2, omittingEmptySubsequences: true)
        guard lines.count == 3, let count = Int(String(latin1: lines[1]).filter { $0 != " " }) else { return false }
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in lines[2] {
            guard let digit = Character(Unicode.Scalar(character)).hexDigitValue else { continue }
            if let first = high {
                bytes.append(first << 4 | UInt8(digit))
                high = nil
            } else {
                high = UInt8(digit)
            }
        }
        guard bytes.count == count else { return false }
        switch name.lowercased() {
        case "exif" where bytes.starts(with: "Exif\0\0".utf8), "app1" where bytes.starts(with: "Exif\0\0".utf8): exif = exif ?? Array(bytes[6...])
        case "app1" where bytes.starts(with: "http://ns.adobe.com/xap/1.0/\0".utf8): xmp = xmp ?? Array(bytes[29...])
        case "xmp": xmp = xmp ?? bytes
        case "iptc", "8bim":
            guard let block = bytes.first == 0x1c ? bytes : JPEGMetadata.iptc(inResources: bytes) else { return false }
            iptc = iptc ?? block
        default: return false
        }
        return true
    }

    var records: [MetadataRecord] {
        let found = [(FourCC.exif, exif), (.xmp, xmp), (.iptc, iptc)].compactMap { type, bytes in bytes.map { MetadataRecord(type, $0) } }
        return found + texts.map { MetadataRecord(.text, $0) }
    }
}

extension String {
    /// ISO 8859-1, where each byte is a scalar.
    init(latin1 bytes: ArraySlice<UInt8>) {
        self.init(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }

    /// ISO 8859-1; nil where it does not hold all of this.
    var latin1: [UInt8]? {
        let bytes = unicodeScalars.compactMap { UInt8(exactly: $0.value) }
        return bytes.count == unicodeScalars.count ? bytes : nil
    }
}
