import CWebP
import CWebPMux
import ImageCore

/// Animated WebP through libwebpmux, which finds what changed from frame to frame. Durations and loop count are the picture's.
final class WebPAnimationEncoder: RowSink {
    private let sink: any ByteSink
    private let pool: BufferPool
    private var config: WebPConfig
    private var info = ImageInfo(width: 1, height: 1, format: .rgb)
    private var metadata: [MetadataRecord] = []
    private var encoder: OpaquePointer?
    private var rows: HeldBuffer?
    private var rowsDone = 0
    /// When the frame at hand is shown, and for how long, in milliseconds.
    private var shownAt: UInt64 = 0
    private var duration: UInt32?

    init(_ sink: any ByteSink, _ options: EncodeOptions, pool: BufferPool) throws(ImageError) {
        (self.sink, self.pool) = (sink, pool)
        config = try WebPConfig(options)
    }

    deinit { WebPAnimEncoderDelete(encoder) }

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        try WebPEncoder.checkSize(info)
        (self.info, self.metadata) = (info, metadata)
        let canvas = info.byteCount(rows: Int(info.height))
        rows = HeldBuffer(try pool.lease(canvas))
        // The encoder holds three canvases of four bytes a pixel.
        try pool.check(bytes: 3 * UInt64(info.width) * UInt64(info.height) * 4)
        var options = WebPAnimEncoderOptions()
        guard WebPAnimEncoderOptionsInit(&options) != 0 else { throw .internalError("libwebpmux of another version") }
        options.anim_params.loop_count = Int32(clamping: min(info.loop, 65535))
        encoder = WebPAnimEncoderNew(Int32(info.width), Int32(info.height), &options)
        guard encoder != nil else { throw .outOfMemory }
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {
        try addFrame()
        duration = frame.durationMilliseconds
        rowsDone = 0
    }

    func write(_ bands: RawSpan, rows count: Int) throws(ImageError) {
        let target = rows!.start + rowsDone * info.rowBytes
        bands.withUnsafeBytes { target.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        rowsDone += count
    }

    /// Gives the frame that was read to the encoder.
    private func addFrame() throws(ImageError) {
        guard let duration, let rows else { return }
        var picture = try WebPPicture(rows.start, info)
        defer { WebPPictureFree(&picture) }
        guard shownAt <= UInt64(Int32.max) else { throw .unsupported("an animation of more than 24 days") }
        guard WebPAnimEncoderAdd(encoder, &picture, Int32(shownAt), &config) != 0 else { throw error }
        shownAt += UInt64(duration)
    }

    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) {
        try addFrame()
        guard shownAt <= UInt64(Int32.max) else { throw .unsupported("an animation of more than 24 days") }
        var assembled = WebPData()
        defer { WebPDataClear(&assembled) }
        guard WebPAnimEncoderAdd(encoder, nil, Int32(shownAt), nil) != 0, WebPAnimEncoderAssemble(encoder, &assembled) != 0 else {
            throw error
        }
        let file = Array(UnsafeBufferPointer(start: assembled.bytes, count: assembled.size))
        let embedded = EmbeddedMetadata(metadata + trailingMetadata, info: info)
        let whole = embedded.isEmpty ? file : try embedded.added(toWebP: file)
        try sink.write(whole.span.bytes)
    }

    private var error: ImageError {
        .internalError("libwebpmux: \(encoder.map { String(cString: WebPAnimEncoderGetError($0)) } ?? "no encoder")")
    }
}
