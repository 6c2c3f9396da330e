import FilterSupport
import ImageCodecs
import ImageCore

/// The options of decoding.
public enum DecodeArguments {
    /// Those of everybody who decodes.
    public static let common: [OptionDeclaration] = [
        .choice("pixels", "kind", Pixels.self, default: .native, "What the pixels are to be; native: as the file has them, a JPEG as its YCbCr planes."),
        .choice("frames", "which", Frames.self, default: .all, "Frames of an animation."),
        .choice("color", "what", ColorChoice.self, default: .keep, "keep: an ICC profile goes along; srgb: samples are made sRGB, and the profile is gone."),
        .choice("orient", "what", Orient.self, default: .keep, "What is done about an orientation in EXIF: keep (a later filter makes the picture upright), apply (here), ignore."),
        .flag("salvage", "Take what a damaged file still holds, and say how much that is."),
        .number("min-recovered", "percent", in: 0...100, "With --salvage: the least share of rows that must have come."),
    ]

    /// Those of imgdecode, which leaves the rest to others.
    public static let declarations = common + [
        .choice("depth", "bits", Depth.self, default: .native, "Bits of a sample."),
        .value("for", "geometry", "The size that imgresize will be asked for: a JPEG or WebP that is much larger is decoded smaller, which is faster. The result keeps its size."),
        .flag("carry-file", "Send each file itself along, for imgencode --if-smaller."),
    ]

    enum Pixels: String, CaseIterable { case native, gray, rgb, rgba }
    enum Frames: String, CaseIterable { case all, first }
    enum ColorChoice: String, CaseIterable { case keep, srgb }
    enum Orient: String, CaseIterable { case keep, apply, ignore }
    enum Depth: String, CaseIterable { case native, eight = "8", sixteen = "16" }
}

extension DecodeOptions {
    /// By the common options. Throws `usage`.
    public init(_ given: GivenOptions, limits: Limits) throws(ImageError) {
        self.init()
        self.limits = limits
        pixels = switch try given.choice("pixels", DecodeArguments.Pixels.self)! {
        case .native: .native
        case .gray: .gray
        case .rgb: .rgb
        case .rgba: .rgba
        }
        orientation = switch try given.choice("orient", DecodeArguments.Orient.self)! {
        case .keep: .keep
        case .apply: .apply
        case .ignore: .ignore
        }
        takesFirstFrameOnly = try given.choice("frames", DecodeArguments.Frames.self) == .first
        convertsToSRGB = try given.choice("color", DecodeArguments.ColorChoice.self) == .srgb
        salvages = given.flag("salvage")
        leastRecovered = try given.number("min-recovered") ?? 0
        if given.flag("min-recovered") && !salvages { throw .usage("--min-recovered is for --salvage") }
    }

    /// What only imgdecode has. Throws `usage`.
    public mutating func takeStreamOptions(_ given: GivenOptions) throws(ImageError) {
        sample = switch try given.choice("depth", DecodeArguments.Depth.self)! {
        case .native: nil
        case .eight: .uint8
        case .sixteen: .uint16
        }
        target = try given.text("for").map { (text) throws(ImageError) in try Geometry(argument: text, of: "for") }
        carriesFile = given.flag("carry-file")
        if salvages && carriesFile { throw .usage("a file that is salvaged is not carried; --salvage and --carry-file exclude each other") }
    }
}
