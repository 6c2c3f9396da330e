import CWebP
import CWebPDemux
import ImageCore

/// What is whole in a WebP whose container is broken, as a file: RFC 9649, 2.7.
struct RebuiltWebP {
    var file: [UInt8]
    /// What was lost, in words; nil for nothing.
    var lost: String?
    var lostFrames = 0
    /// The first frame, of those that are left, that was to be drawn on one that is lost.
    var firstDoubtfulFrame: Int?
    /// Alpha is lost: what is to be seen through is not.
    var isOpaque = false

    /// Of `file`; nil where there is no picture in it. The first lossy or lossless picture may be cut; frames of an
    /// animation are whole or left out. Throws where it is over a limit.
    static func of(_ file: UnsafeRawBufferPointer, limits: Limits, pool: BufferPool) throws(ImageError) -> RebuiltWebP? {
        let chunks = WebPContainer.chunks(file)
        func first(_ type: FourCC) -> [UInt8]? { chunks.first { $0.type == type && $0.isWhole }.map { Array(file[$0.content]) } }
        let frames = chunks.filter { $0.type == FourCC("ANMF") }
        return frames.isEmpty ? still(file, chunks, first) : try animation(file, frames, first, limits: limits, pool: pool)
    }

    private static func still(_ file: UnsafeRawBufferPointer, _ chunks: [WebPContainer.Chunk], _ first: (FourCC) -> [UInt8]?) -> RebuiltWebP? {
        guard let picture = chunks.first(where: { WebPContainer.frameTypes.contains($0.type) && hasHeader(file, $0) }) else { return nil }
        let content = Array(file[picture.content])
        let stated = first(FourCC("VP8X"))
        let alpha = picture.type == FourCC("VP8 ") ? first(FourCC("ALPH")) : nil
        let metadata = WebPContainer.metadataTypes.compactMap { kind in first(kind.type).map { (kind, $0) } }
        var body: [UInt8] = []
        if alpha != nil || !metadata.isEmpty {
            var head = stated ?? ([0, 0, 0, 0] + sides(picture.type, content))
            head[0] = metadata.reduce(alpha != nil || picture.type == FourCC("VP8L") ? WebPContainer.alphaFlag : 0) { $0 | $1.0.flag }
            body += chunk(FourCC("VP8X"), head)
        }
        // What libwebp looks for stands behind the picture, too; a cut picture is the end.
        for (kind, bytes) in metadata { body += chunk(kind.type, bytes) }
        if let alpha { body += chunk(FourCC("ALPH"), alpha) }
        // libwebp waits for the rest of a cut one, and does not take its end for the picture's.
        let missing = min(picture.missing, 1 << 30)
        body += head(picture.type, content.count + missing) + content + (content.count % 2 == 1 && picture.isWhole ? [0] : [])
        let hadAlpha = chunks.contains { $0.type == FourCC("ALPH") } || (stated.map { $0[0] & WebPContainer.alphaFlag != 0 } ?? false)
        let isOpaque = hadAlpha && alpha == nil && picture.type == FourCC("VP8 ")
        return RebuiltWebP(file: riff(body, missing: missing), lost: "its container is broken" + (isOpaque ? "; its alpha is lost" : ""), isOpaque: isOpaque)
    }

    private static func animation(
        _ file: UnsafeRawBufferPointer, _ frames: [WebPContainer.Chunk], _ first: (FourCC) -> [UInt8]?, limits: Limits, pool: BufferPool
    ) throws(ImageError) -> RebuiltWebP? {
        // What is stated is judged before a frame is decoded.
        let heads = frames.filter { $0.content.count >= 16 }.map { Array(file[$0.content.prefix(12)]) }
        guard !heads.isEmpty else { return nil }
        var head = first(FourCC("VP8X")) ?? canvas(of: heads)
        try limits.check(.frames, UInt64(frames.count))
        try limits.check(width: UInt32(number(head, 4) + 1), height: UInt32(number(head, 7) + 1), frames: UInt32(frames.count))
        var isWhole: [Bool] = []
        for frame in frames { isWhole.append(frame.isWhole ? try isWholeFrame(file, frame.content, limits: limits, pool: pool) : false) }
        let count = isWhole.count { $0 }
        guard count > 0 else { return nil }
        let metadata = WebPContainer.metadataTypes.compactMap { kind in first(kind.type).map { (kind, $0) } }
        head[0] = metadata.reduce(WebPContainer.alphaFlag | WebPContainer.animationFlag) { $0 | $1.0.flag }
        var body = chunk(FourCC("VP8X"), head)
        for (kind, bytes) in metadata where kind.type == FourCC("ICCP") { body += chunk(kind.type, bytes) }
        body += chunk(FourCC("ANIM"), first(FourCC("ANIM")) ?? [0, 0, 0, 0, 0, 0])
        for (frame, isWhole) in zip(frames, isWhole) where isWhole { body += chunk(FourCC("ANMF"), Array(file[frame.content])) }
        for (kind, bytes) in metadata where kind.type != FourCC("ICCP") { body += chunk(kind.type, bytes) }
        let lost = frames.count - count
        // Those behind the last whole one are missed by nobody.
        let firstLost = isWhole.firstIndex(of: false)
        return RebuiltWebP(
            file: riff(body), lost: lost > 0 ? "frames of its animation are damaged" : nil, lostFrames: lost,
            firstDoubtfulFrame: firstLost.flatMap { $0 < count ? $0 : nil })
    }

    private static func hasHeader(_ file: UnsafeRawBufferPointer, _ chunk: WebPContainer.Chunk) -> Bool {
        let bytes = file[chunk.content].prefix(10)
        let start = bytes.startIndex
        return chunk.type == FourCC("VP8L") ? bytes.count >= 5 && bytes[start] == 0x2f
            : chunk.type == FourCC("VP8 ") && bytes.count == 10 && bytes[start] & 1 == 0 && bytes[start + 3...start + 5].elementsEqual([0x9d, 0x01, 0x2a])
    }

    /// Whether libwebp decodes all of a frame: 16 bytes about it, perhaps its alpha, its picture.
    private static func isWholeFrame(_ file: UnsafeRawBufferPointer, _ content: Range<Int>, limits: Limits, pool: BufferPool) throws(ImageError) -> Bool {
        guard content.count > 24 else { return false }
        try pool.deadline.check()
        let inner = Array(file[content.lowerBound + 16..<content.upperBound])
        let head = Array(file[content.prefix(12)])
        let (width, height) = (number(head, 6) + 1, number(head, 9) + 1)
        try limits.check(width: UInt32(width), height: UInt32(height))
        // libwebp holds a lossless picture once more.
        try pool.check(bytes: UInt64(width) * UInt64(height) * 8)
        // Without a container libwebp takes a bare picture; alpha wants one.
        let still = riff(inner.starts(with: FourCC("ALPH").bytes) ? chunk(FourCC("VP8X"), [WebPContainer.alphaFlag, 0, 0, 0] + head[6..<12]) + inner : inner)
        let pixels = try pool.lease(width * height * 4)
        let size = pixels.count
        var features = WebPBitstreamFeatures()
        return still.withUnsafeBufferPointer { still in
            guard WebPGetFeatures(still.baseAddress, still.count, &features) == VP8_STATUS_OK, Int(features.width) == width, Int(features.height) == height
            else { return false }
            return WebPDecodeRGBAInto(still.baseAddress, still.count, pixels.start.assumingMemoryBound(to: UInt8.self), size, Int32(width * 4)) != nil
        }
    }

    private static func number(_ bytes: [UInt8], _ at: Int) -> Int { Int(bytes[at]) | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2]) << 16 }
    private static func bytes24(_ number: Int) -> [UInt8] { [UInt8(number & 255), UInt8(number >> 8 & 255), UInt8(number >> 16 & 255)] }

    /// Width and height of a picture, each less 1, as VP8X has them.
    private static func sides(_ type: FourCC, _ content: [UInt8]) -> [UInt8] {
        if type == FourCC("VP8L") {
            let bits = (0..<4).reduce(0) { $0 | Int(content[1 + $1]) << (8 * $1) }
            return bytes24(bits & 0x3fff) + bytes24(bits >> 14 & 0x3fff)
        }
        func side(_ at: Int) -> Int { (Int(content[at]) | Int(content[at + 1]) << 8) & 0x3fff }
        return bytes24(max(1, side(6)) - 1) + bytes24(max(1, side(8)) - 1)
    }

    /// VP8X of an animation that has lost its own: as large as its frames reach.
    private static func canvas(of frames: [[UInt8]]) -> [UInt8] {
        let width = frames.map { 2 * number($0, 0) + number($0, 6) }.max()!
        let height = frames.map { 2 * number($0, 3) + number($0, 9) }.max()!
        return [0, 0, 0, 0] + bytes24(min(width, 0xffffff)) + bytes24(min(height, 0xffffff))
    }

    private static func head(_ type: FourCC, _ size: Int) -> [UInt8] { type.bytes + (0..<4).map { UInt8(size >> (8 * $0) & 255) } }
    private static func chunk(_ type: FourCC, _ content: [UInt8]) -> [UInt8] {
        head(type, content.count) + content + (content.count % 2 == 1 ? [0] : [])
    }
    private static func riff(_ body: [UInt8], missing: Int = 0) -> [UInt8] {
        head(FourCC("RIFF"), body.count + 4 + missing) + FourCC("WEBP").bytes + body
    }
}
