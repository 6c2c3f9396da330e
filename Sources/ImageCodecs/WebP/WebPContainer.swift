import ImageCore
import ImageMetadata

/// The chunks of a WebP, around its picture and in it: RFC 9649, 2.7.
///
/// A walk from chunk to chunk; where a size leads nowhere, on to the next place, aligned to two bytes, where a chunk that pictures are made of
/// begins with a size that fits.
enum WebPContainer {
    struct Chunk {
        let type: FourCC
        /// Of its content, as far as it is there.
        let content: Range<Int>
        /// Bytes that it states and that are not there.
        let missing: Int

        var isWhole: Bool { missing == 0 }
    }

    static let frameTypes: [FourCC] = [FourCC("VP8 "), FourCC("VP8L"), FourCC("ANMF")]
    private static let otherTypes: [FourCC] = [FourCC("VP8X"), FourCC("ANIM"), FourCC("ALPH")] + metadataTypes.map(\.type)
    /// With their flags in VP8X, and what they are in a stream.
    static let metadataTypes: [(type: FourCC, flag: UInt8, record: FourCC)] = [
        (FourCC("ICCP"), 0x20, .icc), (FourCC("EXIF"), 0x08, .exif), (FourCC("XMP "), 0x04, .xmp),
    ]
    static let alphaFlag: UInt8 = 0x10
    static let animationFlag: UInt8 = 0x02

    /// Of the extended header; nil for a file without one.
    static func flags(of file: UnsafeRawBufferPointer) -> UInt8? {
        file.count >= 30 && FourCC(code: file.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) == FourCC("VP8X") ? file[20] : nil
    }

    /// Metadata, loop count and frame count of a whole file.
    static func read(
        _ start: UnsafePointer<UInt8>, _ count: Int, limits: Limits
    ) throws(ImageError) -> ([MetadataRecord], loop: UInt32, frames: UInt32) {
        let file = UnsafeRawBufferPointer(start: start, count: count)
        // Only what an extended header speaks of counts.
        guard let flags = Self.flags(of: file) else { return ([], 0, 1) }
        let chunks = Self.chunks(file)
        var records: [MetadataRecord] = []
        for kind in metadataTypes {
            guard flags & kind.flag != 0, let chunk = chunks.first(where: { $0.type == kind.type && $0.isWhole }) else { continue }
            var payload = Array(file[chunk.content])
            // Some writers put JPEG's header before the TIFF header.
            if kind.record == .exif && payload.starts(with: JPEGSegment.exifSignature) { payload.removeFirst(JPEGSegment.exifSignature.count) }
            if !payload.isEmpty { records.append(MetadataRecord(kind.record, payload)) }
        }
        try limits.check(.metadata, UInt64(records.reduce(0) { $0 + $1.payload.count }))
        guard flags & animationFlag != 0 else { return (records, 0, 1) }
        let control = chunks.first { $0.type == FourCC("ANIM") && $0.content.count >= 6 }
        let loop = control.map { UInt32(file[$0.content.lowerBound + 4]) | UInt32(file[$0.content.lowerBound + 5]) << 8 }
        return (records, loop ?? 0, UInt32(clamping: chunks.count { $0.type == FourCC("ANMF") }))
    }

    /// The chunks that are known, in order.
    static func chunks(_ file: UnsafeRawBufferPointer) -> [Chunk] {
        var chunks: [Chunk] = []
        // Fuzzed files have thousands; pictures a few.
        var at = 12
        while at + 8 <= file.count, chunks.count < 1 << 16 {
            let type = FourCC(code: file.loadUnaligned(fromByteOffset: at, as: UInt32.self))
            let size = Int(UInt32(littleEndian: file.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self)))
            let isKnown = frameTypes.contains(type) || otherTypes.contains(type)
            let isWhole = size <= file.count - at - 8
            // A cut picture ends the file.
            let isSound = type != FourCC("VP8X") || size >= 10
            if isKnown && isSound && (isWhole || type == FourCC("VP8 ") || type == FourCC("VP8L") || type == FourCC("ANMF")) {
                chunks.append(Chunk(type: type, content: at + 8..<at + 8 + min(size, file.count - at - 8), missing: max(0, size - (file.count - at - 8))))
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
}
