import FilterSupport
import ImageCore

@main
struct ImgResize: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgresize", operands: "GEOMETRY", count: 1...1, summary: "Resize the pictures of a pixel stream.",
        discussion: """
            GEOMETRY is 800 or 800x (width), x600 (height), 800x600 (a box), 50%; with > only to shrink, < only to enlarge, \
            ! to ignore the aspect, ^ to fill the box. Quote it in a shell.
            """,
        options: ResizeArguments.declarations + [.sandboxVerbose])
    static let writesStream = true

    private let resizing: Resizing
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        let limits = try given.limits()
        resizing = Resizing(try given.resizeOptions(given.operands[0]), limits: limits, pool: BufferPool(limits: limits))
        sandbox = Sandbox(given)
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = resizing.pool
        let writer = StreamWriter(.standardOutput)
        sandbox.enter(console)
        let stream = try StreamFilter(console, limits: resizing.limits, pool: pool)
        try stream.run(writesOutput: true) { (source, name, _) throws(ImageError) in
            if try resizing.missesDetail(of: source.info) {
                let subject = name.isEmpty ? Console.standardInput : name
                console.say("warning: imgdecode --for was given a smaller size; detail is missing", subject: subject)
            }
            try transfer(from: try resizing.resized(source), to: writer, pool: pool)
        } failed: { (failure) throws(ImageError) in
            try writer.fail(failure)
        }
        try writer.done()
        return stream.status
    }
}
