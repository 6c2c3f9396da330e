import CLCMS
import ImageCore

/// An ICC profile as Little CMS sees it, and what leads from it to sRGB: relative colorimetric, with black point compensation.
final class ColorProfile {
    enum Space { case gray, rgb, cmyk }

    let space: Space
    private let profile: cmsHPROFILE

    /// Nil for bytes that are no profile, or one of a space that pictures here do not have.
    init?(_ bytes: [UInt8]) {
        guard let profile = cmsOpenProfileFromMem(bytes, cmsUInt32Number(bytes.count)) else { return nil }
        self.profile = profile
        switch cmsGetColorSpace(profile) {
        case cmsSigGrayData: space = .gray
        case cmsSigRgbData: space = .rgb
        case cmsSigCmykData: space = .cmyk
        default:
            space = .rgb
            return nil
        }
    }

    deinit { cmsCloseProfile(profile) }

    /// Samples of `input` to samples of `output`, Little CMS's formats; nil where the profile does not hold what that takes.
    /// Grey goes to grey on sRGB's curve.
    func transform(_ input: cmsUInt32Number, to output: cmsUInt32Number) -> cmsHTRANSFORM? {
        guard let target = space == .gray ? Self.grayOnSRGBCurve() : cmsCreate_sRGBProfile() else { return nil }
        defer { cmsCloseProfile(target) }
        return cmsCreateTransform(
            profile, input, target, output, cmsUInt32Number(INTENT_RELATIVE_COLORIMETRIC),
            cmsUInt32Number(cmsFLAGS_BLACKPOINTCOMPENSATION | cmsFLAGS_COPY_ALPHA))
    }

    private static func grayOnSRGBCurve() -> cmsHPROFILE? {
        // IEC 61966-2-1 as Little CMS's parametric curve of type 4.
        guard let curve = cmsBuildParametricToneCurve(nil, 4, [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]) else { return nil }
        defer { cmsFreeToneCurve(curve) }
        return cmsCreateGrayProfile(cmsD50_xyY(), curve)
    }
}

/// A picture whose samples are made sRGB; its profile is gone then.
final class ColorConverter: RowSource {
    private let source: any RowSource
    private let transform: cmsHTRANSFORM

    let info: ImageInfo
    let metadata: [MetadataRecord]
    var trailingMetadata: [MetadataRecord] { source.trailingMetadata }

    /// `source`: packed grey or RGB with a profile. Nil where the profile does not serve.
    init?(_ source: any RowSource) {
        let format = source.info.format
        guard let icc = source.metadata[.icc], let profile = ColorProfile(icc), profile.space == (format.model == .gray ? .gray : .rgb) else { return nil }
        var type = switch (profile.space, format.sample) {
        case (.gray, .uint8): imgpipe_type_gray_8
        case (.gray, .uint16): imgpipe_type_gray_16
        case (_, .uint8): imgpipe_type_rgb_8
        case (_, .uint16): imgpipe_type_rgb_16
        }
        if format.hasAlpha { type |= imgpipe_type_extra }
        guard let transform = profile.transform(type, to: type) else { return nil }
        self.transform = transform
        self.source = source
        metadata = source.metadata.filter { $0.type != .icc }
        var info = source.info
        info.color = .sRGB(format.model)
        self.info = info
    }

    deinit { cmsDeleteTransform(transform) }

    func nextFrame() throws(ImageError) -> Frame? { try source.nextFrame() }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        let rows = try source.read(into: &bands)
        bands.withUnsafeMutableBytes {
            cmsDoTransform(transform, $0.baseAddress!, $0.baseAddress!, cmsUInt32Number(rows * Int(info.width)))
        }
        return rows
    }
}
