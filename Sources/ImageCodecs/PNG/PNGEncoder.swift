import CCodecShims
import ImageCore

/// PNG through libpng, by rows.
final class PNGEncoder: RowSink {
    private let png: OpaquePointer
    private let output: CodecOutput
    /// zlib's own default is 6.
    private let level: Int32
    private let coding: PNGCoding
    private var info = ImageInfo(width: 1, height: 1, format: .gray)
    /// Metadata that has no place in the file, and why.
    private(set) var leftOut: [String] = []

    private let pool: BufferPool
    /// Where the level is about time, rows go around libpng.
    private var packer: PNGPacker?

    init(_ sink: any ByteSink, _ options: EncodeOptions, _ coding: PNGCoding, pool: BufferPool) throws(ImageError) {
        guard let png = imgpipe_png_encoder_new() else { throw .outOfMemory }
        self.png = png
        level = Int32(options.compression ?? options.effort ?? 6)
        (self.coding, self.pool) = (coding, pool)
        output = CodecOutput(sink)
    }

    deinit { imgpipe_png_encoder_free(png) }

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        self.info = info
        var pictured = info
        // Indexes come as grey rows, and are colours.
        if case .palette = coding { pictured.setFormat(.rgb) }
        let embedded = EmbeddedMetadata(metadata, info: pictured)
        let palette: [UInt8] = if case .palette(let colors, _) = coding { colors.flatMap { [$0.red, $0.green, $0.blue, $0.alpha] } } else { [] }
        let codePoints = Self.codePoints(info)
        try check(
            embedded.icc.withUnsafeBufferPointer { icc in
                palette.withUnsafeBufferPointer { palette in
                    codePoints.withUnsafeBufferPointer { codePoints in
                        var settings = settings
                        settings.srgb = icc.isEmpty && info.color == .sRGB(info.format.model) ? 1 : 0
                        settings.icc = imgpipe_bytes(bytes: icc.baseAddress, count: icc.count)
                        settings.palette = imgpipe_bytes(bytes: palette.baseAddress, count: palette.count)
                        settings.code_points = imgpipe_bytes(bytes: codePoints.baseAddress, count: codePoints.count)
                        return imgpipe_png_begin(png, output.callbacks, &settings)
                    }
                }
            })
        try write(embedded)
        if (1...2).contains(level), settings.depth >= 8 {
            let png = png, output = output
            packer = try PNGPacker(info, level: Int(level), pool: pool) { (bytes, count) throws(ImageError) in
                try Self.write(png, output, "IDAT", bytes, count)
            }
        }
    }

    private var settings: imgpipe_png_settings {
        var settings = imgpipe_png_settings()
        settings.width = info.width
        settings.height = info.height
        settings.gray = info.format.model == .gray ? 1 : 0
        settings.alpha = info.format.hasAlpha ? 1 : 0
        settings.depth = switch coding {
        case .direct: Int32(8 * info.format.sample.byteCount)
        case .gray(let bits), .palette(_, let bits): Int32(bits)
        }
        settings.level = level
        settings.density_x = info.density.x
        settings.density_y = info.density.y
        return settings
    }

    /// cICP of colour that is stated and not sRGB: beside the profile that stands for it, it says what a profile cannot (PQ, HLG).
    private static func codePoints(_ info: ImageInfo) -> [UInt8] {
        let color = info.color
        guard color.primaries != 2, color.transfer != 2, color != .sRGB(info.format.model) else { return [] }
        return [color.primaries, color.transfer, 0, 1]
    }

    private func write(_ metadata: EmbeddedMetadata) throws(ImageError) {
        if !metadata.exif.isEmpty { try write("eXIf", metadata.exif) }
        let blocks = (metadata.xmp.isEmpty ? [] : [PNGChunks.xmp(metadata.xmp)]) + (metadata.iptc.isEmpty ? [] : [PNGChunks.iptc(metadata.iptc)])
        for chunk in blocks { try write(chunk.type, chunk.payload) }
        for text in metadata.texts {
            guard let chunk = PNGChunks.text(text) else {
                leftOut.append("a text that a PNG cannot hold")
                continue
            }
            try write(chunk.type, chunk.payload)
        }
    }

    private func write(_ type: StaticString, _ payload: [UInt8]) throws(ImageError) {
        try Self.write(png, output, type, payload, payload.count)
    }

    private static func write(
        _ png: OpaquePointer, _ output: CodecOutput, _ type: StaticString, _ bytes: UnsafePointer<UInt8>, _ count: Int
    ) throws(ImageError) {
        let name = UnsafeRawPointer(type.utf8Start).assumingMemoryBound(to: CChar.self)
        try check(imgpipe_png_write_chunk(png, name, bytes, count), png, output)
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {}

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        if let packer { return try bands.withUnsafeBytes { (rows) throws(ImageError) in try packer.pack(rows) } }
        try check(
            bands.withUnsafeBytes {
                imgpipe_png_write_rows(png, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), info.rowBytes, UInt32(rows))
            })
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        try packer?.end()
        try write(EmbeddedMetadata(trailingMetadata.filter { $0.type != .icc }, info: info))
        // libpng ends no picture whose rows it has not seen.
        if packer != nil { try write("IEND", []) } else { try check(imgpipe_png_end(png)) }
    }

    private func check(_ code: imgpipe_code) throws(ImageError) { try Self.check(code, png, output) }

    private static func check(_ code: imgpipe_code, _ png: OpaquePointer, _ output: CodecOutput) throws(ImageError) {
        if code != IMGPIPE_OK { throw output.error(code, imgpipe_png_encoder_message(png)) }
    }
}
