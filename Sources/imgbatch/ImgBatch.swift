import CPlatformShims
import FilterSupport
import ImageCodecs
import ImageCore
import ImageJobs
import Storage

@main
struct ImgBatch: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgbatch", summary: "Decode, resize, strip and encode many pictures in one process.",
        discussion: """
            Standard input has a job a line, an object of JSON with id, in and out, and options as below with _ for -; standard output gets what \
            became of each. With --files0-from, names of files, and all outputs by --output.
            """,
        options: Recipe.declarations + [
            .file("output", short: "o", "path", "Where outputs go whose job does not say: a template, as in 'out/%d/%n.jpg'; see imgencode."),
            .files0From,
            .flag("no-clobber", "Replace no output that is there."),
            .flag("newer", "Skip what is no newer than its output."),
            .number("jobs", short: "j", in: 1...256, "Pictures worked on at once; the processors there are when it is not said."),
            .choice("isolate", "when", JobSettings.Isolation.self, default: .remote, "Which pictures are worked on in processes of their own."),
            .file("journal", "file", "Note what is done, and skip it in the next run."),
            .number("retries", in: 0...100, default: 0, "How often a job is tried again that failed for what may pass."),
            .flag("ordered", "Answer in the order of the jobs."),
            .number("cache-mb", in: 0...1 << 20, default: 0, "MiB of outputs kept for jobs with the same input and options."),
            .flag("progress", "Show a bar, with rate and time left, where standard error is a terminal."),
            .flag("dry-run", "Open inputs, and do nothing else."),
            .flag("strict", "Status 1 when a job failed or expired."),
            .file("metrics-file", "file", "Write metrics for Prometheus to this file, every 5 seconds and at the end."),
            .value("metrics-listen", "address", "Serve them over HTTP, as in 127.0.0.1:9464."),
            .flag("verbose", short: "v", "Say at the end what was done, and how fast."),
        ])
    static let writesStream = false
    static var libraries: [String] { CodecLibraries.versions }
    static let endsQuietlyOnBrokenPipe = true
    let writesBinaryToStandardOutput = false

    private let given: GivenOptions
    private let settings: BatchSettings

    /// A process that works for another one has no command line.
    static func main() {
        if WorkerMain.isAsked { WorkerMain.run(program: declaration.name) }
        run()
    }

    init(_ given: GivenOptions) throws(ImageError) {
        self.given = given
        settings = try BatchSettings(given)
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        try BatchRun(settings, console).status(given)
    }
}

/// What a run is told, beside what becomes of pictures.
struct BatchSettings {
    var jobs = JobSettings()
    let slots: Int
    /// Names, each for a job; nil for lines of JSON on standard input.
    let names: FilePath?
    let journal: FilePath?
    let cacheBytes: Int
    let isOrdered: Bool
    let showsProgress: Bool
    let isStrict: Bool
    let isVerbose: Bool
    let metricsFile: FilePath?
    let metricsAddress: SocketAddress?

    /// Throws `usage`.
    init(_ given: GivenOptions) throws(ImageError) {
        jobs.limits = try given.limits()
        jobs.isolation = try given.choice("isolate", JobSettings.Isolation.self)!
        jobs.isSandboxed = Sandbox(given).isWanted
        jobs.template = try given.text("output").map { (text) throws(ImageError) in
            try Location.checkScheme(Array(text.utf8))
            return try OutputTemplate(FilePath(argument: text))
        }
        jobs.mayReplace = !given.flag("no-clobber")
        jobs.takesNewerOnly = given.flag("newer")
        jobs.isDryRun = given.flag("dry-run")
        jobs.retries = try given.number("retries")!
        slots = try given.number("jobs") ?? Self.processors
        names = given.text("files0-from").map { FilePath(argument: $0) }
        journal = given.text("journal").map { FilePath(argument: $0) }
        cacheBytes = try given.number("cache-mb")! << 20
        (isOrdered, showsProgress) = (given.flag("ordered"), given.flag("progress"))
        (isStrict, isVerbose) = (given.flag("strict"), given.flag("verbose"))
        metricsFile = given.text("metrics-file").map { FilePath(argument: $0) }
        metricsAddress = try given.text("metrics-listen").map { (text) throws(ImageError) in try SocketAddress(text, of: "metrics-listen", example: "127.0.0.1:9464") }
        if names != nil && jobs.template == nil { throw .usage("--files0-from needs --output with a template, as in -o 'out/%d/%n.jpg'") }
        if let template = jobs.template, !template.isTemplate { throw .usage("--output is for several pictures: a template, as in 'out/%d/%n.jpg'") }
        if jobs.takesNewerOnly, let template = jobs.template, template.path(name: [], number: 1) == nil {
            throw .usage("--newer needs names that are known before pictures are: no %w and no %h in --output")
        }
        if journal?.isStandardStream ?? false || metricsFile?.isStandardStream ?? false { throw .usage("--journal and --metrics-file need the name of a file") }
    }

    /// Those that this process may run on.
    private static var processors: Int { max(1, Int(imgpipe_processors())) }
}
