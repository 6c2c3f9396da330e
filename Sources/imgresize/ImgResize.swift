import ArgumentParser
import FilterSupport
import ImageCore

@main
struct ImgResize: FilterCommand {
    static let configuration = CommandConfiguration(
        commandName: "imgresize", abstract: "Resize the pictures of a pixel stream.",
        discussion: """
            GEOMETRY is 800 or 800x (width), x600 (height), 800x600 (a box), 50%; with > only to shrink, < only to enlarge, \
            ! to ignore the aspect, ^ to fill the box. Quote it in a shell.
            """,
        version: Version.text)
    static let writesStream = true

    @Argument(help: ArgumentHelp("The size that pictures are to have.", valueName: "geometry")) var text: String
    @Option(help: ArgumentHelp("How a picture fits a box of width and height: inside, cover (what sticks out is cut off), fill (the aspect is ignored), pad (the rest is background).", valueName: "how"))
    var fit: Fit = .inside
    @Option(help: ArgumentHelp("Where the picture lies in its box, or the box in it: center, north, northeast, ..., or smart, where there is most detail.", valueName: "where"))
    var gravity: Gravity = .center
    @Option(help: ArgumentHelp("What is padded with: white, black, transparent, #rgb, #rrggbb or #rrggbbaa.", valueName: "color"))
    var background: Color = .white
    @Option(help: ArgumentHelp("Take this part of the picture first: WxH+X+Y.", valueName: "region")) var crop: Region?
    @Option(help: ArgumentHelp("The resampling filter.", valueName: "name")) var filter: Kernel = .lanczos3
    @Flag(help: "Resample in linear light.") var linear = false
    @Option(help: ArgumentHelp("Sharpen the result: 0 to 10; 0.5 is mild.", valueName: "amount")) var sharpen = 0.0
    @Flag(help: "Leave pictures that are smaller than GEOMETRY as they are: >.") var noEnlarge = false
    @Flag(help: "Leave pictures that are larger than GEOMETRY as they are: <.") var noShrink = false
    @OptionGroup(title: "Limits") var limitOptions: LimitOptions

    enum Fit: String, ExpressibleByArgument, CaseIterable { case inside, cover, fill, pad }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let limits = try limitOptions.limits()
        let pool = BufferPool(limits: limits)
        let resizing = Resizing(
            geometry: try geometry(), fit: fit, gravity: gravity, background: background, crop: crop, kernel: filter,
            isLinear: linear, sharpening: sharpen, limits: limits, pool: pool)
        let writer = StreamWriter(.standardOutput)
        let stream = try StreamFilter(console, limits: limits, pool: pool)
        try stream.run(writesStream: true) { (source, name, _) throws(ImageError) in
            if try resizing.missesDetail(of: source.info) {
                let subject = name.isEmpty ? Array("standard input".utf8) : name
                console.say("warning: imgdecode --for was given a smaller size; detail is missing", subject: subject)
            }
            try transfer(from: try resizing.resized(source), to: writer, pool: pool)
        } failed: { (failure) throws(ImageError) in
            try writer.fail(failure)
        }
        try writer.done()
        return stream.status
    }

    private func geometry() throws(ImageError) -> Geometry {
        guard (0...10).contains(sharpen) else { throw .usage("--sharpen \(sharpen) is not in 0...10") }
        guard var geometry = Geometry(text) else {
            throw .usage("\(Console.printable(FilePath(argument: text).bytes)) is no geometry; see imgresize --help")
        }
        if noEnlarge { geometry.neverEnlarges = true }
        if noShrink { geometry.neverShrinks = true }
        if fit == .fill { geometry.ignoresAspect = true }
        if fit == .cover { geometry.coversBox = true }
        if fit == .cover || fit == .pad {
            guard geometry.box != nil else { throw .usage("--fit \(fit.rawValue) needs a box, as in 800x600") }
        }
        return geometry
    }
}
