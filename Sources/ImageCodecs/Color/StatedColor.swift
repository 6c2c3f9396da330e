import CLCMS

/// Colour that a file states as numbers: an exponent of the transfer function, and chromaticities.
struct StatedColor {
    /// Encoded sample = light ^ gamma, as in gAMA.
    let gamma: Double
    /// CIE x, y; all 0 where they are not stated, and then sRGB's.
    let white: (x: Double, y: Double)
    let red: (x: Double, y: Double)
    let green: (x: Double, y: Double)
    let blue: (x: Double, y: Double)

    /// ITU-R BT.709, white, red, green, blue.
    private static let srgb = [(0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]

    private var points: [(x: Double, y: Double)] { [white, red, green, blue] }

    private var statesPoints: Bool { white.y > 0 }

    /// As near to sRGB as files come that mean it: they write 0.45455, and three or four digits.
    var isSRGB: Bool {
        abs(gamma - 1 / 2.2) < 0.005
            && (!statesPoints || zip(points, Self.srgb).allSatisfy { abs($0.x - $1.0) < 0.002 && abs($0.y - $1.1) < 0.002 })
    }

    /// An ICC profile of it; nil where the numbers make none.
    func profile(isGray: Bool) -> [UInt8]? {
        guard gamma > 0, let curve = cmsBuildGamma(nil, 1 / gamma) else { return nil }
        defer { cmsFreeToneCurve(curve) }
        let points = statesPoints ? self.points : Self.srgb.map { (x: $0.0, y: $0.1) }
        let colors = points.map { cmsCIExyY(x: $0.x, y: $0.y, Y: 1) }
        var white = colors[0]
        var primaries = cmsCIExyYTRIPLE(Red: colors[1], Green: colors[2], Blue: colors[3])
        var curves: [OpaquePointer?] = [curve, curve, curve]
        // Grey on the profile's own white: it stays grey.
        guard let profile = isGray ? cmsCreateGrayProfile(cmsD50_xyY(), curve) : cmsCreateRGBProfile(&white, &primaries, &curves) else {
            return nil
        }
        defer { cmsCloseProfile(profile) }
        var count: cmsUInt32Number = 0
        guard cmsSaveProfileToMem(profile, nil, &count) != 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(count))
        guard cmsSaveProfileToMem(profile, &bytes, &count) != 0 else { return nil }
        // The time of making, ICC.1:2022 7.2.8, would make each output another: the start of 2000.
        bytes.replaceSubrange(24..<36, with: [0x07, 0xd0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])
        return bytes
    }
}
