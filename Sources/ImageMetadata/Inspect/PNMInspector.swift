import ImageCore

/// The header of a PBM, PGM, PPM or PAM: netpbm's pbm(5), pgm(5), ppm(5), pam(5).
struct PNMInspector {
    private let source: ByteSource

    /// Longer headers are no pictures' that anybody writes.
    private static let mostBytes = 64 << 10

    init(_ source: ByteSource) { self.source = source }

    func read(into picture: inout PictureDescription) throws(ImageError) {
        let magic = try source.take(2)
        if magic[1] == UInt8(ascii: "7") { try readPAM(into: &picture) } else { try readPNM(Int(magic[1] - UInt8(ascii: "0")), into: &picture) }
        picture.isLossless = true
        guard picture.width > 0, picture.height > 0 else { throw .damaged("a picture of \(picture.width) x \(picture.height)") }
    }

    private func readPNM(_ kind: Int, into picture: inout PictureDescription) throws(ImageError) {
        (picture.width, picture.height) = (try number(), try number())
        picture.model = kind % 3 == 0 ? .rgb : .gray
        picture.depth = kind % 3 == 1 ? 1 : Self.depth(maximum: try number())
    }

    private func readPAM(into picture: inout PictureDescription) throws(ImageError) {
        while true {
            switch try word() {
            case "WIDTH": picture.width = try number()
            case "HEIGHT": picture.height = try number()
            case "DEPTH":
                let channels = try number()
                picture.model = channels < 3 ? .gray : .rgb
                picture.hasAlpha = channels == 2 || channels == 4
            case "MAXVAL": picture.depth = Self.depth(maximum: try number())
            case "ENDHDR": return
            default: break
            }
        }
    }

    /// Bits that hold the largest sample.
    private static func depth(maximum: UInt32) -> Int { max(1, UInt32.bitWidth - maximum.leadingZeroBitCount) }

    private func number() throws(ImageError) -> UInt32 {
        let text = try word()
        guard let number = UInt32(text) else { throw .damaged("a header without a number", atByte: source.positionBytes) }
        return number
    }

    /// The next word; a comment ends with its line.
    private func word() throws(ImageError) -> String {
        var word: [UInt8] = []
        var isComment = false
        while source.positionBytes < UInt64(Self.mostBytes) {
            let byte = try source.take(1)[0]
            if isComment {
                isComment = byte != 0x0a
            } else if byte == UInt8(ascii: "#") {
                isComment = true
            } else if byte == 0x20 || (0x09...0x0d).contains(byte) {
                if !word.isEmpty { return String(decoding: word, as: UTF8.self) }
            } else {
                word.append(byte)
            }
        }
        throw .damaged("a header that does not end")
    }
}
