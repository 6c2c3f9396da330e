/// How a picture fits a box of width and height.
public enum Fit: String, CaseIterable, Sendable {
    /// The largest of its aspect inside it.
    case inside
    /// The smallest of its aspect that covers it, what sticks out cut off.
    case cover
    /// The box's size, the aspect ignored.
    case fill
    /// Inside it, the rest background.
    case pad
}

/// What is to become of a picture's size.
public struct ResizeOptions: Sendable {
    /// The size that is asked for.
    public let geometry: Geometry
    /// How the picture takes the box of the geometry.
    public let fit: Fit
    /// Of `cover`, which part stays; of `pad`, where the picture lies.
    public let gravity: Gravity
    /// Of `pad`, the colour of the rest.
    public let background: Color
    /// Of the upright picture, before all else.
    public let crop: Region?
    /// The filter of both axes.
    public let kernel: Kernel
    /// Samples are made light for the work, by the transfer function that the colour states, else by that of sRGB.
    public let isLinear: Bool
    /// 0...10; 0 is none.
    public let sharpening: Double

    /// Throws `usage` for a fit that needs a box and has none.
    public init(
        _ geometry: Geometry, fit: Fit = .inside, gravity: Gravity = .center, background: Color = .white, crop: Region? = nil,
        kernel: Kernel = .lanczos3, isLinear: Bool = false, sharpening: Double = 0
    ) throws(ImageError) {
        var geometry = geometry
        if fit == .fill { geometry.ignoresAspect = true }
        if fit == .cover { geometry.coversBox = true }
        if fit == .cover || fit == .pad {
            guard geometry.box != nil else { throw .usage("--fit \(fit.rawValue) needs a box, as in 800x600") }
        }
        (self.geometry, self.fit, self.gravity, self.background) = (geometry, fit, gravity, background)
        (self.crop, self.kernel, self.isLinear, self.sharpening) = (crop, kernel, isLinear, sharpening)
    }
}

/// The stages between the picture that comes in and the one that goes out. Weights stay for the next picture of the same size.
public struct Resizing {
    /// What becomes of each picture.
    public let options: ResizeOptions
    /// What the size of a result is held against.
    public let limits: Limits
    /// Lends the rows and the weights.
    public let pool: BufferPool
    private let weights: WeightsCache
    private var geometry: Geometry { options.geometry }
    private var crop: Region? { options.crop }

    /// For any number of pictures, one after another.
    public init(_ options: ResizeOptions, limits: Limits, pool: BufferPool) {
        (self.options, self.limits, self.pool, weights) = (options, limits, pool, WeightsCache(pool: pool))
    }

    /// Whether the decoder has scaled the picture down to less than is asked for. Throws as `Geometry.size`.
    public func missesDetail(of info: ImageInfo) throws(ImageError) -> Bool {
        guard info.isScaled, crop == nil else { return false }
        let size = try geometry.size(of: info, limits: limits)
        return size.width > info.width || size.height > info.height
    }

    /// The rows of `source` as they are to be; `source` itself where nothing is to change. Throws `overLimit` for a result that
    /// is too large, and `usage` for a crop that has nothing of the picture.
    public func resized(_ source: any RowSource) throws(ImageError) -> any RowSource {
        var rows = try cropped(source)
        let info = rows.info
        let size = try geometry.size(of: info, limits: limits)
        if size != (info.width, info.height) || info.isScaled {
            rows = try resized(rows, width: size.width, height: size.height)
            // Turning holds the picture: it is done here when the picture has become smaller, and else left to who comes after.
            if UInt64(size.width) * UInt64(size.height) <= UInt64(info.width) * UInt64(info.height) { rows = try upright(rows, pool: pool) }
        }
        if options.sharpening > 0 { rows = try sharpened(rows) }
        let fitted = switch options.fit {
        case .inside, .fill: rows
        case .cover: try covering(rows)
        case .pad: try padded(rows)
        }
        return fitted === source ? source : AlteredPicture(fitted)
    }

    /// Planes are reduced as they are, where the result has a sample of chroma for each pixel; light needs RGB.
    private func resized(_ rows: any RowSource, width: UInt32, height: UInt32) throws(ImageError) -> any RowSource {
        weights.begin(rows.info, width: width, height: height)
        if !options.isLinear && PlanarResizer.takes(rows.info, width: width, height: height) {
            return try PlanarResizer(rows, width: width, height: height, kernel: options.kernel, cache: weights, pool: pool)
        }
        return try Resizer(try packed(rows), width: width, height: height, kernel: options.kernel, isLinear: options.isLinear, cache: weights, pool: pool)
    }

    private func sharpened(_ rows: any RowSource) throws(ImageError) -> any RowSource {
        let rows = try packed(rows)
        var format = rows.info.format
        if format.hasAlpha { format.alpha = .straight }
        let straight: any RowSource = format == rows.info.format ? rows : try Converter(rows, to: format, pool: pool)
        return try Sharpener(straight, amount: options.sharpening, isLinear: options.isLinear, pool: pool)
    }

    /// Planes as RGB, and alpha straight where samples are to become light.
    private func packed(_ rows: any RowSource) throws(ImageError) -> any RowSource {
        var format = rows.info.format
        if format.layout == .planar || (options.isLinear && format.model == .ycbcr) { format = format.packedRGB }
        if options.isLinear && format.hasAlpha { format.alpha = .straight }
        return format == rows.info.format ? rows : try Converter(rows, to: format, pool: pool)
    }

    private func cropped(_ source: any RowSource) throws(ImageError) -> any RowSource {
        guard let crop else { return source }
        if source.info.isScaled { throw .usage("--crop needs the whole picture: leave out imgdecode's --for") }
        let size = source.info.uprightSize
        guard let region = crop.clipped(toWidth: size.width, height: size.height) else {
            throw .usage("--crop lies outside of \(size.width) x \(size.height)")
        }
        return try Cropper(try packed(source), region, pool: pool)
    }

    /// Cut down to the box.
    private func covering(_ source: any RowSource) throws(ImageError) -> any RowSource {
        let rows = try upright(try packed(source), pool: pool)
        let (info, box) = (rows.info, geometry.box!)
        let (width, height) = (min(info.width, box.width), min(info.height, box.height))
        if (width, height) == (info.width, info.height) { return rows }
        if options.gravity == .smart { return try DetailCropper(rows, width: width, height: height, pool: pool) }
        let place = options.gravity.offset(of: (width, height), in: (info.width, info.height))
        return try Cropper(rows, Region(x: place.x, y: place.y, width: width, height: height), pool: pool)
    }

    /// Filled up to the box.
    private func padded(_ source: any RowSource) throws(ImageError) -> any RowSource {
        let rows = try upright(try packed(source), pool: pool)
        let (info, box) = (rows.info, geometry.box!)
        let (width, height) = (max(info.width, box.width), max(info.height, box.height))
        if (width, height) == (info.width, info.height) { return rows }
        try limits.check(width: width, height: height)
        // The colour must have a place in the rows.
        let format = PixelFormat(
            info.format.model == .gray && options.background.isGray ? .gray : .rgb,
            alpha: info.format.hasAlpha || options.background.alpha < 255 ? .straight : .none, sample: info.format.sample)
        let converted: any RowSource = format == info.format ? rows : try Converter(rows, to: format, pool: pool)
        return try Padder(converted, width: width, height: height, gravity: options.gravity, color: options.background, pool: pool)
    }
}
