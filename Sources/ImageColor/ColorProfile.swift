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

    /// The TransferCharacteristics code point of ITU-T H.273 whose curve is the profile's, in all channels, within 1/500 of light; nil
    /// when none is, or the profile has no curves alone.
    var transferCode: UInt8? {
        let tags = space == .gray ? [cmsSigGrayTRCTag] : [cmsSigRedTRCTag, cmsSigGreenTRCTag, cmsSigBlueTRCTag]
        let curves = tags.compactMap { cmsReadTag(profile, $0).map(OpaquePointer.init) }
        guard space != .cmyk, curves.count == tags.count, cmsIsTag(profile, cmsSigAToB0Tag) == 0 else { return nil }
        return [13, 1, 4, 5, 8].first { code in
            guard let known = TransferCurve.code(code).make() else { return false }
            defer { cmsFreeToneCurve(known) }
            return (0...64).allSatisfy { step in
                let sample = Float(step) / 64
                return curves.allSatisfy { abs(cmsEvalToneCurveFloat($0, sample) - cmsEvalToneCurveFloat(known, sample)) < 0.002 }
            }
        }
    }

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
        guard let curve = TransferCurve.code(13).make() else { return nil }
        defer { cmsFreeToneCurve(curve) }
        return cmsCreateGrayProfile(cmsD50_xyY(), curve)
    }
}

extension ImageInfo {
    /// The transfer function that the profile has, where nothing has said it yet: for work in linear light.
    package mutating func setTransfer(from metadata: [MetadataRecord]) {
        guard color.transfer == 2, let icc = metadata[.icc], let code = ColorProfile(icc)?.transferCode else { return }
        color.transfer = code
    }
}
