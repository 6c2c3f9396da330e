import ArgumentParser
import FilterSupport
import ImageCodecs
import ImageCore

@main
struct ImgDecode: FilterCommand {
    static let configuration = CommandConfiguration(
        commandName: "imgdecode", abstract: "Decode JPEG, PNG, WebP and PNM files into a pixel stream.",
        discussion: "With no FILE, or when FILE is -, read standard input. The format is told by content, not by name.",
        version: Version.text)
    static let writesStream = true

    @Option(help: ArgumentHelp("What the pixels are to be: native (as the file has them, a JPEG as its YCbCr planes), gray, rgb or rgba.", valueName: "kind"))
    var pixels: Pixels = .native
    @Option(help: ArgumentHelp("Bits of a sample: native, 8 or 16.", valueName: "bits"))
    var depth: Depth = .native
    @Option(name: .customLong("for"), help: ArgumentHelp("The size that imgresize will be asked for: a JPEG or WebP that is much larger is decoded smaller, which is faster. The result keeps its size.", valueName: "geometry"))
    var target: String?
    @Option(help: ArgumentHelp("Frames of an animation: all or first.", valueName: "which")) var frames: Frames = .all
    @Option(help: ArgumentHelp("keep (an ICC profile goes along) or srgb (samples are made sRGB, and the profile is gone).", valueName: "what"))
    var color: ColorChoice = .keep
    @Option(help: ArgumentHelp("What is done about an orientation in EXIF: keep (a later filter makes the picture upright), apply (here), ignore.", valueName: "what"))
    var orient: Orient = .keep
    @Flag(help: "Send each file itself along, for imgencode --if-smaller.") var carryFile = false
    @Option(name: .customLong("files0-from"), help: ArgumentHelp("Read names from this file, each ended by NUL; - is standard input.", valueName: "file"))
    var files0From: String?
    @Flag(name: .shortAndLong, help: "Say what is odd about a file, though its pixels are whole.")
    var verbose = false
    @OptionGroup(title: "Limits") var limitOptions: LimitOptions
    @Argument(help: "Files to decode.") var files: [String] = []

    enum Pixels: String, ExpressibleByArgument, CaseIterable { case native, gray, rgb, rgba }
    enum Frames: String, ExpressibleByArgument, CaseIterable { case all, first }
    enum ColorChoice: String, ExpressibleByArgument, CaseIterable { case keep, srgb }
    enum Orient: String, ExpressibleByArgument, CaseIterable { case keep, apply, ignore }
    enum Depth: String, ExpressibleByArgument, CaseIterable { case native, eight = "8", sixteen = "16" }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        var options = DecodeOptions()
        options.limits = try limitOptions.limits()
        switch pixels {
        case .native: options.pixels = .native
        case .gray: options.pixels = .gray
        case .rgb: options.pixels = .rgb
        case .rgba: options.pixels = .rgba
        }
        options.orientation = orient == .keep ? .keep : orient == .apply ? .apply : .ignore
        options.target = try target.map { (text) throws(ImageError) in
            guard let geometry = Geometry(text) else { throw .usage("--for \(Console.printable(FilePath(argument: text).bytes)) is no geometry; see imgresize --help") }
            return geometry
        }
        options.takesFirstFrameOnly = frames == .first
        options.convertsToSRGB = color == .srgb
        options.carriesFile = carryFile
        options.sample = depth == .eight ? .uint8 : depth == .sixteen ? .uint16 : nil

        let pool = BufferPool(limits: options.limits)
        let decoding = Decoding(console, Decoder(pool: pool, options: options), verbose: verbose, pool: pool)
        if let files0From {
            if !files.isEmpty { throw .usage("FILE and --files0-from exclude each other") }
            try decoding.decode(listedIn: FilePath(argument: files0From))
        } else {
            for name in files.isEmpty ? ["-"] : files { try decoding.decode(FilePath(argument: name)) }
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

    /// What is wrong with a name fails that name; a list that cannot be read further ends.
    func decode(listedIn list: FilePath) throws(ImageError) {
        let subject = list.isStandardStream ? Array("standard input".utf8) : list.bytes
        do throws(ImageError) {
            let names = try NameList(list, pool: pool)
            while true {
                do throws(ImageError) {
                    guard let name = try names.next() else { return }
                    try decode(name)
                } catch .usage(let fault) {
                    try fail(.usage(fault), name: [], subject: subject)
                }
            }
        } catch {
            if case .writeFailed = error { throw error }
            try fail(error, name: [], subject: subject)
        }
    }

    func decode(_ path: FilePath) throws(ImageError) {
        let name = path.isStandardStream ? [] : path.bytes
        let subject = path.isStandardStream ? Array("standard input".utf8) : name
        do throws(ImageError) {
            let source = try ByteSource(path.isStandardStream ? .standardInput : .open(reading: path), pool: pool)
            let picture = NamedPicture(try decoder.open(source), name: name)
            try transfer(from: picture, to: writer, pool: pool)
            if path.isStandardStream { try source.drain() }
            for warning in decoder.warnings + (isVerbose ? decoder.remarks : []) {
                console.say("warning: " + warning, subject: subject)
            }
        } catch {
            if case .writeFailed = error { throw error }
            try fail(error, name: name, subject: subject)
        }
    }

    private func fail(_ error: ImageError, name: [UInt8], subject: [UInt8]) throws(ImageError) {
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
