import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

@main
struct ImgEncode: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgencode", summary: "Encode the pictures of a pixel stream as JPEG, PNG, WebP or PAM.",
        discussion: "Nothing is written before a picture is known to be complete.",
        options: [
            .choice("format", short: "f", "name", EncodedFormat.self, "The format. Without it the ending of the output's name decides, else jpeg."),
            .number("quality", short: "q", in: 1...100, default: 80, "Quality of JPEG and lossy WebP, 1 to 100."),
            .value("min-ssim", "x", "The smallest JPEG or WebP whose SSIM is at least this; its quality is searched for."),
            .value("min-psnr", "db", "The same for PSNR in decibels."),
            .value("min-ssimulacra2", "x", "The same for SSIMULACRA 2."),
            .value("max-bytes", "n", "The best JPEG or WebP of at most so many bytes; with a floor, nothing where they cannot both be met."),
            .value("tune-table", "file", "With a floor or --max-bytes: write bytes and scores of every fifth quality, as comma-separated values."),
            .value("plot", "file", "The same as a drawing, SVG."),
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
            .value("background", "color", default: "white", "What alpha is blended with in a JPEG: white, black, #rrggbb or #rgb."),
            .flag("if-smaller", "Write the file that the picture comes from, where that is smaller and nothing but the encoding changed. imgdecode --carry-file sends it."),
            .value("output", short: "o", "path", "The output, a template for several: %n stem, %e extension, %f both, %d directory, %i number, %w %h size. Without it, or as -, standard output."),
            .flag("no-clobber", "Fail where the output exists already."),
            .flag("verbose", short: "v", "Say what was done to a picture besides encoding it."),
        ])
    static let writesStream = false

    private let options: EncodeOptions
    private let goal: QualityTarget
    private let table: FilePath?
    private let plot: FilePath?
    private let format: EncodedFormat?
    private let output: FilePath?
    private let mayReplace: Bool
    private let keepsSmaller: Bool
    private let isVerbose: Bool
    private let limits: Limits
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        var options = EncodeOptions()
        options.quality = try given.number("quality")!
        options.subsampling = try given.choice("subsampling", SubsamplingChoice.self)!.value
        options.isProgressive = given.flag("progressive")
        options.optimizesTables = given.flag("optimize")
        options.restartRows = try given.number("restart")!
        options.isLossless = given.flag("lossless")
        options.nearLossless = try given.number("near-lossless")
        options.effort = try given.number("effort")
        options.compression = try given.number("compression")
        options.alphaQuality = try given.number("alpha-quality")!
        options.paletteColors = try given.number("palette")
        options.sample = try given.choice("depth", Depth.self)!.value
        options.background = try given.value("background", Color.init)!
        if options.paletteColors != nil && options.sample == .uint16 { throw .usage("a palette has 8 bits a sample; not with --depth 16") }
        self.options = options
        goal = try Self.goal(given)
        (table, plot) = (given.text("tune-table").map { FilePath(argument: $0) }, given.text("plot").map { FilePath(argument: $0) })
        for path in [table, plot] where path?.isStandardStream ?? false { throw .usage("--tune-table and --plot need the name of a file") }
        if let table, let plot, table == plot { throw .usage("--tune-table and --plot would be the same file") }
        if goal.isEmpty && (table != nil || plot != nil) { throw .usage("--tune-table and --plot need a floor, or --max-bytes") }
        format = try given.choice("format", EncodedFormat.self)
        let path = given.text("output").map { FilePath(argument: $0) }
        output = path.flatMap { $0.isStandardStream ? nil : $0 }
        mayReplace = !given.flag("no-clobber")
        (keepsSmaller, isVerbose) = (given.flag("if-smaller"), given.flag("verbose"))
        (limits, sandbox) = (try given.limits(), Sandbox(given))
    }

    private static func goal(_ given: GivenOptions) throws(ImageError) -> QualityTarget {
        var target = QualityTarget()
        for metric in [QualityMetric.ssim, .psnr, .ssimulacra2] {
            guard let text = given.text("min-" + metric.rawValue) else { continue }
            guard let least = Double(text), least.isFinite else { throw .usage("--min-\(metric.rawValue) \(Console.printable(Array(text.utf8))) is no number") }
            target.floors.append((metric, least))
        }
        if let text = given.text("max-bytes") {
            guard let most = Int(text), most > 0 else { throw .usage("--max-bytes \(Console.printable(Array(text.utf8))) is no number of bytes") }
            target.mostBytes = most
        }
        if !target.isEmpty && given.flag("quality") { throw .usage("--quality is searched for where a floor or --max-bytes is given; leave it out") }
        return target
    }

    var writesBinaryToStandardOutput: Bool { output == nil }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        var options = options
        let pool = BufferPool(limits: limits)
        let outputs = try Outputs(output, format: format, mayReplace: mayReplace, pool: pool)
        // What is wrong with every picture is said once.
        if !goal.isEmpty, let format = outputs.onlyFormat {
            options.format = format
            try goal.check(options)
        }
        let tuning = Tuning(table: table, plot: plot, metrics: goal.floors.map(\.metric), mayReplace: mayReplace)
        sandbox.enter(console, making: outputs.places + [table, plot].compactMap { $0 }.map { .file($0) })
        let stream = try StreamFilter(console, limits: limits, pool: pool)
        let messages = EncodeMessages(console, isVerbose: isVerbose)
        var search: (format: EncodedFormat, search: QualitySearch)?
        try stream.run(writesStream: false) { (source, name, number) throws(ImageError) in
            let target = try outputs.target(name: name, number: number, info: source.info)
            options.format = try outputs.format(of: target)
            if (options.isLossless || options.nearLossless != nil) && options.format == .jpeg { throw .usage("a JPEG cannot be without loss; say -f webp or png") }
            try tuning.refuse(target)
            let sink = CountingSink(try outputs.open(target, options.format))
            let report: EncodeReport
            var failure: ImageError?
            if goal.isEmpty {
                report = try Encoder(options, pool: pool).encode(source, to: sink)
            } else {
                if search?.format != options.format { search = (options.format, try QualitySearch(options, goal, limits: limits, pool: pool)) }
                let outcome = try search!.search.encode(source, to: sink, curve: tuning.isWanted ? { tuning.add(name, $0) } : nil)
                report = outcome.report
                if let found = outcome.found { messages.found(found, name) } else { failure = outcome.failure }
            }
            let original = keepsSmaller ? messages.original(of: source, report, options.format, name) : nil
            let takesOriginal = original.map { failure == nil ? $0.count < sink.byteCount : $0.count <= goal.mostBytes ?? .max } ?? false
            if let failure, !takesOriginal { throw failure }
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
            console.report(error, subject: output?.bytes ?? Array("standard output".utf8))
            stream.note(error.status)
        }
        tuning.write(console, stream, pool: pool)
        return stream.status
    }
}

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
