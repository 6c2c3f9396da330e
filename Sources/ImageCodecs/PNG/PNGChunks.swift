import CCodecShims
import ImageCore
import ImageMetadata

/// Chunks as they stand in a file.
enum PNGChunks {
    /// Gives `take` the metadata that stands behind the pixels of a PNG, before these are read; the source stays where it is. False
    /// where the input is no file. One that is cut ends the search, and will fail.
    static func behindPixels(
        of source: ByteSource, limits: Limits, take: (FourCC, UnsafeRawBufferPointer) throws(ImageError) -> Void
    ) throws(ImageError) -> Bool {
        var at: UInt64 = 8
        var isBehind = false
        for _ in 0..<mostChunks {
            guard let head = source.peek(at: at, count: 8) else { return at > 8 }
            let length = head[..<4].reduce(0) { $0 << 8 | UInt64($1) }
            let type = FourCC(head[4..<8])
            if type == FourCC("IEND") { break }
            if type == FourCC("IDAT") { isBehind = true }
            if isBehind && [FourCC("eXIf"), FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt")].contains(type) {
                try limits.check(.metadata, length)
                guard let chunk = source.peek(at: at + 4, count: Int(length) + 8) else { break }
                if imgpipe_crc32(0, chunk, Int(length) + 4) == chunk.suffix(4).reduce(0, { $0 << 8 | UInt32($1) }) {
                    try chunk[4..<chunk.count - 4].withUnsafeBufferPointer { (payload) throws(ImageError) in
                        try take(type, UnsafeRawBufferPointer(payload))
                    }
                }
            }
            at += length + 12
        }
        return true
    }

    /// More than this and nothing is looked for: 8 GB of libpng's chunks.
    private static let mostChunks = 1_000_000

    /// tEXt, or iTXt where Latin-1 does not hold it, of a record of keyword, NUL and UTF-8; nil where PNG has no such keyword.
    static func text(_ record: [UInt8]) -> (type: StaticString, payload: [UInt8])? {
        record.firstIndex(of: 0).flatMap { PNGText.chunk(keyword: Array(record[..<$0]), text: record[($0 + 1)...]) }
    }

    /// XMP goes into an iTXt, uncompressed so that it can be found without a decoder.
    static func xmp(_ packet: [UInt8]) -> (type: StaticString, payload: [UInt8]) {
        ("iTXt", PNGText.internationalChunk(Array(PNGText.xmpKeyword.utf8), packet))
    }

    static func iptc(_ block: [UInt8]) -> (type: StaticString, payload: [UInt8]) { ("tEXt", PNGText.chunk(iptc: block)) }
}
