import Glibc

/// What encoded samples are as light, both 0...1: transfer functions of ITU-T H.273, table 3.
package struct Transfer {
    private enum Curve {
        /// light = encoded / slope up to a threshold (of encoded samples), else ((encoded + a) / (1 + a)) ^ exponent.
        case power(exponent: Double, a: Double, slope: Double, threshold: Double)
        /// Perceptual quantisation, 1 is 10000 cd/m^2: SMPTE ST 2084, ITU-R BT.2100-2 table 4.
        case pq
        /// Hybrid log-gamma, light of the scene: ITU-R BT.2100-2 table 5.
        case hlg
    }

    private let curve: Curve

    /// `code`: a TransferCharacteristics code point; nil for one that says nothing, or nothing that is known here.
    package init?(code: UInt8) {
        switch code {
        case 1, 6, 11, 12, 14, 15: curve = .power(exponent: 1 / 0.45, a: 0.099, slope: 4.5, threshold: 0.081)
        case 4: curve = .power(exponent: 2.2, a: 0, slope: 1, threshold: 0)
        case 5: curve = .power(exponent: 2.8, a: 0, slope: 1, threshold: 0)
        case 7: curve = .power(exponent: 1 / 0.45, a: 0.1115, slope: 4, threshold: 0.0913)
        case 8: curve = .power(exponent: 1, a: 0, slope: 1, threshold: 0)
        // IEC 61966-2-1.
        case 13: curve = .power(exponent: 2.4, a: 0.055, slope: 12.92, threshold: 0.04045)
        case 16: curve = .pq
        // SMPTE ST 428-1, but for its white, which is 48 / 52.37.
        case 17: curve = .power(exponent: 2.6, a: 0, slope: 1, threshold: 0)
        case 18: curve = .hlg
        default: return nil
        }
    }

    package static let sRGB = Transfer(code: 13)!

    /// The parameters of Little CMS's curve of type 4: Y = (a X + b) ^ gamma from d on, else c X. Nil where the curve is another.
    package var parameters: [Double]? {
        guard case .power(let exponent, let a, let slope, let threshold) = curve else { return nil }
        return [exponent, 1 / (1 + a), a / (1 + a), 1 / slope, threshold]
    }

    package func linear(_ encoded: Double) -> Double {
        switch curve {
        case .power(let exponent, let a, let slope, let threshold):
            return encoded <= threshold ? encoded / slope : pow((encoded + a) / (1 + a), exponent)
        case .pq:
            let power = pow(encoded, 1 / PQ.m2)
            return pow(max(0, power - PQ.c1) / (PQ.c2 - PQ.c3 * power), 1 / PQ.m1)
        case .hlg:
            return encoded <= 0.5 ? encoded * encoded / 3 : (exp((encoded - HLG.c) / HLG.a) + HLG.b) / 12
        }
    }

    package func encoded(_ linear: Double) -> Double {
        switch curve {
        case .power(let exponent, let a, let slope, let threshold):
            return linear <= threshold / slope ? linear * slope : (1 + a) * pow(linear, 1 / exponent) - a
        case .pq:
            let power = pow(linear, PQ.m1)
            return pow((PQ.c1 + PQ.c2 * power) / (1 + PQ.c3 * power), PQ.m2)
        case .hlg:
            return linear <= 1.0 / 12 ? (3 * linear).squareRoot() : HLG.a * log(12 * linear - HLG.b) + HLG.c
        }
    }

    private enum PQ {
        static let m1 = 2610.0 / 16384, m2 = 2523.0 / 4096 * 128
        static let c1 = 3424.0 / 4096, c2 = 2413.0 / 4096 * 32, c3 = 2392.0 / 4096 * 32
    }

    private enum HLG {
        static let a = 0.17883277, b = 0.28466892, c = 0.55991073
    }
}
