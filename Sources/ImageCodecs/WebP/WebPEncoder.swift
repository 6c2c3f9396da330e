import CWebP
import ImageCore

/// Still WebP through libwebp, lossy or lossless. The format needs the picture whole.
final class WebPEncoder: RowSink {
    private let sink: any ByteSink
    private let options: EncodeOptions
    private let pool: BufferPool
    private var info = ImageInfo(width: 1, height: 1, format: .rgb)
    private var metadata: [MetadataRecord] = []
    private var rows: HeldBuffer?
    private var rowsDone = 0

    init(_ sink: any ByteSink, _ options: EncodeOptions, pool: BufferPool) {
        (self.sink, self.options, self.pool) = (sink, options, pool)
    }

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        guard max(info.width, info.height) <= UInt32(WEBP_MAX_DIMENSION) else {
            throw .unsupported("\(info.width) x \(info.height) is more than a WebP holds (\(WEBP_MAX_DIMENSION) a side)")
        }
        (self.info, self.metadata) = (info, metadata)
        rows = HeldBuffer(try pool.lease(info.byteCount(rows: Int(info.height))))
        rowsDone = 0
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {}

    func write(_ bands: RawSpan, rows count: Int) throws(ImageError) {
        let target = rows!.start + rowsDone * info.rowBytes
        bands.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        rowsDone += count
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        let embedded = EmbeddedMetadata(metadata + trailingMetadata, info: info)
        guard !embedded.isEmpty else { return try encode(to: sink) }
        let bare = MemorySink()
        try encode(to: bare)
        try bare.commit()
        let file = try embedded.added(toWebP: bare.file!)
        try sink.write(file.span.bytes)
    }

    private func encode(to sink: any ByteSink) throws(ImageError) {
        var config = WebPConfig()
        var picture = WebPPicture()
        guard WebPConfigInit(&config) != 0, WebPPictureInit(&picture) != 0 else {
            throw .internalError("libwebp of another version")
        }
        defer { WebPPictureFree(&picture) }
        config.quality = Float(options.quality)
        if options.isLossless {
            // For lossless, libwebp's quality is effort; this is cwebp's -z 6.
            _ = WebPConfigLosslessPreset(&config, 6)
            // Colour under full transparency is part of the picture.
            config.exact = 1
        }
        picture.use_argb = options.isLossless ? 1 : 0
        picture.width = Int32(info.width)
        picture.height = Int32(info.height)
        let start = rows!.start.assumingMemoryBound(to: UInt8.self)
        let isImported =
            info.format.hasAlpha
            ? WebPPictureImportRGBA(&picture, start, Int32(info.rowBytes))
            : WebPPictureImportRGB(&picture, start, Int32(info.rowBytes))
        guard isImported != 0 else { throw Self.error(picture) }
        rows = nil
        let output = CodecOutput(sink)
        picture.writer = { bytes, count, picture in
            let output = Unmanaged<CodecOutput>.fromOpaque(picture!.pointee.custom_ptr!).takeUnretainedValue()
            return output.write(UnsafeRawBufferPointer(start: bytes, count: count)) ? 1 : 0
        }
        picture.custom_ptr = Unmanaged.passUnretained(output).toOpaque()
        let isEncoded = withExtendedLifetime(output) { WebPEncode(&config, &picture) != 0 }
        guard isEncoded else {
            throw picture.error_code == VP8_ENC_ERROR_BAD_WRITE ? output.writeError : Self.error(picture)
        }
    }

    private static func error(_ picture: WebPPicture) -> ImageError {
        switch picture.error_code {
        case VP8_ENC_ERROR_OUT_OF_MEMORY, VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY: .outOfMemory
        case VP8_ENC_ERROR_PARTITION0_OVERFLOW, VP8_ENC_ERROR_PARTITION_OVERFLOW, VP8_ENC_ERROR_FILE_TOO_BIG:
            .unsupported("the picture does not fit into a WebP at this quality")
        default: .internalError("libwebp error \(picture.error_code.rawValue)")
        }
    }
}
