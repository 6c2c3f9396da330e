import CLCMS
import ImageCore

/// Colour that a file states as numbers: a transfer function and chromaticities.
package struct StatedColor {
    let transfer: TransferCurve
    /// CIE x, y of white, red, green, blue; sRGB's where none are stated.
    let points: [(x: Double, y: Double)]

    /// ITU-R BT.709.
    private static let srgb: [(x: Double, y: Double)] = [(0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06)]

    /// A PNG's gAMA and cHRM: encoded sample = light ^ `gamma`; x, y of white, red, green, blue, or all 0.
    package init(gamma: Double, chromaticities c: (Double, Double, Double, Double, Double, Double, Double, Double)) {
        transfer = .power(gamma > 0 ? 1 / gamma : 0)
        points = c.1 > 0 ? [(c.0, c.1), (c.2, c.3), (c.4, c.5), (c.6, c.7)] : Self.srgb
    }

    /// Code points of ITU-T H.273, tables 2 and 3; nil where these say nothing, or nothing that is known here.
    package init?(_ code: ColorCode) {
        let d65 = (x: 0.3127, y: 0.3290), c = (x: 0.310, y: 0.316)
        switch code.primaries {
        case 1: points = Self.srgb
        case 4: points = [c, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)]
        case 5: points = [d65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)]
        case 6, 7: points = [d65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)]
        case 8: points = [c, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)]
        case 9: points = [d65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)]
        case 11: points = [(0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]
        case 12: points = [d65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)]
        case 22: points = [d65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)]
        default: return nil
        }
        transfer = .code(code.transfer)
        guard let curve = transfer.make() else { return nil }
        cmsFreeToneCurve(curve)
    }

    /// As near to sRGB as files come that mean it: they write a gamma of 0.45455, and three or four digits.
    package var isSRGB: Bool {
        let isCurve = switch transfer {
        case .power(let exponent): abs(1 / exponent - 1 / 2.2) < 0.005
        case .code(let code): code == 13
        }
        return isCurve && zip(points, Self.srgb).allSatisfy { abs($0.x - $1.x) < 0.002 && abs($0.y - $1.y) < 0.002 }
    }

    /// An ICC profile of it; nil where the numbers make none.
    package func profile(isGray: Bool) -> [UInt8]? {
        guard transfer != .power(0), let curve = transfer.make() else { return nil }
        defer { cmsFreeToneCurve(curve) }
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
