import ArgumentParser
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

@main
struct ImgEncode: FilterCommand {
    static let configuration = CommandConfiguration(
        commandName: "imgencode", abstract: "Encode the pictures of a pixel stream as JPEG, PNG, WebP or PAM.",
        discussion: "Nothing is written before a picture is known to be complete.", version: Version.text)
    static let writesStream = false

    @Option(name: .shortAndLong, help: ArgumentHelp("jpeg, png, webp or pam. Without it the ending of the output's name decides, else jpeg.", valueName: "name"))
    var format: EncodedFormat?
    @Option(name: .shortAndLong, help: ArgumentHelp("Quality of JPEG and lossy WebP, 1 to 100.", valueName: "n"))
    var quality = 80
    @Option(help: ArgumentHelp("Chroma of a JPEG: auto (420 below quality 90, else 444), 444, 422, 420, 440 or 411.", valueName: "name"))
    var subsampling: SubsamplingChoice = .auto
    @Flag(help: "JPEG in several scans, coarse to fine.") var progressive = false
    @Flag(help: "JPEG with Huffman tables made for the picture.") var optimize = false
    @Option(help: ArgumentHelp("Restart markers in a JPEG, every n rows of MCUs.", valueName: "n")) var restart = 0
    @Flag(help: "WebP without loss.") var lossless = false
    @Option(help: ArgumentHelp("WebP without loss but for a preprocessing, 0 (strongest) to 100 (none).", valueName: "n"))
    var nearLossless: Int?
    @Option(help: ArgumentHelp("Quality of alpha in a lossy WebP, 0 to 100 (exact).", valueName: "n")) var alphaQuality = 100
    @Option(help: ArgumentHelp("Time spent for a smaller PNG or WebP, 0 (fastest) to 9 (smallest).", valueName: "n")) var effort: Int?
    @Option(help: ArgumentHelp("zlib's level for a PNG, 0 to 9.", valueName: "n")) var compression: Int?
    @Option(defaultAsFlag: 256, help: ArgumentHelp("PNG of at most so many colours, 2 to 256, 256 when none is said, chosen for the picture.", valueName: "colors"))
    var palette: Int?
    @Option(help: ArgumentHelp("Bits of a PNG's samples: auto (the fewest that hold the picture, grey and palettes among them), 8 or 16.", valueName: "bits"))
    var depth: Depth = .auto
    @Option(help: ArgumentHelp("What alpha is blended with in a JPEG: white, black, #rrggbb or #rgb.", valueName: "color"))
    var background: Color = .white
    @Flag(help: "Write the file that the picture comes from, where that is smaller and nothing but the encoding changed. imgdecode --carry-file sends it.")
    var ifSmaller = false
    @Option(name: .shortAndLong, help: ArgumentHelp("The output, a template for several: %n stem, %e extension, %f both, %d directory, %i number, %w %h size. Without it, or as -, standard output.", valueName: "path"))
    var output: String?
    @Flag(help: "Fail where the output exists already.") var noClobber = false
    @Flag(name: .shortAndLong, help: "Say what was done to a picture besides encoding it.") var verbose = false
    @OptionGroup(title: "Limits") var limitOptions: LimitOptions

    var writesBinaryToStandardOutput: Bool { outputPath == nil }

    private var outputPath: FilePath? {
        output.map(FilePath.init(argument:)).flatMap { $0.isStandardStream ? nil : $0 }
    }

    private func encodeOptions() throws(ImageError) -> EncodeOptions {
        if palette != nil && depth == .sixteen { throw .usage("a palette has 8 bits a sample; not with --depth 16") }
        for (name, value, range) in [
            ("--quality", quality, 1...100), ("--restart", restart, 0...65535), ("--near-lossless", nearLossless, 0...100),
            ("--effort", effort, 0...9), ("--compression", compression, 0...9), ("--alpha-quality", alphaQuality, 0...100),
            ("--palette", palette, 2...256),
        ] as [(String, Int?, ClosedRange<Int>)] {
            if let value, !range.contains(value) {
                throw .usage("\(name) \(value) is not in \(range.lowerBound)...\(range.upperBound)")
            }
        }
        var options = EncodeOptions()
        options.quality = quality
        options.subsampling = subsampling.value
        options.isProgressive = progressive
        options.optimizesTables = optimize
        options.restartRows = restart
        options.isLossless = lossless
        options.nearLossless = nearLossless
        options.effort = effort
        options.compression = compression
        options.alphaQuality = alphaQuality
        options.paletteColors = palette
        options.sample = depth.value
        options.background = background
        return options
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        var options = try encodeOptions()
        let limits = try limitOptions.limits()
        let pool = BufferPool(limits: limits)
        let outputs = try Outputs(outputPath, format: format, mayReplace: !noClobber, pool: pool)
        let stream = try StreamFilter(console, limits: limits, pool: pool)
        let messages = EncodeMessages(console, isVerbose: verbose)
        try stream.run(writesStream: false) { (source, name, number) throws(ImageError) in
            let target = try outputs.target(name: name, number: number, info: source.info)
            options.format = try outputs.format(of: target)
            if (lossless || nearLossless != nil) && options.format == .jpeg { throw .usage("a JPEG cannot be without loss; say -f webp or png") }
            let sink = CountingSink(try outputs.open(target, options.format))
            let report = try Encoder(options, pool: pool).encode(source, to: sink)
            let original = ifSmaller ? messages.original(of: source, report, options.format, name) : nil
            let takesOriginal = original.map { $0.count < sink.byteCount } ?? false
            if let original, takesOriginal {
                try sink.reset()
                try sink.write(original.span.bytes)
            }
            try outputs.finish(sink, target)
            if takesOriginal { messages.tookOriginal(name) } else { messages.say(report, of: source, options.format, name) }
        } failed: { _ throws(ImageError) in outputs.pictureFailed() }
        do throws(ImageError) {
            try outputs.end()
        } catch {
            console.report(error, subject: Array((outputs.isStandardOutput ? "standard output" : output!).utf8))
            stream.note(error.status)
        }
        return stream.status
    }
}

extension EncodedFormat: ExpressibleByArgument {}

enum Depth: String, ExpressibleByArgument, CaseIterable {
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

enum SubsamplingChoice: String, ExpressibleByArgument, CaseIterable {
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
