import FilterSupport
import Glibc
import ImageCore
import ImageMetadata

@main
struct ImgInfo: FilterCommand {
    static let declaration = CommandDeclaration(
        "imginfo", operands: "[FILE]...", files: .picture, count: 0...Int.max, summary: "Say what JPEG, PNG, WebP and PNM files are, or the pictures of a pixel stream.",
        discussion: """
            Only headers and metadata are read, never pixels. With no FILE, or when FILE is -, read standard input, a file or a pixel stream. \
            The format is told by content, not by name.
            """,
        options: [
            .flag("json", "Print an object a picture, each in a line of its own."),
            .flag("brief", short: "b", "Print one line a picture, without what its metadata say."),
            .files0From,
            .sandboxVerbose,
        ])
    static let writesStream = false

    private let style: InfoStyle
    private let limits: Limits
    private let names: InputNames
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        if given.flag("json") && given.flag("brief") { throw .usage("--json and --brief exclude each other") }
        style = given.flag("json") ? .json : given.flag("brief") ? .brief : .full
        limits = try given.limits()
        (names, sandbox) = (try given.inputNames(), Sandbox(given))
    }

    var writesBinaryToStandardOutput: Bool { false }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = BufferPool(limits: limits)
        let files = try InputFiles(names, sandbox, pool: pool)
        sandbox.enter(console, reading: files, spools: false)
        let run = InfoRun(style, limits, console, pool)
        try files.forEach(from: names) { (file) throws(ImageError) in
            try run.describe(file)
        } failed: { (error, subject) throws(ImageError) in
            run.fail(error, subject)
        }
        return run.status
    }
}

enum InfoStyle { case full, brief, json }

/// The files of one run.
final class InfoRun {
    private let style: InfoStyle
    private let limits: Limits
    private let console: Console
    private let pool: BufferPool
    private var firstFailure: ExitStatus?

    init(_ style: InfoStyle, _ limits: Limits, _ console: Console, _ pool: BufferPool) {
        (self.style, self.limits, self.console, self.pool) = (style, limits, console, pool)
    }

    var status: ExitStatus { firstFailure ?? .done }

    func describe(_ file: InputFile) throws(ImageError) {
        let path = file.path
        let isInput = path.isStandardStream
        let subject = isInput ? Console.standardInput : path.bytes
        pool.deadline.begin()
        defer { pool.deadline.clear() }
        do throws(ImageError) {
            let source = try ByteSource(file.open(), pool: pool, windowBytes: FileInspector.windowBytes)
            try source.prefetch(FileSignature.headBytes)
            if isInput && FileSignature(source.waiting) == .pixelStream { return try describe(stream: source) }
            let picture = try FileInspector(limits: limits).describe(source)
            try write(picture, name: isInput ? [] : path.bytes)
            if let fault = picture.fault { throw fault }
        } catch {
            if case .writeFailed = error { throw error }
            fail(error, subject)
        }
    }

    private func describe(stream source: ByteSource) throws(ImageError) {
        let filter = StreamFilter(console, source, limits: limits, deadline: pool.deadline)
        try filter.run(writesOutput: true) { (rows, name, _) throws(ImageError) in
            let picture = StreamedPicture()
            try transfer(from: rows, to: picture, pool: pool)
            try write(picture.description, name: name)
        } failed: { (_) throws(ImageError) in }
        if firstFailure == nil && filter.status != .done { firstFailure = filter.status }
    }

    private func write(_ picture: PictureDescription, name: [UInt8]) throws(ImageError) {
        let bytes: [UInt8] = switch style {
        case .json: try InfoJSON.line(picture, name: name)
        case .full: try InfoText.lines(picture, name: name, isBrief: false)
        case .brief: try InfoText.lines(picture, name: name, isBrief: true)
        }
        try Descriptor.standardOutput.write(bytes.span.bytes)
    }

    func fail(_ error: ImageError, _ subject: [UInt8]) {
        console.report(error, subject: subject)
        if firstFailure == nil { firstFailure = error.status }
    }
}

/// A picture of a pixel stream, whose rows are passed over: what it is is known when it has ended whole.
final class StreamedPicture: RowSink {
    private(set) var description = PictureDescription(.pixelStream)

    func begin(_ info: ImageInfo, metadata: [MetadataRecord]) throws(ImageError) {
        description = PictureDescription(info)
        description.add(metadata)
    }

    func beginFrame(_ frame: Frame) throws(ImageError) {
        description.add(frame)
    }

    func write(_ bands: RawSpan, rows: Int) throws(ImageError) {}
    func end(trailingMetadata: [MetadataRecord]) throws(ImageError) { description.add(trailingMetadata) }
}
