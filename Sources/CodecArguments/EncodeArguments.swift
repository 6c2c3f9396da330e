import FilterSupport
import ImageCodecs
import ImageCore

/// The options of encoding, as imgencode has them, and whoever does the same beside other things.
public enum EncodeArguments {
    public static let declarations: [OptionDeclaration] = [
        .choice("format", short: "f", "name", EncodedFormat.self, "The format. Without it the ending of the output's name decides, else jpeg."),
        .number("quality", short: "q", in: 1...100, default: 80, "Quality of JPEG and lossy WebP, 1 to 100."),
        .value("min-ssim", "x", "The smallest JPEG or WebP whose SSIM is at least this; its quality is searched for."),
        .value("min-psnr", "db", "The same for PSNR in decibels."),
        .value("min-ssimulacra2", "x", "The same for SSIMULACRA 2."),
        .value("max-bytes", "bytes", "The best JPEG or WebP of at most so many bytes; with a floor, nothing where they cannot both be met."),
        .choice("subsampling", "name", SubsamplingChoice.self, default: .auto, "Chroma of a JPEG; auto: 420 below quality 90, else 444."),
        .flag("progressive", "JPEG in several scans, coarse to fine."),
        .flag("optimize", "JPEG with Huffman tables made for the picture."),
        .number("restart", in: 0...65535, default: 0, "Restart markers in a JPEG, every n rows of MCUs."),
        .flag("lossless", "WebP without loss."),
        .number("near-lossless", in: 0...100, "WebP without loss but for a preprocessing, 0 (strongest) to 100 (none)."),
        .number("alpha-quality", in: 0...100, default: 100, "Quality of alpha in a lossy WebP, 0 to 100 (exact)."),
        .number("effort", in: 0...9, "Time spent for a smaller PNG or WebP, 0 (fastest) to 9 (smallest)."),
        .number("compression", in: 0...9, "zlib's level for a PNG, 0 to 9."),
        .number("palette", "colors", in: 2...256, alone: 256, "PNG of at most so many colours, 2 to 256, 256 when none is said, chosen for the picture."),
        .choice("depth", "bits", Depth.self, default: .auto, "Bits of a PNG's samples; auto: the fewest that hold the picture, grey and palettes among them."),
        .value("background", "color", default: "white", "What alpha is blended with in a JPEG or Y4M: white, black, #rrggbb or #rgb."),
    ]

    enum Depth: String, CaseIterable {
        case auto
        case eight = "8"
        case sixteen = "16"

        var value: SampleType? {
            switch self {
            case .auto: nil
            case .eight: .uint8
            case .sixteen: .uint16
            }
        }
    }

    enum SubsamplingChoice: String, CaseIterable {
        case auto
        case s444 = "444"
        case s422 = "422"
        case s420 = "420"
        case s440 = "440"
        case s411 = "411"

        var value: Subsampling? {
            switch self {
            case .auto: nil
            case .s444: .s444
            case .s422: .s422
            case .s420: .s420
            case .s440: .s440
            case .s411: .s411
            }
        }
    }
}

extension GivenOptions {
    /// What `--format` says; nil where it is not given. `jpg` is jpeg, as in names of files.
    public func encodedFormat() throws(ImageError) -> EncodedFormat? { try value("format") { $0 == "jpg" ? .jpeg : EncodedFormat(rawValue: $0) } }
}

extension EncodeOptions {
    /// But for the format, which the output's name may say. Throws `usage`.
    public init(_ given: GivenOptions) throws(ImageError) {
        self.init()
        quality = try given.number("quality")!
        subsampling = try given.choice("subsampling", EncodeArguments.SubsamplingChoice.self)!.value
        isProgressive = given.flag("progressive")
        optimizesTables = given.flag("optimize")
        restartRows = try given.number("restart")!
        isLossless = given.flag("lossless")
        nearLossless = try given.number("near-lossless")
        effort = try given.number("effort")
        compression = try given.number("compression")
        alphaQuality = try given.number("alpha-quality")!
        paletteColors = try given.number("palette")
        sample = try given.choice("depth", EncodeArguments.Depth.self)!.value
        background = try given.value("background", Color.init)!
        guard background.alpha == 255 else { throw .usage("--background \(Console.printable(Array((given.text("background") ?? "").utf8))) is not opaque") }
        if paletteColors != nil && sample == .uint16 { throw .usage("a palette has 8 bits a sample; not with --depth 16") }
    }
}

extension QualityTarget {
    /// Throws `usage`.
    public init(_ given: GivenOptions) throws(ImageError) {
        self.init()
        for metric in [QualityMetric.ssim, .psnr, .ssimulacra2] {
            guard let text = given.text("min-" + metric.rawValue) else { continue }
            guard let least = Double(text), least.isFinite else { throw .usage("--min-\(metric.rawValue) \(Console.printable(Array(text.utf8))) is no number") }
            guard least <= metric.best else { throw .usage("--min-\(metric.rawValue) \(text) is more than equal pictures have, \(NumberText.general(metric.best))") }
            floors.append((metric, least))
        }
        if let most = try given.byteCount("max-bytes") {
            guard most > 0 else { throw .usage("--max-bytes 0 leaves no room for a picture") }
            mostBytes = Int(clamping: most)
        }
        if !isEmpty && given.flag("quality") { throw .usage("--quality is searched for where a floor or --max-bytes is given; leave it out") }
    }
}

extension EncodedFormat {
    /// The format that the ending of a name says, JPEG where it has none. Throws `usage` for another ending.
    public init(ofName path: FilePath) throws(ImageError) {
        let file = path.lastComponent
        guard let dot = file.lastIndex(of: UInt8(ascii: ".")), dot > 0 else {
            self = .jpeg
            return
        }
        let ending = Console.printable(Array(file[(dot + 1)...]))
        guard let format = EncodedFormat(fileExtension: ending) else {
            throw .usage("no format has the ending .\(ending); say -f jpeg, png, webp, pam or y4m")
        }
        self = format
    }
}
