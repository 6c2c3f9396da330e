import Glibc

/// What encoded samples are as light, both 0...1: transfer functions of ITU-T H.273, table 3.
struct Transfer {
    /// light = encoded / slope below a threshold, else ((encoded + a) / (1 + a)) ^ exponent.
    private let exponent: Double
    private let a: Double
    private let slope: Double
    /// Of encoded samples.
    private let threshold: Double

    /// `code`: a TransferCharacteristics code point. One that is not known, or is of high dynamic range, is taken for sRGB's.
    init(code: UInt8) {
        switch code {
        case 1, 6, 14, 15: (exponent, a, slope, threshold) = (1 / 0.45, 0.099, 4.5, 0.081)
        case 4: (exponent, a, slope, threshold) = (2.2, 0, 1, 0)
        case 5: (exponent, a, slope, threshold) = (2.8, 0, 1, 0)
        case 8: (exponent, a, slope, threshold) = (1, 0, 1, 0)
        // IEC 61966-2-1.
        default: (exponent, a, slope, threshold) = (2.4, 0.055, 12.92, 0.04045)
        }
    }

    func linear(_ encoded: Double) -> Double {
        encoded <= threshold ? encoded / slope : pow((encoded + a) / (1 + a), exponent)
    }

    func encoded(_ linear: Double) -> Double {
        linear <= threshold / slope ? linear * slope : (1 + a) * pow(linear, 1 / exponent) - a
    }
}
