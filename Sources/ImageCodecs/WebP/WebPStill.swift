import CWebP
import CWebPDemux
import ImageCore

/// A still WebP decoded piece by piece, so that its first rows are under way while the last ones are decoded.
///
/// The whole picture is held all the same: libwebp wants one buffer for all its rows.
final class WebPStill {
    private let decoder: OpaquePointer
    /// libwebp keeps a pointer to it.
    private let config: UnsafeMutablePointer<WebPDecoderConfig>
    private let picture: BufferLease
    private let file: UnsafePointer<UInt8>
    private let fileBytes: Int
    /// Bytes of the file that the decoder was shown.
    private var shown = 0
    /// So many pieces cost libwebp no time that can be measured, and make the first rows wait for little.
    private let pieceBytes: Int
    private let height: Int
    private let deadline: Deadline

    /// `info`: the rows that are to come, `rgb` or `rgba`, smaller than the file's where that is to be scaled. The bytes stay where they
    /// are while this lives.
    init(_ file: UnsafePointer<UInt8>, _ fileBytes: Int, info: ImageInfo, pool: BufferPool) throws(ImageError) {
        (self.file, self.fileBytes, height, deadline) = (file, fileBytes, Int(info.height), pool.deadline)
        pieceBytes = max(fileBytes / 32, 4096)
        picture = try pool.lease(info.byteCount(rows: Int(info.height)))
        config = .allocate(capacity: 1)
        config.initialize(to: WebPDecoderConfig())
        guard WebPInitDecoderConfig(config) != 0 else {
            config.deallocate()
            throw .internalError("libwebp of another version")
        }
        config.pointee.output.colorspace = info.format.hasAlpha ? MODE_RGBA : MODE_RGB
        config.pointee.output.is_external_memory = 1
        config.pointee.output.u.RGBA.rgba = picture.start.assumingMemoryBound(to: UInt8.self)
        config.pointee.output.u.RGBA.stride = Int32(info.rowBytes)
        config.pointee.output.u.RGBA.size = picture.count
        if info.isScaled {
            config.pointee.options.use_scaling = 1
            config.pointee.options.scaled_width = Int32(info.width)
            config.pointee.options.scaled_height = Int32(info.height)
        }
        guard let decoder = WebPIDecode(nil, 0, config) else {
            config.deallocate()
            throw .outOfMemory
        }
        self.decoder = decoder
    }

    deinit {
        WebPIDelete(decoder)
        config.deallocate()
    }

    /// The rows from the first on that are decoded, more than `rows`, which is less than the picture's; all of them are not given before
    /// the picture is proved complete.
    func rows(after rows: Int) throws(ImageError) -> Int {
        while true {
            var last: Int32 = 0
            if shown > 0, WebPIDecGetRGB(decoder, &last, nil, nil, nil) != nil, last > rows, last < height { return Int(last) }
            try deadline.check()
            let status = shown < fileBytes ? showMore() : VP8_STATUS_NOT_ENOUGH_DATA
            switch status {
            case VP8_STATUS_OK: return height
            case VP8_STATUS_SUSPENDED where shown < fileBytes: continue
            // What the last piece has brought.
            case VP8_STATUS_SUSPENDED where WebPIDecGetRGB(decoder, &last, nil, nil, nil) != nil && last > rows && last < height: return Int(last)
            default: throw WebPDecoder.error(status)
            }
        }
    }

    private func showMore() -> VP8StatusCode {
        shown = min(shown + pieceBytes, fileBytes)
        return WebPIUpdate(decoder, file, shown)
    }

    /// All rows, those that are decoded among them.
    var start: UnsafeRawPointer { UnsafeRawPointer(picture.start) }
}
