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
        try Self.checkSize(info)
        (self.info, self.metadata) = (info, metadata)
        rows = HeldBuffer(try pool.lease(info.byteCount(rows: Int(info.height))))
        rowsDone = 0
    }

    static func checkSize(_ info: ImageInfo) throws(ImageError) {
        guard max(info.width, info.height) <= UInt32(WEBP_MAX_DIMENSION) else {
            throw .unsupported("\(info.width) x \(info.height) is more than a WebP holds (\(WEBP_MAX_DIMENSION) a side)")
        }
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
        var config = try WebPConfig(options)
        var picture = try WebPPicture(rows!.start, info)
        defer { WebPPictureFree(&picture) }
        rows = nil
        let output = CodecOutput(sink)
        output.deadline = pool.deadline
        // Asked for after each part of the work.
        picture.progress_hook = { _, picture in
            let output = Unmanaged<CodecOutput>.fromOpaque(picture!.pointee.custom_ptr!).takeUnretainedValue()
            return output.isInTime ? 1 : 0
        }
        picture.writer = { bytes, count, picture in
            let output = Unmanaged<CodecOutput>.fromOpaque(picture!.pointee.custom_ptr!).takeUnretainedValue()
            return output.write(UnsafeRawBufferPointer(start: bytes, count: count)) ? 1 : 0
        }
        picture.custom_ptr = Unmanaged.passUnretained(output).toOpaque()
        picture.use_argb = config.lossless
        let isEncoded = withExtendedLifetime(output) { WebPEncode(&config, &picture) != 0 }
        guard isEncoded else {
            if picture.error_code == VP8_ENC_ERROR_USER_ABORT { throw pool.deadline.error }
            throw picture.error_code == VP8_ENC_ERROR_BAD_WRITE ? output.writeError : picture.error
        }
    }
}

extension WebPConfig {
    init(_ options: EncodeOptions) throws(ImageError) {
        self.init()
        guard WebPConfigInit(&self) != 0 else { throw .internalError("libwebp of another version") }
        quality = Float(options.quality)
        alpha_quality = Int32(options.alphaQuality)
        if options.isLossless || options.nearLossless != nil {
            // For lossless, libwebp's quality is effort too; a preset sets both. 6 is cwebp's default.
            _ = WebPConfigLosslessPreset(&self, Int32(options.effort ?? 6))
            near_lossless = Int32(options.nearLossless ?? 100)
            // Colour under full transparency is part of the picture, where all of it is to be kept: libwebp does no near-lossless
            // preprocessing beside this.
            exact = near_lossless == 100 ? 1 : 0
        } else if let effort = options.effort {
            // 0...9 to 0...6.
            method = Int32((effort * 6 + 4) / 9)
        }
    }
}

extension WebPPicture {
    /// A copy of rows of RGB or RGBA.
    init(_ rows: UnsafeMutableRawPointer, _ info: ImageInfo) throws(ImageError) {
        self.init()
        guard WebPPictureInit(&self) != 0 else { throw .internalError("libwebp of another version") }
        use_argb = 1
        width = Int32(info.width)
        height = Int32(info.height)
        let start = rows.assumingMemoryBound(to: UInt8.self)
        let isImported =
            info.format.hasAlpha
            ? WebPPictureImportRGBA(&self, start, Int32(info.rowBytes)) : WebPPictureImportRGB(&self, start, Int32(info.rowBytes))
        guard isImported != 0 else {
            let error = error
            WebPPictureFree(&self)
            throw error
        }
    }

    var error: ImageError {
        switch error_code {
        // It forgets the reason in places, and there it is that.
        case VP8_ENC_OK, VP8_ENC_ERROR_OUT_OF_MEMORY, VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY: .outOfMemory
        case VP8_ENC_ERROR_PARTITION0_OVERFLOW, VP8_ENC_ERROR_PARTITION_OVERFLOW, VP8_ENC_ERROR_FILE_TOO_BIG:
            .unsupported("the picture does not fit into a WebP at this quality")
        default: .internalError("libwebp error \(error_code.rawValue)")
        }
    }
}
