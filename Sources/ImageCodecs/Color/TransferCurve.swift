import CLCMS
import Glibc

/// What light a sample stands for, as a curve of an ICC profile.
enum TransferCurve: Equatable {
    /// light = sample ^ exponent.
    case power(Double)
    /// A TransferCharacteristics code point of ITU-T H.273, table 3.
    case code(UInt8)

    /// Nil for a code point that says nothing, or nothing that is known here.
    func make() -> OpaquePointer? {
        switch self {
        case .power(let exponent): cmsBuildGamma(nil, exponent)
        case .code(let code): Self.make(code)
        }
    }

    private static func make(_ code: UInt8) -> OpaquePointer? {
        // The inverse of: slope below a threshold, else (1 + a) x light ^ (1 / exponent) - a. Little CMS's parametric curve of type 4.
        func parametric(_ exponent: Double, a: Double, slope: Double, threshold: Double) -> OpaquePointer? {
            cmsBuildParametricToneCurve(nil, 4, [exponent, 1 / (1 + a), a / (1 + a), 1 / slope, threshold])
        }
        switch code {
        case 1, 6, 11, 12, 14, 15: return parametric(1 / 0.45, a: 0.099, slope: 4.5, threshold: 0.081)
        case 4: return cmsBuildGamma(nil, 2.2)
        case 5: return cmsBuildGamma(nil, 2.8)
        case 7: return parametric(1 / 0.45, a: 0.1115, slope: 4, threshold: 0.0913)
        case 8: return cmsBuildGamma(nil, 1)
        case 13: return parametric(2.4, a: 0.055, slope: 12.92, threshold: 0.04045)
        case 16: return sampled { pq($0) / referenceWhite }
        case 17: return sampled { pow($0, 2.6) * 52.37 / 48 }
        case 18: return sampled { hlg($0) / hlg(0.75) }
        default: return nil
        }
    }

    /// Light beyond white is white.
    private static func sampled(_ light: (Double) -> Double) -> OpaquePointer? {
        let steps = 4096
        let table = (0..<steps).map { UInt16((min(1, light(Double($0) / Double(steps - 1))) * 65535).rounded()) }
        return cmsBuildTabulatedToneCurve16(nil, UInt32(steps), table)
    }

    /// What shows as white of a picture with highlights brighter than that, in cd/m^2: ITU-R BT.2408-7, table 1.
    private static let referenceWhite = 203.0

    /// Perceptual quantisation, in cd/m^2: SMPTE ST 2084, ITU-R BT.2100-2 table 4.
    private static func pq(_ sample: Double) -> Double {
        let (m1, m2, c1, c2, c3) = (2610.0 / 16384, 2523.0 / 4096 * 128, 3424.0 / 4096, 2413.0 / 4096 * 32, 2392.0 / 4096 * 32)
        let power = pow(sample, 1 / m2)
        return 10000 * pow(max(0, power - c1) / (c2 - c3 * power), 1 / m1)
    }

    /// Hybrid log-gamma as a display of 1000 cd/m^2 shows it, 0...1: ITU-R BT.2100-2 table 5. Its system gamma of 1.2 is of
    /// luminance there, and is applied to each channel here, as a profile's curve can. White is at 0.75: BT.2408-7.
    private static func hlg(_ sample: Double) -> Double {
        let (a, b, c) = (0.17883277, 0.28466892, 0.55991073)
        let scene = sample <= 0.5 ? sample * sample / 3 : (exp((sample - c) / a) + b) / 12
        return pow(scene, 1.2)
    }
}
