import ImageCore

/// The stages between the picture that comes in and the one that goes out.
struct Resizing {
    let geometry: Geometry
    let fit: ImgResize.Fit
    let gravity: Gravity
    let background: Color
    let crop: Region?
    let kernel: Kernel
    let isLinear: Bool
    let sharpening: Double
    let limits: Limits
    let pool: BufferPool
    let weights: WeightsCache

    /// Whether the decoder has scaled the picture down to less than is asked for.
    func missesDetail(of info: ImageInfo) throws(ImageError) -> Bool {
        guard info.isScaled, crop == nil else { return false }
        let size = try geometry.size(of: info, limits: limits)
        return size.width > info.width || size.height > info.height
    }

    func resized(_ source: any RowSource) throws(ImageError) -> any RowSource {
        var rows = try cropped(source)
        let info = rows.info
        let size = try geometry.size(of: info, limits: limits)
        if size != (info.width, info.height) || info.isScaled {
            rows = try resized(rows, width: size.width, height: size.height)
            // Turning holds the picture: it is done here when the picture has become smaller, and else left to who comes after.
            if UInt64(size.width) * UInt64(size.height) <= UInt64(info.width) * UInt64(info.height) { rows = try upright(rows, pool: pool) }
        }
        if sharpening > 0 { rows = try sharpened(rows) }
        let fitted = switch fit {
        case .inside, .fill: rows
        case .cover: try covering(rows)
        case .pad: try padded(rows)
        }
        return fitted === source ? source : AlteredPicture(fitted)
    }

    /// Planes are reduced as they are, where the result has a sample of chroma for each pixel; light needs RGB.
    private func resized(_ rows: any RowSource, width: UInt32, height: UInt32) throws(ImageError) -> any RowSource {
        weights.begin(rows.info, width: width, height: height)
        if !isLinear && PlanarResizer.takes(rows.info, width: width, height: height) {
            return try PlanarResizer(rows, width: width, height: height, kernel: kernel, cache: weights, pool: pool)
        }
        return try Resizer(try packed(rows), width: width, height: height, kernel: kernel, isLinear: isLinear, cache: weights, pool: pool)
    }

    private func sharpened(_ rows: any RowSource) throws(ImageError) -> any RowSource {
        let rows = try packed(rows)
        var format = rows.info.format
        if format.hasAlpha { format.alpha = .straight }
        let straight: any RowSource = format == rows.info.format ? rows : try Converter(rows, to: format, pool: pool)
        return try Sharpener(straight, amount: sharpening, isLinear: isLinear, pool: pool)
    }

    /// Planes as RGB, and alpha straight where samples are to become light.
    private func packed(_ rows: any RowSource) throws(ImageError) -> any RowSource {
        var format = rows.info.format
        if format.layout == .planar || (isLinear && format.model == .ycbcr) { format = format.packedRGB }
        if isLinear && format.hasAlpha { format.alpha = .straight }
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
        if gravity == .smart { return try DetailCropper(rows, width: width, height: height, pool: pool) }
        let place = gravity.offset(of: (width, height), in: (info.width, info.height))
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
            info.format.model == .gray && background.isGray ? .gray : .rgb,
            alpha: info.format.hasAlpha || background.alpha < 255 ? .straight : .none, sample: info.format.sample)
        let converted: any RowSource = format == info.format ? rows : try Converter(rows, to: format, pool: pool)
        return try Padder(converted, width: width, height: height, gravity: gravity, color: background, pool: pool)
    }
}
