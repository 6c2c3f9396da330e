import ArgumentParser
import FilterSupport
import ImageCore

@main
struct ImgResize: FilterCommand {
    static let configuration = CommandConfiguration(
        commandName: "imgresize", abstract: "Resize the pictures of a pixel stream.",
        discussion: """
            GEOMETRY is 800 or 800x (width), x600 (height), 800x600 (a box), 50%; with > only to shrink, < only to enlarge, \
            ! to ignore the aspect. Quote it in a shell.
            """,
        version: Version.text)
    static let writesStream = true

    @Argument(help: ArgumentHelp("The size that pictures are to have.", valueName: "geometry")) var text: String
    @Option(help: ArgumentHelp("The resampling filter.", valueName: "name")) var filter: Kernel = .lanczos3
    @Flag(help: "Leave pictures that are smaller than GEOMETRY as they are: >.") var noEnlarge = false
    @Flag(help: "Leave pictures that are larger than GEOMETRY as they are: <.") var noShrink = false
    @OptionGroup(title: "Limits") var limitOptions: LimitOptions

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        guard var geometry = Geometry(text) else {
            throw .usage("\(Console.printable(FilePath(argument: text).bytes)) is no geometry; see imgresize --help")
        }
        if noEnlarge { geometry.neverEnlarges = true }
        if noShrink { geometry.neverShrinks = true }
        let (limits, kernel) = (try limitOptions.limits(), filter)
        let pool = BufferPool(limits: limits)
        let writer = StreamWriter(.standardOutput)
        let stream = try StreamFilter(console, limits: limits, pool: pool)
        try stream.run(writesStream: true) { (source, _, _) throws(ImageError) in
            let info = source.info
            let size = try geometry.size(of: info, limits: limits)
            guard size != (info.width, info.height) else {
                return try transfer(from: source, to: writer, pool: pool)
            }
            let rows: any RowSource = info.format.model == .ycbcr
                ? try Converter(source, to: info.format.packedRGB, pool: pool) : source
            let resizer = try Resizer(rows, width: size.width, height: size.height, kernel: kernel, pool: pool)
            // Turning holds the picture: it is done here when the picture has become smaller, and else left to who comes after.
            let isSmaller = UInt64(size.width) * UInt64(size.height) <= UInt64(info.width) * UInt64(info.height)
            try transfer(from: isSmaller ? try upright(resizer, pool: pool) : resizer, to: writer, pool: pool)
        } failed: { (failure) throws(ImageError) in
            try writer.fail(failure)
        }
        try writer.done()
        return stream.status
    }
}

extension Kernel: ExpressibleByArgument {}
