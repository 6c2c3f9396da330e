import CodecArguments
import FilterSupport
import ImageCodecs
import ImageCore

@main
struct ImgDecode: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgdecode", operands: "[FILE]...", files: .picture, count: 0...Int.max, summary: "Decode JPEG, PNG, WebP and PNM files into a pixel stream.",
        discussion: "With no FILE, or when FILE is -, read standard input. The format is told by content, not by name.",
        options: DecodeArguments.declarations + [
            .files0From,
            .flag("verbose", short: "v", "Say what is odd about a file, though its pixels are whole."),
        ])
    static let writesStream = true
    static var libraries: [String] { CodecLibraries.versions }

    private let options: DecodeOptions
    private let isVerbose: Bool
    private let names: InputNames
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        var options = try DecodeOptions(given, limits: try given.limits())
        try options.takeStreamOptions(given)
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
        let subject = path.isStandardStream ? Console.standardInput : name
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
