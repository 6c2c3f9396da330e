import FilterSupport
import Glibc
import ImageCore
import ImageMetadata

@main
struct ImgStrip: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgstrip", operands: "[FILE]...", files: .compressedPicture, count: 0...Int.max, summary: "Remove metadata from JPEG, PNG and WebP files, or from a pixel stream.",
        discussion: """
            Everything goes but the ICC profile, the orientation and what affects rendering; the compressed pixels stay bit for bit the same. \
            With no FILE, or when FILE is -, read standard input, a file or a pixel stream. LIST is of exif, gps, thumbnail, makernote, xmp, \
            iptc, icc, comment, copyright, orientation, resolution, c2pa, mpf, time, all; with commas between.
            """,
        options: [
            .list("keep", "list", of: { MetadataGroup.words }, "What stays too."),
            .list("drop", "list", of: { MetadataGroup.words }, "What goes too; the more specific word wins: --keep exif --drop gps."),
            .choice("icc", "what", ICCChoice.self, default: .keep, "What is done about a profile: keep, drop, or srgb: convert the pixels, of a stream only."),
            .file("output", short: "o", "path", "Write this file; for several, a template, as in 'out/%f'."),
            .flag("in-place", short: "i", "Replace each FILE by its stripped self, whole or not at all."),
            .flag("no-clobber", "Replace no output that is there."),
            .flag("preserve", "Keep the times of files replaced."),
            .flag("fsync", "Wait until each file is on the disk before it gets its name."),
            .number("jobs", short: "j", in: 1...64, default: 1, "Files worked on at once."),
            .files0From,
            .flag("verbose", short: "v", "Say what went, and how many bytes it took."),
        ])

    /// A wrong option is told to the filter behind only where a stream comes in: where it goes out to a pipe from one.
    static var writesStream: Bool { StripRun.standardInputIsStream }

    enum ICCChoice: String, CaseIterable { case keep, drop, srgb }

    private let settings: StripSettings
    private let names: InputNames?
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        var (kept, dropped) = (try MetadataGroups(words: given.texts("keep"), of: "keep"), try MetadataGroups(words: given.texts("drop"), of: "drop"))
        let icc = try given.choice("icc", ICCChoice.self)!
        if given.flag("icc") {
            if icc == .keep { kept.insert(.icc) } else { dropped.insert(.icc) }
        }
        if icc == .srgb { dropped.remove(.icc) }
        settings = StripSettings(
            choice: try MetadataChoice(keeping: kept, dropping: dropped), convertsToSRGB: icc == .srgb, limits: try given.limits(),
            output: given.text("output").map { FilePath(argument: $0) }, isInPlace: given.flag("in-place"), mayReplace: !given.flag("no-clobber"),
            keepsTimes: given.flag("preserve"), synchronizes: given.flag("fsync"), jobs: try given.number("jobs")!,
            isVerbose: given.flag("verbose"))
        (names, sandbox) = (try Self.names(given), Sandbox(given))
        try check(given.operands, isList: given.flag("files0-from"))
    }

    /// Nil for standard input alone.
    private static func names(_ given: GivenOptions) throws(ImageError) -> InputNames? {
        let isInput = given.text("files0-from") == nil && (given.operands.isEmpty || given.operands == ["-"])
        return isInput ? nil : try given.inputNames()
    }

    private func check(_ files: [String], isList: Bool) throws(ImageError) {
        let isMany = isList || files.count > 1
        if settings.isInPlace {
            if settings.output != nil { throw .usage("--in-place and --output exclude each other") }
            if !settings.mayReplace { throw .usage("--in-place and --no-clobber exclude each other") }
            if !isList && (files.isEmpty || files.contains("-")) { throw .usage("--in-place needs a FILE") }
        } else if isMany && settings.output == nil {
            throw .usage("several files need --in-place, or --output with a template, as in -o 'out/%f'")
        } else if let output = settings.output, files.count > 1, try !OutputTemplate(output).isTemplate {
            throw .usage("more than one file for one output; give a template, as in -o 'out/%f'")
        }
        if settings.keepsTimes && !settings.isInPlace { throw .usage("--preserve is for --in-place") }
        if settings.convertsToSRGB && (isMany || !(files.isEmpty || files == ["-"])) { throw StripSettings.srgbNeedsPixels }
    }

    var writesBinaryToStandardOutput: Bool { settings.output == nil && !settings.isInPlace }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let useless = settings.choice.wordsWithoutEffect.map(\.word).joined(separator: ",")
        if !useless.isEmpty {
            console.say("warning: --drop \(useless) changes nothing: only the ICC profile and the orientation stay; to drop no more, --keep all --drop \(useless)")
        }
        let run = StripRun(settings, console)
        return if let names { try run.files(names, sandbox) } else { try run.standardInput(sandbox) }
    }
}
