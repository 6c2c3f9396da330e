import ImageColor
import ImageCore

/// The formats that are written.
public enum EncodedFormat: String, CaseIterable, Sendable {
    /// JPEG, ITU-T T.81, with 8 bits a sample: grey or YCbCr.
    case jpeg
    /// PNG, 3rd edition: the smallest colour type and depth that hold the picture, unless told otherwise.
    case png
    /// WebP, RFC 9649: lossy or without loss, animated where the picture is.
    case webp
    /// Netpbm's PAM: 8 or 16 bits a sample, no metadata.
    case pam
    /// YUV4MPEG2, for video encoders: planes of 8 bits, full range, all frames at one rate, no metadata.
    case y4m

    /// By the ending of a file's name, in any case.
    public init?(fileExtension: String) {
        switch fileExtension.lowercased() {
        case "jpg", "jpeg", "jpe", "jfif": self = .jpeg
        case "png": self = .png
        case "webp": self = .webp
        case "pam": self = .pam
        case "y4m": self = .y4m
        default: return nil
        }
    }
}

extension EncodedFormat {
    /// As pictures of it say where they come from.
    public var source: SourceFormat {
        switch self {
        case .jpeg: .jpeg
        case .png: .png
        case .webp: .webp
        case .pam: .pnm
        case .y4m: .unknown
        }
    }

    /// Whether an animation has its frames in it.
    var holdsFrames: Bool { self == .webp || self == .y4m }

    /// Rows as they are, without an end mark: it goes out as it comes, and no source's own file takes its place.
    public var isRaw: Bool { self == .pam || self == .y4m }

    /// What to call a record that the format has no place for; nil where it has one.
    public func nameWithoutPlace(_ record: MetadataRecord) -> String? {
        switch (self, record.type) {
        case (.jpeg, .text): record.payload.starts(with: JPEGSegments.commentKeyword) ? nil : "texts other than comments"
        case (.webp, .iptc), (.pam, .iptc), (.y4m, .iptc): "IPTC"
        case (.webp, .text), (.pam, .text), (.y4m, .text): "texts"
        case (.pam, .icc), (.y4m, .icc): "ICC profile"
        case (.pam, .exif), (.y4m, .exif): "EXIF"
        case (.pam, .xmp), (.y4m, .xmp): "XMP"
        default: nil
        }
    }
}

/// What an encoder is told.
public struct EncodeOptions: Sendable {
    /// What is written.
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
    /// Lossy WebP: quality of alpha, 0...100; 100 is exact.
    public var alphaQuality = 100
    /// PNG: zlib's level, 0...9; goes before `effort`.
    public var compression: Int?
    /// PNG: the most colours of a palette, 2...256, made for the picture where it has more; nil: a palette only where it is exact.
    public var paletteColors: Int?
    /// PNG: bits of a sample. Nil: the fewest that hold the picture exactly, grey and palettes among them; else the picture's channels
    /// stay.
    public var sample: SampleType?
    /// What alpha is blended with where the format has none; its own alpha does not count.
    public var background = Color.white

    /// A JPEG of quality 80, baseline.
    public init() {}

    /// Throws `usage` for what the format cannot be.
    public func check() throws(ImageError) {
        if format == .jpeg && (isLossless || nearLossless != nil) { throw .usage("a JPEG cannot be without loss; say -f webp or png") }
    }

    /// JPEG: 4:2:0 halves the bytes of chroma twice; from quality 90 on people ask for more than it holds.
    var chromaSubsampling: Subsampling { subsampling ?? (quality < 90 ? .s420 : .s444) }
}

/// What became of a picture beside the file.
public struct EncodeReport: Sendable {
    /// Frames that the format has no place for: it takes the first.
    public var framesLeft = 0
    /// Metadata that the format has no place for, or not for so much of it.
    public var leftOut: [String] = []
    /// The file is one that would show the picture of its source: nothing but the encoding changed.
    public var showsItsSource = true
}

/// Writes pictures of one format to sinks, one after another.
public final class Encoder {
    private let options: EncodeOptions
    private let pool: BufferPool

    /// `options`: of all pictures; `EncodeOptions.check` was asked. `pool`: lends the buffers.
    public init(_ options: EncodeOptions, pool: BufferPool) {
        (self.options, self.pool) = (options, pool)
    }

    /// Reads all of `picture` and writes it upright to `sink`, not yet committed. Throws `usage` for a picture that a decoder has scaled down.
    public func encode(_ picture: any RowSource, to sink: any ByteSink) throws(ImageError) -> EncodeReport {
        if picture.info.isScaled { throw .usage("the picture was decoded smaller, and no imgresize came after; leave out imgdecode's --for") }
        let isAnimated = picture.info.frames != 1 && options.format.holdsFrames
        let first = isAnimated ? nil : FirstFrame(picture, pool: pool)
        let rows = try prepared(first ?? picture)
        var report = EncodeReport()
        switch options.format {
        case .jpeg:
            let encoder = try JPEGEncoder(sink, options, pool: pool)
            try transfer(from: rows, to: encoder, pool: pool)
            report.leftOut = encoder.leftOut
        case .png:
            let (rows, coding) = try coded(rows)
            let encoder = try PNGEncoder(sink, options, coding, pool: pool)
            try transfer(from: rows, to: encoder, pool: pool)
            report.leftOut = encoder.leftOut
        case .pam: try transfer(from: rows, to: PAMEncoder(sink, pool: pool), pool: pool)
        case .y4m:
            let encoder = Y4MEncoder(sink, pool: pool)
            try transfer(from: rows, to: encoder, pool: pool)
            report.leftOut = encoder.leftOut
        case .webp:
            let encoder: any RowSink = isAnimated
                ? try WebPAnimationEncoder(sink, options, pool: pool) : WebPEncoder(sink, options, pool: pool)
            try transfer(from: rows, to: encoder, pool: pool)
        }
        report.framesLeft = first?.framesLeft ?? 0
        report.showsItsSource = report.framesLeft == 0 && !(rows is AlteredPicture)
        return report
    }

    /// `picture` as rows that the format takes, upright. `keepsDepth`: but for its bits.
    func prepared(_ picture: any RowSource, keepsDepth: Bool = false) throws(ImageError) -> any RowSource {
        let before = picture.info
        var format = Self.rowFormat(of: options, for: before)
        if keepsDepth { format.sample = before.format.sample }
        var rows = picture
        // A profile of grey serves no RGB: its curve is applied first.
        if before.format.model == .gray && format.model == .rgb { rows = ColorConverter(rows) ?? rows }
        if format != before.format { rows = try Converter(rows, to: format, background: options.background, pool: pool) }
        rows = try upright(rows, pool: pool)
        let isAltered = before.orientation != 1 || (before.format.hasAlpha && !format.hasAlpha)
        return isAltered ? AlteredPicture(rows) : rows
    }

    /// Rows of a PNG, and how they are to be written.
    private func coded(_ rows: any RowSource) throws(ImageError) -> (rows: any RowSource, coding: PNGCoding) {
        if let colorCount = options.paletteColors { return try PNGReducer.quantized(rows, colorCount: colorCount, pool: pool) }
        return options.sample == nil ? try PNGReducer.reduced(rows, options, pool: pool) : (rows, .direct)
    }

    /// Whether rows are such as a JPEG holds: YCbCr that need not be converted, planes with the subsampling asked for.
    private static func isJPEGs(_ info: ImageInfo, _ options: EncodeOptions) -> Bool {
        guard info.format.model == .ycbcr, !info.format.hasAlpha, info.format.sample == .uint8 else { return false }
        // Turned, chroma that several pixels share would not lie right in every case.
        return info.format.layout == .packed || (info.format.subsampling == options.chromaSubsampling && info.orientation == 1)
    }

    /// Whether rows are planes that need not be turned.
    private static func isPlanes(_ info: ImageInfo) -> Bool {
        info.format.layout == .planar && info.format.sample == .uint8 && info.orientation == 1
    }

    /// The rows that a format takes of such a picture.
    private static func rowFormat(of options: EncodeOptions, for info: ImageInfo) -> PixelFormat {
        let model: ColorModel = info.format.model == .gray ? .gray : .rgb
        let alpha: Alpha = info.format.hasAlpha ? .straight : .none
        // Rows that a filter has carried with more bits than the picture had go back to what holds it.
        let exactSample: SampleType = info.depth > 8 ? info.format.sample : .uint8
        switch options.format {
        case .jpeg where isJPEGs(info, options): return info.format
        case .jpeg: return PixelFormat(model)
        case .webp: return PixelFormat(.rgb, alpha: alpha)
        case .png where options.paletteColors != nil: return PixelFormat(.rgb, alpha: alpha)
        case .png: return PixelFormat(model, alpha: alpha, sample: options.sample ?? exactSample)
        case .pam: return PixelFormat(model, alpha: alpha, sample: exactSample)
        case .y4m: return isPlanes(info) ? info.format : PixelFormat(model)
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
