import CWebP
import CWebPDemux
import ImageCore

/// A WebP whose container is broken, made anew of the chunks that are whole: RFC 9649, 2.7.
///
/// A walk from chunk to chunk; where a size leads nowhere, on to the next place, aligned to two bytes, where a chunk that pictures are made of
/// begins with a size that fits.
enum WebPChunks {
    private struct Chunk {
        let type: FourCC
        /// Of its content, as far as it is there.
        let content: Range<Int>
        let isWhole: Bool
    }

    private static let frameTypes: [FourCC] = [FourCC("VP8 "), FourCC("VP8L"), FourCC("ANMF")]
    private static let otherTypes: [FourCC] = [FourCC("VP8X"), FourCC("ANIM"), FourCC("ALPH"), FourCC("ICCP"), FourCC("EXIF"), FourCC("XMP ")]

    /// A file of what is whole in `file`, and what of it was lost, in words; nil where there is no picture in it. The first lossy or lossless picture
    /// may be cut; frames of an animation are whole or left out.
    static func rebuilt(_ file: UnsafeRawBufferPointer, limits: Limits) -> (file: [UInt8], lost: String)? {
        let chunks = walk(file)
        func first(_ type: FourCC) -> Chunk? { chunks.first { $0.type == type && $0.isWhole } }
        let canvas = first(FourCC("VP8X"))
        let frames = chunks.filter { $0.type == FourCC("ANMF") }
        if !frames.isEmpty {
            let whole = frames.filter { $0.isWhole && isWholeFrame(file, $0.content, limits: limits) }
            guard !whole.isEmpty, UInt64(whole.count) <= limits.frames else { return nil }
            let head = canvas.map { Array(file[$0.content]) } ?? canvasOf(whole.map { Array(file[$0.content.prefix(12)]) })
            let animation = first(FourCC("ANIM")).map { Array(file[$0.content]) } ?? [0, 0, 0, 0, 0, 0]
            var body = chunk(FourCC("VP8X"), head) + chunk(FourCC("ANIM"), animation)
            for frame in whole { body += chunk(FourCC("ANMF"), Array(file[frame.content])) }
            return (riff(body), "\(whole.count) of \(frames.count) frames are whole")
        }
        guard let picture = chunks.first(where: { frameTypes.contains($0.type) && hasHeader(file, $0) }) else { return nil }
        var body: [UInt8] = []
        // The alpha of a lossy picture needs the flags that say it is there.
        if let canvas, let alpha = first(FourCC("ALPH")), picture.type == FourCC("VP8 ") {
            body += chunk(FourCC("VP8X"), Array(file[canvas.content])) + chunk(FourCC("ALPH"), Array(file[alpha.content]))
        }
        let content = Array(file[picture.content])
        // A cut one states more than there is, so that libwebp waits for the rest and does not take its end for the picture's.
        let missing = picture.isWhole ? 0 : 2
        body += head(picture.type, content.count + missing) + content
        return (riff(body, missing: missing), "its container is broken")
    }

    private static func walk(_ file: UnsafeRawBufferPointer) -> [Chunk] {
        var chunks: [Chunk] = []
        // Fuzzed files have thousands; pictures a few.
        var at = 12
        while at + 8 <= file.count, chunks.count < 1 << 16 {
            let type = FourCC(code: file.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            let size = Int(UInt32(littleEndian: file.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)))
            let isKnown = frameTypes.contains(type) || otherTypes.contains(type)
            let isWhole = size <= file.count - at - 8
            // A cut picture ends the file.
            if isKnown && (isWhole || type == FourCC("VP8 ") || type == FourCC("VP8L") || type == FourCC("ANMF")) {
                chunks.append(Chunk(type: type, content: at + 8..<at + 8 + min(size, file.count - at - 8), isWhole: isWhole))
            }
            if isWhole && (isKnown || isName(type)) {
                at += 8 + size + size % 2
            } else {
                at = next(file, after: at + 2)
            }
        }
        return chunks
    }

    private static func isName(_ type: FourCC) -> Bool { type.bytes.allSatisfy { (0x20...0x7e).contains($0) } }

    /// The next place where a chunk of a picture begins that is no larger than what is left.
    private static func next(_ file: UnsafeRawBufferPointer, after start: Int) -> Int {
        var at = start
        while at + 8 <= file.count {
            let type = FourCC(code: file.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            if frameTypes.contains(type) || type == FourCC("VP8X") || type == FourCC("ANIM") { return at }
            at += 2
        }
        return file.count
    }

    private static func hasHeader(_ file: UnsafeRawBufferPointer, _ chunk: Chunk) -> Bool {
        let bytes = file[chunk.content].prefix(10)
        let start = bytes.startIndex
        return chunk.type == FourCC("VP8L") ? bytes.count >= 5 && bytes[start] == 0x2f
            : chunk.type == FourCC("VP8 ") && bytes.count == 10 && bytes[start] & 1 == 0 && bytes[start + 3...start + 5].elementsEqual([0x9d, 0x01, 0x2a])
    }

    /// Whether libwebp decodes all of a frame: 16 bytes about it, perhaps its alpha, its picture.
    private static func isWholeFrame(_ file: UnsafeRawBufferPointer, _ content: Range<Int>, limits: Limits) -> Bool {
        guard content.count > 24 else { return false }
        let inner = content.lowerBound + 16..<content.upperBound
        let hasAlpha = FourCC(code: file.loadUnaligned(fromByteOffset: inner.lowerBound, as: UInt32.self)) == FourCC("ALPH")
        // Without a container libwebp takes a bare picture; alpha wants one.
        let sides = (width: number(file, content.lowerBound + 6), height: number(file, content.lowerBound + 9))
        guard (try? limits.check(width: UInt32(sides.width + 1), height: UInt32(sides.height + 1))) != nil else { return false }
        let body = hasAlpha ? chunk(FourCC("VP8X"), [0x10, 0, 0, 0] + bytes24(sides.width) + bytes24(sides.height)) + Array(file[inner]) : Array(file[inner])
        let still = riff(body)
        var width: Int32 = 0, height: Int32 = 0
        let pixels = still.withUnsafeBufferPointer { WebPDecodeRGBA($0.baseAddress, $0.count, &width, &height) }
        defer { WebPFree(pixels) }
        return pixels != nil && Int(width) == sides.width + 1 && Int(height) == sides.height + 1
    }

    private static func number(_ file: UnsafeRawBufferPointer, _ at: Int) -> Int { Int(file[at]) | Int(file[at + 1]) << 8 | Int(file[at + 2]) << 16 }
    private static func bytes24(_ number: Int) -> [UInt8] { [UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16 & 255)] }

    /// VP8X of an animation that has lost its own: as large as its frames reach.
    private static func canvasOf(_ frames: [[UInt8]]) -> [UInt8] {
        func number(_ frame: [UInt8], _ at: Int) -> Int { Int(frame[at]) | Int(frame[at + 1]) << 8 | Int(frame[at + 2]) << 16 }
        let width = frames.map { 2 * number($0, 0) + number($0, 6) }.max()!
        let height = frames.map { 2 * number($0, 3) + number($0, 9) }.max()!
        return [0x12, 0, 0, 0] + bytes24(width) + bytes24(height)
    }

    private static func head(_ type: FourCC, _ size: Int) -> [UInt8] { type.bytes + (0..<4).map { UInt8(size >> (8 * $0) & 255) } }
    private static func chunk(_ type: FourCC, _ content: [UInt8]) -> [UInt8] {
        head(type, content.count) + content + (content.count % 2 == 1 ? [0] : [])
    }
    private static func riff(_ body: [UInt8], missing: Int = 0) -> [UInt8] {
        head(FourCC("RIFF"), body.count + 4 + missing) + FourCC("WEBP").bytes + body
    }
}
