import CodecArguments
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

@main
struct ImgEncode: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgencode", summary: "Encode the pictures of a pixel stream as JPEG, PNG, WebP, PAM or Y4M.",
        discussion: "Nothing is written before a picture is known to be complete.",
        options: EncodeArguments.declarations + [
            .file("tune-table", "file", "With a floor or --max-bytes: write bytes and scores of every fifth quality, as comma-separated values."),
            .file("plot", "file", "The same as a drawing, SVG."),
            .flag("if-smaller", "Write the file that the picture comes from, where that is smaller and nothing but the encoding changed. imgdecode --carry-file sends it."),
            .file("output", short: "o", "path", "The output, a template for several: %n stem, %e extension, %f both, %d directory, %i number, %w %h size. Without it, or as -, standard output."),
            .flag("no-clobber", "Fail where the output exists already."),
            .flag("verbose", short: "v", "Say what was done to a picture besides encoding it."),
        ])
    static let writesStream = false
    static var libraries: [String] { CodecLibraries.versions }

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
        options = try EncodeOptions(given)
        goal = try QualityTarget(given)
        (table, plot) = (given.text("tune-table").map { FilePath(argument: $0) }, given.text("plot").map { FilePath(argument: $0) })
        for path in [table, plot] where path?.isStandardStream ?? false { throw .usage("--tune-table and --plot need the name of a file") }
        if let table, let plot, table == plot { throw .usage("--tune-table and --plot would be the same file") }
        if goal.isEmpty && (table != nil || plot != nil) { throw .usage("--tune-table and --plot need a floor, or --max-bytes") }
        format = try given.encodedFormat()
        let path = given.text("output").map { FilePath(argument: $0) }
        output = path.flatMap { $0.isStandardStream ? nil : $0 }
        mayReplace = !given.flag("no-clobber")
        (keepsSmaller, isVerbose) = (given.flag("if-smaller"), given.flag("verbose"))
        (limits, sandbox) = (try given.limits(), Sandbox(given))
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
        try stream.run(writesOutput: output == nil) { (source, name, number) throws(ImageError) in
            let target = try outputs.target(name: name, number: number, info: source.info)
            options.format = try outputs.format(of: target)
            try options.check()
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
            console.report(error, subject: output?.bytes ?? Console.standardOutput)
            stream.note(error.status)
        }
        tuning.write(console, stream, pool: pool)
        return stream.status
    }
}
