import CodecArguments
import FilterSupport
import ImageCodecs
import ImageCore
import ImageMetadata

/// What is to become of a picture: the options of the filters that it would go through, `imgdecode | imgresize | imgstrip | imgencode`.
public final class Recipe: Sendable {
    public let decode: DecodeOptions
    /// Nil: the picture keeps its size.
    public let resize: ResizeOptions?
    /// Nil: metadata goes along.
    public let strip: MetadataChoice?
    public let encode: EncodeOptions
    public let goal: QualityTarget
    /// Nil: the name of the output says it.
    public let format: EncodedFormat?
    /// The same as words of a command line, always the same ones for the same options: `init(words:limits:)` takes them back.
    public let words: [String]

    /// The options that say a recipe, with the filters' names and meanings.
    public static let declarations: [OptionDeclaration] =
        [.value("resize", "geometry", "The size, as imgresize has it: 800, x600, 800x600, 50%; with > only to shrink.")]
        + ResizeArguments.declarations.filter { $0.name != "background" }
        + [.value("background", "color", default: "white", "What is padded with, and what alpha is blended with in a JPEG.")]
        + DecodeArguments.common
        + [
            .flag("strip", "Remove metadata, as imgstrip does."),
            .list("keep", "list", of: { MetadataGroup.words }, "The same, but for these: see imgstrip."),
            .list("drop", "list", of: { MetadataGroup.words }, "The same, and these too."),
        ]
        + EncodeArguments.declarations.filter { $0.name != "background" }

    /// Throws `usage`.
    public init(_ given: GivenOptions, limits: Limits) throws(ImageError) {
        // A quality is no fault of a job that has a floor from the command line, or the other way round: it is searched for.
        let isSearched = ["min-ssim", "min-psnr", "min-ssimulacra2", "max-bytes"].contains { given.flag($0) }
        let given = isSearched ? try given.adding([("quality", .unset)], allowed: Self.declarations) : given
        decode = try DecodeOptions(given, limits: limits)
        let isResized = ["resize", "crop", "sharpen"].contains { given.flag($0) }
        resize = isResized ? try given.resizeOptions(given.text("resize") ?? "100%") : nil
        let isStripped = ["strip", "keep", "drop"].contains { given.flag($0) }
        strip = isStripped ? try MetadataChoice(keeping: given.texts("keep"), dropping: given.texts("drop")) : nil
        // Where what is padded with is to be seen through, a JPEG's background is the default: as imgresize and imgencode have it, each with its own.
        let isOpaque = try given.value("background", Color.init)?.alpha == 255
        encode = try EncodeOptions(isOpaque ? given : given.adding([("background", .unset)], allowed: Self.declarations))
        goal = try QualityTarget(given)
        format = try given.encodedFormat()
        if let format { try Self.check(encode, goal, format) }
        words = given.words(of: Self.declarations)
    }

    /// As another process has said it.
    package convenience init(words: [String], limits: Limits) throws(ImageError) {
        try self.init(GivenOptions(Self.declaration, words), limits: limits)
    }

    private static let declaration = CommandDeclaration("recipe", summary: "", discussion: "", options: declarations)

    /// The format of an output of this name. Throws `usage` where it has none, or one that the recipe does not go with.
    public func format(ofName path: FilePath) throws(ImageError) -> EncodedFormat {
        if let format { return format }
        let format = try EncodedFormat(ofName: path)
        try Self.check(encode, goal, format)
        return format
    }

    private static func check(_ encode: EncodeOptions, _ goal: QualityTarget, _ format: EncodedFormat) throws(ImageError) {
        var options = encode
        options.format = format
        try options.check()
        if !goal.isEmpty { try goal.check(options) }
    }
}
