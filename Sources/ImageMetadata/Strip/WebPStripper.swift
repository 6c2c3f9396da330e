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

    func strip() throws(ImageError) {
        guard let head = source.peek(at: 0, count: 12) else { throw .truncated(atByte: try source.countRest()) }
        let end = 8 + UInt64(Self.uint32(head, 4))
        guard end >= 12 else { throw .damaged("a RIFF of \(end - 8) bytes", atByte: 4) }
        // A file that ends before its header says is not whole, even where only the byte is missing that makes its length even.
        if source.peek(at: end - 1, count: 1) == nil { throw .truncated(atByte: try source.countRest()) }
        var pieces: [Piece] = []
        var flagsAt: Int?
        var flags: UInt8 = 0
        var hasPixels = false
        for chunk in try chunks(12..<end) {
            switch chunk.type {
            case FourCC("VP8X"):
                guard flagsAt == nil, chunk.length >= 10, let bytes = source.peek(at: chunk.at, count: 18) else { throw Self.damaged("VP8X", chunk) }
                flagsAt = pieces.count
                flags = bytes[8] & (Flag.animation | Flag.alpha)
                pieces.append(.bytes(Array("VP8X".utf8) + [10, 0, 0, 0, bytes[8], 0, 0, 0] + bytes[12..<18]))
            case FourCC("VP8 "), FourCC("VP8L"), FourCC("ALPH"), FourCC("ANIM"):
                if chunk.type != FourCC("ANIM") && chunk.type != FourCC("ALPH") { hasPixels = true }
                pieces += copied(chunk)
            case FourCC("ANMF"):
                hasPixels = true
                pieces += try frame(chunk)
            case FourCC("ICCP"):
                if editor.keepsICC(try content(chunk)) {
                    flags |= Flag.icc
                    pieces += copied(chunk)
                } else {
                    editor.report.remove("ICC profile", chunk.end - chunk.at)
                }
            case FourCC("EXIF"):
                guard flags & Flag.exif == 0, let block = try exif(chunk) else { break }
                flags |= Flag.exif
                pieces += block
            case FourCC("XMP "):
                guard flags & Flag.xmp == 0, let packet = try edited(chunk, "XMP", keepsAll: editor.choice.keepsAll(of: .xmp), editor.xmp) else { break }
                flags |= Flag.xmp
                pieces += packet
            default:
                if chunk.type == FourCC("C2PA") ? editor.choice.keepsNamed(.c2pa) : editor.choice.keepsUnknown {
                    pieces += copied(chunk)
                } else {
                    editor.report.remove(chunk.type == FourCC("C2PA") ? "C2PA" : Self.name(chunk.type), chunk.end - chunk.at)
                }
            }
        }
        guard hasPixels else { throw .damaged("no picture in it") }
        if let flagsAt, case .bytes(var bytes) = pieces[flagsAt] {
            bytes[8] = flags
            pieces[flagsAt] = .bytes(bytes)
        }
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
        return chunks
    }

    private func copied(_ chunk: Chunk) -> [Piece] {
        let padding: [Piece] = chunk.length % 2 == 1 ? [.bytes([0])] : []
        return [.copy(at: chunk.at, count: 8 + chunk.length)] + padding
    }

    /// A frame of an animation: 16 bytes, and chunks of its own.
    private func frame(_ chunk: Chunk) throws(ImageError) -> [Piece] {
        guard chunk.length >= 16, let head = source.peek(at: chunk.contentAt, count: 16) else { throw Self.damaged("ANMF", chunk) }
        var pieces: [Piece] = []
        var hasPixels = false
        for inner in try chunks(chunk.contentAt + 16..<chunk.contentAt + chunk.length) {
            if [FourCC("ALPH"), FourCC("VP8 "), FourCC("VP8L")].contains(inner.type) || editor.choice.keepsUnknown {
                hasPixels = hasPixels || inner.type == FourCC("VP8 ") || inner.type == FourCC("VP8L")
                pieces += copied(inner)
            } else {
                editor.report.remove(Self.name(inner.type), inner.end - inner.at)
            }
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

    private func exif(_ chunk: Chunk) throws(ImageError) -> [Piece]? {
        try edited(chunk, "EXIF", keepsAll: editor.choice.keepsAll(of: .exif), editor.exifChunk)
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
        type.bytes.allSatisfy { (0x20...0x7e).contains($0) } ? type.letters : "an unknown chunk"
    }

    private static func uint32(_ bytes: [UInt8], _ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }

    private static func littleEndian(_ value: UInt64) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }
}
