import CLCMS

/// CMYK of 8 bits to RGB of sRGB, through a profile.
package final class CMYKConverter {
    private let transform: cmsHTRANSFORM

    /// `isInverted`: 255 is no ink. Nil where `icc` is no CMYK profile that serves.
    package init?(_ icc: [UInt8], isInverted: Bool) {
        guard let profile = ColorProfile(icc), profile.space == .cmyk,
            let transform = profile.transform(isInverted ? imgpipe_type_cmyk_8_inverted : imgpipe_type_cmyk_8, to: imgpipe_type_rgb_8)
        else { return nil }
        self.transform = transform
    }

    deinit { cmsDeleteTransform(transform) }

    package func convert(_ row: UnsafeMutablePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, pixels: Int) {
        cmsDoTransform(transform, row, target, UInt32(pixels))
    }
}
