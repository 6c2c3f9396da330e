import FilterSupport
import ImageCodecs
import ImageCore

@main
struct ImgDecode: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgdecode", operands: "[FILE]...", count: 0...Int.max, summary: "Decode JPEG, PNG, WebP and PNM files into a pixel stream.",
        discussion: "With no FILE, or when FILE is -, read standard input. The format is told by content, not by name.",
        options: [
            .choice("pixels", "kind", Pixels.self, default: .native, "What the pixels are to be; native: as the file has them, a JPEG as its YCbCr planes."),
            .choice("depth", "bits", Depth.self, default: .native, "Bits of a sample."),
            .value("for", "geometry", "The size that imgresize will be asked for: a JPEG or WebP that is much larger is decoded smaller, which is faster. The result keeps its size."),
            .choice("frames", "which", Frames.self, default: .all, "Frames of an animation."),
            .choice("color", "what", ColorChoice.self, default: .keep, "keep: an ICC profile goes along; srgb: samples are made sRGB, and the profile is gone."),
            .choice("orient", "what", Orient.self, default: .keep, "What is done about an orientation in EXIF: keep (a later filter makes the picture upright), apply (here), ignore."),
            .flag("salvage", "Take what a damaged file still holds, and say how much that is."),
            .number("min-recovered", "percent", in: 0...100, "With --salvage: the least share of rows that must have come."),
            .flag("carry-file", "Send each file itself along, for imgencode --if-smaller."),
            .value("files0-from", "file", "Read names from this file, each ended by NUL; - is standard input."),
            .flag("verbose", short: "v", "Say what is odd about a file, though its pixels are whole."),
        ])
    static let writesStream = true

    enum Pixels: String, CaseIterable { case native, gray, rgb, rgba }
    enum Frames: String, CaseIterable { case all, first }
    enum ColorChoice: String, CaseIterable { case keep, srgb }
    enum Orient: String, CaseIterable { case keep, apply, ignore }
    enum Depth: String, CaseIterable { case native, eight = "8", sixteen = "16" }

    private let options: DecodeOptions
    private let isVerbose: Bool
    private let names: InputNames
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        var options = DecodeOptions()
        options.limits = try given.limits()
        options.pixels = switch try given.choice("pixels", Pixels.self)! {
        case .native: .native
        case .gray: .gray
        case .rgb: .rgb
        case .rgba: .rgba
        }
        options.orientation = switch try given.choice("orient", Orient.self)! {
        case .keep: .keep
        case .apply: .apply
        case .ignore: .ignore
        }
        options.sample = switch try given.choice("depth", Depth.self)! {
        case .native: nil
        case .eight: .uint8
        case .sixteen: .uint16
        }
        options.target = try given.text("for").map { (text) throws(ImageError) in try Geometry(argument: text, of: "for") }
        options.takesFirstFrameOnly = try given.choice("frames", Frames.self) == .first
        options.convertsToSRGB = try given.choice("color", ColorChoice.self) == .srgb
        options.carriesFile = given.flag("carry-file")
        options.salvages = given.flag("salvage")
        options.leastRecovered = try given.number("min-recovered") ?? 0
        if given.flag("min-recovered") && !options.salvages { throw .usage("--min-recovered is for --salvage") }
        if options.salvages && options.carriesFile { throw .usage("a file that is salvaged is not carried; --salvage and --carry-file exclude each other") }
        self.options = options
        (isVerbose, sandbox) = (given.flag("verbose"), Sandbox(given))
        names = try given.inputNames()
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = BufferPool(limits: options.limits)
        let files = try InputFiles(names, sandbox, pool: pool)
        sandbox.enter(console, reading: files)
        let decoding = Decoding(console, Decoder(pool: pool, options: options), verbose: isVerbose, pool: pool)
        try files.forEach(from: names) { (file) throws(ImageError) in
            try decoding.decode(file)
        } failed: { (error, subject) throws(ImageError) in
            try decoding.fail(error, name: [], subject: subject)
        }
        return try decoding.end()
    }
}

/// The pictures of one run on their way into the stream.
final class Decoding {
    private let console: Console
    private let decoder: Decoder
    private let isVerbose: Bool
    private let pool: BufferPool
    private let writer = StreamWriter(.standardOutput)
    private var firstFailure: ExitStatus?

    init(_ console: Console, _ decoder: Decoder, verbose: Bool, pool: BufferPool) {
        (self.console, self.decoder, isVerbose, self.pool) = (console, decoder, verbose, pool)
    }

    func decode(_ file: InputFile) throws(ImageError) {
        let path = file.path
        let name = path.isStandardStream ? [] : path.bytes
        let subject = path.isStandardStream ? Array("standard input".utf8) : name
        pool.deadline.begin()
        defer { pool.deadline.clear() }
        do throws(ImageError) {
            let source = try ByteSource(file.open(), pool: pool)
            let picture = NamedPicture(try decoder.open(source), name: name)
            try transfer(from: picture, to: writer, pool: pool)
            if path.isStandardStream { try source.drain() }
            if let account = decoder.account { console.say("salvaged: \(account)", subject: subject) }
            for warning in decoder.warnings + (isVerbose ? decoder.remarks : []) {
                console.say("warning: " + warning, subject: subject)
            }
        } catch {
            if case .writeFailed = error { throw error }
            try fail(error, name: name, subject: subject)
        }
    }

    func fail(_ error: ImageError, name: [UInt8], subject: [UInt8]) throws(ImageError) {
        console.report(error, subject: subject)
        if firstFailure == nil { firstFailure = error.status }
        try writer.fail(StreamFailure(error, name: name))
    }

    /// Ends the stream; gives the status of the run.
    func end() throws(ImageError) -> ExitStatus {
        try writer.done()
        return firstFailure ?? .done
    }
}

/// A decoder's rows with the name of their file among the metadata.
final class NamedPicture: RowSource {
    private let picture: any RowSource
    private let name: [UInt8]

    init(_ picture: any RowSource, name: [UInt8]) { (self.picture, self.name) = (picture, name) }

    var info: ImageInfo { picture.info }
    var metadata: [MetadataRecord] { picture.metadata + (name.isEmpty ? [] : [MetadataRecord(.name, name)]) }
    var trailingMetadata: [MetadataRecord] { picture.trailingMetadata }
    func nextFrame() throws(ImageError) -> Frame? { try picture.nextFrame() }
    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int { try picture.read(into: &bands) }
}
