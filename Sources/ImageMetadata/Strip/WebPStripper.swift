import ImageCore

/// A WebP without the chunks that go: the WebP container specification. The size of the whole stands first, so all chunks are looked at
/// before the first byte is written.
final class WebPStripper {
    private let source: ByteSource
    private let sink: any ByteSink
    private let editor: MetadataEditor

    /// A piece of the new file.
    private enum Piece {
        case bytes([UInt8])
        /// So many bytes of the old one, from there on.
        case copy(at: UInt64, count: UInt64)

        var count: UInt64 {
            switch self {
            case .bytes(let bytes): UInt64(bytes.count)
            case .copy(_, let count): count
            }
        }
    }

    private struct Chunk {
        let type: FourCC
        let at: UInt64
        let length: UInt64
        var contentAt: UInt64 { at + 8 }
        /// With the byte that makes its length even.
        var end: UInt64 { contentAt + length + length % 2 }
    }

    private static let mostChunks = 1 << 20

    /// `source`: a file, at its start.
    init(_ source: ByteSource, _ sink: any ByteSink, _ editor: MetadataEditor) {
        (self.source, self.sink, self.editor) = (source, sink, editor)
    }

    /// The size of the canvas, as VP8X has it; nil for a file of a picture alone.
    private var canvas: [UInt8]?
    /// VP8X's flags: what the file has, and what goes out.
    private var stated: UInt8 = 0
    private var flags: UInt8 = 0
    private var hasPixels = false
    private var seen: Set<FourCC> = []

    func strip() throws(ImageError) {
        guard let head = source.peek(at: 0, count: 12) else { throw .truncated(atByte: try source.countRest()) }
        let end = 8 + UInt64(Self.uint32(head, 4))
        guard end >= 12 else { throw .damaged("a RIFF of \(end - 8) bytes", atByte: 4) }
        // A file that ends before its header says is not whole, even where only the byte is missing that makes its length even.
        if source.peek(at: end - 1, count: 1) == nil { throw .truncated(atByte: try source.countRest()) }
        var pieces: [Piece] = []
        let chunks = try chunks(12..<end)
        // No decoder takes a file that begins with another; without that chunk it would be one that is whole.
        guard let first = chunks.first, [FourCC("VP8X"), FourCC("VP8 "), FourCC("VP8L")].contains(first.type) else {
            throw .damaged("begins with no chunk of a picture", atByte: 12)
        }
        for chunk in chunks { pieces += try stripped(chunk) }
        guard hasPixels else { throw .damaged("no picture in it") }
        if flags != stated { editor.report.replace("flags", 1, by: 1) }
        if let canvas { pieces.insert(.bytes(Array("VP8X".utf8) + [10, 0, 0, 0, flags, 0, 0, 0] + canvas), at: 0) }
        try write(pieces)
        // What follows lies behind the end that RIFF states.
        let left = try source.countRest()
        let behind = source.positionBytes + left - min(end + end % 2, source.positionBytes + left)
        guard editor.choice.keepsTrailingData else { return editor.report.remove("data behind the picture", behind) }
        try pass(left - behind) { _ in }
        repeat {
            try sink.write(source.window)
            source.skip(source.waitingCount)
        } while try source.refill() > 0
    }

    private enum Flag {
        static let animation: UInt8 = 0x02, xmp: UInt8 = 0x04, exif: UInt8 = 0x08, alpha: UInt8 = 0x10, icc: UInt8 = 0x20
    }

    // MARK: Chunks

    /// What goes out in the place of a chunk. Of those of which there is one, readers take the first.
    private func stripped(_ chunk: Chunk) throws(ImageError) -> [Piece] {
        let isAnimation = stated & Flag.animation != 0
        let isFirst = seen.insert(chunk.type).inserted
        switch chunk.type {
        case FourCC("VP8X"):
            guard isFirst, seen.count == 1, chunk.length >= 10, let bytes = source.peek(at: chunk.contentAt, count: 10) else { throw Self.damaged("VP8X", chunk) }
            (canvas, stated) = (Array(bytes[4...]), bytes[0])
            flags = stated & (Flag.animation | Flag.alpha)
            if bytes[1..<4].contains(where: { $0 != 0 }) { editor.report.remove("data in VP8X", 3) }
            if chunk.length > 10 { editor.report.remove("data in VP8X", chunk.end - chunk.contentAt - 10) }
            return []
        case FourCC("VP8 ") where !isAnimation && !hasPixels, FourCC("VP8L") where !isAnimation && !hasPixels:
            hasPixels = true
            return copied(chunk)
        case FourCC("ALPH") where !isAnimation && !hasPixels && isFirst && canvas != nil: return copied(chunk)
        case FourCC("ANIM") where isAnimation && isFirst && chunk.length == 6: return copied(chunk)
        case FourCC("ANMF") where isAnimation:
            hasPixels = true
            return try frame(chunk)
        case FourCC("ICCP"), FourCC("EXIF"), FourCC("XMP "):
            guard canvas != nil || editor.choice.keepsEverything else {
                let container: MetadataGroup = chunk.type == FourCC("EXIF") ? .exif : chunk.type == FourCC("XMP ") ? .xmp : .icc
                if container != .icc && editor.choice.keeps(container) { editor.report.warn("its \(chunk.type.text) is dropped: without VP8X no reader looks for it") }
                break
            }
            guard isFirst || editor.choice.keepsEverything else { break }
            return try metadata(chunk)
        case FourCC("C2PA") where editor.choice.keepsC2PA:
            editor.report.keepsManifest = true
            return copied(chunk)
        default: if editor.choice.keepsUnknown && !Self.drawing.contains(chunk.type) { return copied(chunk) }
        }
        editor.report.remove(chunk.type == FourCC("ICCP") ? "ICC profile" : Self.name(chunk.type), chunk.end - chunk.at)
        return []
    }

    private static let known = drawing.union([FourCC("VP8X"), FourCC("ICCP"), FourCC("EXIF"), FourCC("XMP ")])
    private static let drawing: Set = [FourCC("VP8 "), FourCC("VP8L"), FourCC("ALPH"), FourCC("ANIM"), FourCC("ANMF")]

    private func metadata(_ chunk: Chunk) throws(ImageError) -> [Piece] {
        let choice = editor.choice
        let pieces: [Piece]?
        let flag: UInt8
        switch chunk.type {
        case FourCC("EXIF"):
            flag = Flag.exif
            pieces = try edited(chunk, "EXIF", keepsAll: choice.keepsAll(of: .exif), editor.exifChunk)
        case FourCC("XMP "):
            flag = Flag.xmp
            pieces = try edited(chunk, "XMP", keepsAll: choice.keepsAll(of: .xmp), editor.xmp)
        default:
            flag = Flag.icc
            pieces = try edited(chunk, "ICC profile", keepsAll: choice.keepsUnknown && choice.keeps(.icc)) { editor.keepsICC($0) ? $0 : nil }
        }
        if pieces != nil { flags |= flag }
        return pieces ?? []
    }

    /// The chunks of a part of the file.
    private func chunks(_ range: Range<UInt64>) throws(ImageError) -> [Chunk] {
        var chunks: [Chunk] = []
        var at = range.lowerBound
        while at + 8 <= range.upperBound {
            guard let head = source.peek(at: at, count: 8) else { throw .truncated(atByte: try source.countRest()) }
            let chunk = Chunk(type: FourCC(head[..<4]), at: at, length: UInt64(Self.uint32(head, 4)))
            // The last byte of an odd chunk is missing in some files.
            guard chunk.contentAt + chunk.length <= range.upperBound else { throw Self.damaged(Self.name(chunk.type) + " reaches over the end", chunk) }
            guard chunks.count < Self.mostChunks else { throw .damaged("more than \(Self.mostChunks) chunks") }
            chunks.append(chunk)
            at = chunk.end
        }
        if at < range.upperBound { editor.report.remove("bytes behind the last chunk", range.upperBound - at) }
        return chunks
    }

    private func copied(_ chunk: Chunk) -> [Piece] {
        let padding: [Piece] = chunk.length % 2 == 1 ? [.bytes([0])] : []
        // A reader passes over it; some files end without it.
        if !padding.isEmpty, source.peek(at: chunk.end - 1, count: 1) != [0] { editor.report.replace("padding", 1, by: 1) }
        return [.copy(at: chunk.at, count: 8 + chunk.length)] + padding
    }

    /// A frame of an animation: 16 bytes, and chunks of its own.
    private func frame(_ chunk: Chunk) throws(ImageError) -> [Piece] {
        guard chunk.length >= 16, let head = source.peek(at: chunk.contentAt, count: 16) else { throw Self.damaged("ANMF", chunk) }
        var pieces: [Piece] = []
        var hasAlpha = false, hasPixels = false
        for inner in try chunks(chunk.contentAt + 16..<chunk.contentAt + chunk.length) {
            switch inner.type {
            case FourCC("ALPH") where !hasAlpha && !hasPixels: hasAlpha = true
            case FourCC("VP8 ") where !hasPixels, FourCC("VP8L") where !hasPixels: hasPixels = true
            case _ where editor.choice.keepsUnknown && !Self.known.contains(inner.type): break
            default:
                editor.report.remove(Self.name(inner.type), inner.end - inner.at)
                continue
            }
            pieces += copied(inner)
        }
        guard hasPixels else { throw Self.damaged("a frame without a picture", chunk) }
        let length = 16 + pieces.reduce(0) { $0 + $1.count }
        return [.bytes(Array("ANMF".utf8) + Self.littleEndian(length) + head)] + pieces
    }

    private func content(_ chunk: Chunk) throws(ImageError) -> [UInt8] {
        try editor.check(held: chunk.length)
        guard let bytes = source.peek(at: chunk.contentAt, count: Int(chunk.length)) else { throw .truncated(atByte: try source.countRest()) }
        return bytes
    }

    private func edited(_ chunk: Chunk, _ name: String, keepsAll: Bool, _ edit: ([UInt8]) -> [UInt8]?) throws(ImageError) -> [Piece]? {
        if keepsAll { return copied(chunk) }
        let old = try content(chunk)
        guard let new = edit(old) else {
            editor.report.remove(name, chunk.end - chunk.at)
            return nil
        }
        if new == old { return copied(chunk) }
        editor.report.replace(name, old.count, by: new.count)
        return [.bytes(chunk.type.bytes + Self.littleEndian(UInt64(new.count)) + new + (new.count % 2 == 1 ? [0] : []))]
    }

    // MARK: Writing

    private func write(_ pieces: [Piece]) throws(ImageError) {
        let size = 4 + pieces.reduce(0) { $0 + $1.count }
        guard size <= UInt64(UInt32.max) else { throw .unsupported("a WebP of more than 4 GiB") }
        try sink.write((Array("RIFF".utf8) + Self.littleEndian(size) + Array("WEBP".utf8)).span.bytes)
        for piece in pieces {
            switch piece {
            case .bytes(let bytes): try sink.write(bytes.span.bytes)
            case .copy(let at, let count):
                try pass(at - source.positionBytes) { _ in }
                try pass(count) { (part) throws(ImageError) in try self.sink.write(part) }
            }
        }
    }

    private func pass(_ count: UInt64, _ take: (UnsafeRawBufferPointer) throws(ImageError) -> Void) throws(ImageError) {
        var left = count
        while left > 0 {
            if source.waitingCount == 0, try source.refill() == 0 { throw .truncated(atByte: source.positionBytes) }
            let part = Int(min(left, UInt64(source.waitingCount)))
            try take(UnsafeRawBufferPointer(start: source.waitingStart, count: part))
            source.skip(part)
            left -= UInt64(part)
        }
    }

    private static func damaged(_ fault: String, _ chunk: Chunk) -> ImageError { .damaged(fault, atByte: chunk.at) }

    /// For messages: the name of an unknown chunk may be any bytes.
    private static func name(_ type: FourCC) -> String {
        type.bytes.allSatisfy { (0x20...0x7e).contains($0) } ? type.text : "an unknown chunk"
    }

    private static func uint32(_ bytes: [UInt8], _ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }

    private static func littleEndian(_ value: UInt64) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
}
