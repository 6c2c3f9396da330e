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
        options: [
            .choice("fit", "how", Fit.self, default: .inside, "How a picture fits a box of width and height: inside, cover (what sticks out is cut off), fill (the aspect is ignored), pad (the rest is background)."),
            .choice("gravity", "where", Gravity.self, default: .center, "Where the picture lies in its box, or the box in it; smart: where there is most detail."),
            .value("background", "color", default: "white", "What is padded with: white, black, transparent, #rgb, #rrggbb or #rrggbbaa."),
            .value("crop", "region", "Take this part of the picture first: WxH+X+Y."),
            .choice("filter", "name", Kernel.self, default: .lanczos3, "The resampling filter."),
            .flag("linear", "Resample in linear light."),
            .value("sharpen", "amount", default: "0", "Sharpen the result: 0 to 10; 0.5 is mild."),
            .flag("no-enlarge", "Leave pictures that are smaller than GEOMETRY as they are: >."),
            .flag("no-shrink", "Leave pictures that are larger than GEOMETRY as they are: <."),
            .flag("verbose", short: "v", "Say which layers of the sandbox hold."),
        ])
    static let writesStream = true

    enum Fit: String, CaseIterable { case inside, cover, fill, pad }

    private let resizing: Resizing
    private let sandbox: Sandbox

    init(_ given: GivenOptions) throws(ImageError) {
        let fit = try given.choice("fit", Fit.self)!
        let sharpening = try given.value("sharpen", Double.init)!
        guard (0...10).contains(sharpening) else { throw .usage("--sharpen \(sharpening) is not in 0...10") }
        let limits = try given.limits()
        let pool = BufferPool(limits: limits)
        resizing = Resizing(
            geometry: try Self.geometry(given, fit), fit: fit, gravity: try given.choice("gravity", Gravity.self)!,
            background: try given.value("background", Color.init)!, crop: try given.value("crop", Region.init),
            kernel: try given.choice("filter", Kernel.self)!, isLinear: given.flag("linear"), sharpening: sharpening, limits: limits,
            pool: pool, weights: WeightsCache(pool: pool))
        sandbox = Sandbox(given)
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = resizing.pool
        let writer = StreamWriter(.standardOutput)
        sandbox.enter(console)
        let stream = try StreamFilter(console, limits: resizing.limits, pool: pool)
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

    private static func geometry(_ given: GivenOptions, _ fit: Fit) throws(ImageError) -> Geometry {
        var geometry = try Geometry(argument: given.operands[0])
        if given.flag("no-enlarge") { geometry.neverEnlarges = true }
        if given.flag("no-shrink") { geometry.neverShrinks = true }
        if fit == .fill { geometry.ignoresAspect = true }
        if fit == .cover { geometry.coversBox = true }
        if fit == .cover || fit == .pad {
            guard geometry.box != nil else { throw .usage("--fit \(fit.rawValue) needs a box, as in 800x600") }
        }
        return geometry
    }
}
