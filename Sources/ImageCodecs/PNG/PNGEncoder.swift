import CCodecShims
import ImageCore

/// PNG through libpng, by rows.
final class PNGEncoder: RowSink {
    private let png: OpaquePointer
    private let output: CodecOutput
    /// zlib's own default is 6.
    private let level: Int32
    private var rowBytes = 0

    init(_ sink: any ByteSink, _ options: EncodeOptions) throws(ImageError) {
        guard let png = imgpipe_png_encoder_new() else { throw .internalError("out of memory") }
        self.png = png
        level = Int32(options.compression ?? options.effort ?? 6)
        output = CodecOutput(sink)
    }

    deinit { imgpipe_png_encoder_free(png) }

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        rowBytes = info.rowBytes
        let embedded = EmbeddedMetadata(metadata, info: info)
        try check(
            embedded.icc.withUnsafeBufferPointer { icc in
                embedded.exif.withUnsafeBufferPointer { exif in
                    embedded.xmp.withUnsafeBufferPointer { xmp in
                        var settings = settings(info)
                        settings.icc = imgpipe_bytes(bytes: icc.baseAddress, count: icc.count)
                        settings.exif = imgpipe_bytes(bytes: exif.baseAddress, count: exif.count)
                        settings.xmp = imgpipe_bytes(bytes: xmp.baseAddress, count: xmp.count)
                        return imgpipe_png_begin(png, output.callbacks, &settings)
                    }
                }
            })
    }

    private func settings(_ info: ImageInfo) -> imgpipe_png_settings {
        var settings = imgpipe_png_settings()
        settings.width = info.width
        settings.height = info.height
        settings.gray = info.format.model == .gray ? 1 : 0
        settings.alpha = info.format.hasAlpha ? 1 : 0
        settings.sample_bytes = Int32(info.format.sample.byteCount)
        settings.level = level
        settings.density_x = info.density.x
        settings.density_y = info.density.y
        return settings
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {}

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {
        try check(
            bands.withUnsafeBytes {
                imgpipe_png_write_rows(png, $0.baseAddress!.assumingMemoryBound(to: UInt8.self), rowBytes, UInt32(rows))
            })
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        try check(imgpipe_png_end(png))
    }

    private func check(_ code: imgpipe_code) throws(ImageError) {
        if code != IMGPIPE_OK { throw output.error(code, imgpipe_png_encoder_message(png)) }
    }
}
