import ImageCore

/// The formats that are written.
public enum EncodedFormat: String, CaseIterable, Sendable {
    case jpeg, png, webp, pam

    /// By the ending of a file's name, in any case.
    public init?(fileExtension: String) {
        switch fileExtension.lowercased() {
        case "jpg", "jpeg", "jpe", "jfif": self = .jpeg
        case "png": self = .png
        case "webp": self = .webp
        case "pam": self = .pam
        default: return nil
        }
    }
}

/// What an encoder is told.
public struct EncodeOptions: Sendable {
    public var format = EncodedFormat.jpeg
    /// JPEG and lossy WebP: 1...100.
    public var quality = 80
    /// JPEG; nil: 4:2:0 below quality 90, else 4:4:4.
    public var subsampling: Subsampling?
    /// JPEG: coarse to fine, in several scans.
    public var isProgressive = false
    /// JPEG: Huffman tables made for the picture.
    public var optimizesTables = false
    /// JPEG: rows of MCUs between restart markers, 0...65535; 0 none.
    public var restartRows = 0
    /// WebP without loss.
    public var isLossless = false
    /// WebP without loss but for a preprocessing of this strength: 0 (strongest) ... 100 (none).
    public var nearLossless: Int?
    /// PNG's level and WebP's method, on one scale: 0 (fastest) ... 9 (smallest). Nil: the libraries' own choice.
    public var effort: Int?
    /// PNG: zlib's level, 0...9; goes before `effort`.
    public var compression: Int?
    /// What alpha is blended with where the format has none; its own alpha does not count.
    public var background = Color.white

    public init() {}
}

/// Writes pictures of one format to sinks, one after another.
public final class Encoder {
    private let options: EncodeOptions
    private let pool: BufferPool

    public init(_ options: EncodeOptions, pool: BufferPool) {
        (self.options, self.pool) = (options, pool)
    }

    /// Reads all of `picture` and writes it upright to `sink`, not yet committed. Gives how many frames were left out: a format for
    /// still pictures takes the first.
    @discardableResult
    public func encode(_ picture: any RowSource, to sink: any ByteSink) throws(ImageError) -> Int {
        let isAnimated = picture.info.frames != 1 && options.format == .webp
        let first = isAnimated ? nil : FirstFrame(picture, pool: pool)
        let picture = first ?? picture
        let format = Self.rowFormat(of: options.format, for: picture.info)
        let converted: any RowSource = format == picture.info.format
            ? picture : try Converter(picture, to: format, background: options.background, pool: pool)
        let rows = try upright(converted, pool: pool)
        let encoder: any RowSink
        switch options.format {
        case .jpeg: encoder = try JPEGEncoder(sink, options, pool: pool)
        case .png: encoder = try PNGEncoder(sink, options)
        case .pam: encoder = PAMEncoder(sink, pool: pool)
        case .webp: encoder = isAnimated
            ? try WebPAnimationEncoder(sink, options, pool: pool) : WebPEncoder(sink, options, pool: pool)
        }
        try transfer(from: rows, to: encoder, pool: pool)
        return first?.framesLeft ?? 0
    }

    /// The rows that a format takes of such a picture.
    static func rowFormat(of format: EncodedFormat, for info: ImageInfo) -> PixelFormat {
        let model: ColorModel = info.format.model == .gray ? .gray : .rgb
        let alpha: Alpha = info.format.hasAlpha ? .straight : .none
        switch format {
        case .jpeg: return PixelFormat(model)
        case .webp: return PixelFormat(.rgb, alpha: alpha)
        // Rows that a filter has carried with more bits than the picture had go back to what holds it.
        case .png, .pam: return PixelFormat(model, alpha: alpha, sample: info.depth > 8 ? info.format.sample : .uint8)
        }
    }
}

/// A picture without its later frames: these are read, for the sake of the proof that the picture is complete, and dropped.
final class FirstFrame: RowSource {
    private let source: any RowSource
    private let pool: BufferPool
    private var hasFrame = true
    private(set) var framesLeft = 0

    init(_ source: any RowSource, pool: BufferPool) {
        (self.source, self.pool) = (source, pool)
    }

    var info: ImageInfo { source.info }
    var metadata: [MetadataRecord] { source.metadata }
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    func nextFrame() throws(ImageError) -> Frame? {
        if hasFrame {
            hasFrame = false
            return try source.nextFrame()
        }
        guard try source.nextFrame() != nil else { return nil }
        var buffer = try pool.lease(info.bandBufferBytes)
        repeat {
            framesLeft += 1
            var bands = buffer.mutableBytes
            while try source.read(into: &bands) > 0 {}
        } while try source.nextFrame() != nil
        return nil
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        try source.read(into: &bands)
    }
}
