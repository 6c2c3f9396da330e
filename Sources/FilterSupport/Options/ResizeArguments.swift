import ImageCore

/// The options of resizing, as imgresize has them, and whoever does the same beside other things.
public enum ResizeArguments {
    public static let declarations: [OptionDeclaration] = [
        .choice("fit", "how", Fit.self, default: .inside, "How a picture fits a box of width and height: inside, cover (what sticks out is cut off), fill (the aspect is ignored), pad (the rest is background)."),
        .choice("gravity", "where", Gravity.self, default: .center, "Where the picture lies in its box, or the box in it; smart: where there is most detail."),
        .value("background", "color", default: "white", "What is padded with: white, black, transparent, #rgb, #rrggbb or #rrggbbaa."),
        .value("crop", "region", "Take this part of the picture first: WxH+X+Y."),
        .choice("filter", "name", Kernel.self, default: .lanczos3, "The resampling filter."),
        .flag("linear", "Resample in linear light."),
        .value("sharpen", "amount", default: "0", "Sharpen the result: 0 to 10; 0.5 is mild."),
        .flag("no-enlarge", "Leave pictures that are smaller than GEOMETRY as they are: >."),
        .flag("no-shrink", "Leave pictures that are larger than GEOMETRY as they are: <."),
    ]
}

extension GivenOptions {
    /// `geometry`: throws `usage` for what is none.
    public func resizeOptions(_ geometry: String) throws(ImageError) -> ResizeOptions {
        var geometry = try Geometry(argument: geometry)
        if flag("no-enlarge") { geometry.neverEnlarges = true }
        if flag("no-shrink") { geometry.neverShrinks = true }
        let sharpening = try value("sharpen", Double.init)!
        guard (0...10).contains(sharpening) else { throw .usage("--sharpen \(sharpening) is not in 0...10") }
        return try ResizeOptions(
            geometry, fit: try choice("fit", Fit.self)!, gravity: try choice("gravity", Gravity.self)!, background: try value("background", Color.init)!,
            crop: try value("crop", Region.init), kernel: try choice("filter", Kernel.self)!, isLinear: flag("linear"), sharpening: sharpening)
    }
}
