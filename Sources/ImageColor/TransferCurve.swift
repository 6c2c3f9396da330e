import CLCMS
import Glibc
import ImageCore

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
        case .code(let code): Transfer(code: code).flatMap { Self.make($0, code) }
        }
    }

    private static func make(_ transfer: Transfer, _ code: UInt8) -> OpaquePointer? {
        if let parameters = transfer.parameters { return cmsBuildParametricToneCurve(nil, 4, parameters) }
        // High dynamic range, of which a profile keeps what is no brighter than white.
        let steps = 4096
        let table = (0..<steps).map { step -> UInt16 in
            let light = transfer.linear(Double(step) / Double(steps - 1))
            let shown = code == hlgCode ? pow(light, hlgGamma) / pow(transfer.linear(0.75), hlgGamma) : light * 10000 / referenceWhite
            return UInt16((min(1, shown) * 65535).rounded())
        }
        return cmsBuildTabulatedToneCurve16(nil, UInt32(steps), table)
    }

    /// What shows as white of a picture with highlights brighter than that, in cd/m^2: ITU-R BT.2408-7, table 1; in HLG it is at 0.75.
    private static let referenceWhite = 203.0

    private static let hlgCode: UInt8 = 18
    /// Of a display of 1000 cd/m^2, ITU-R BT.2100-2 table 5: of luminance there, of each channel here, as a profile's curve can.
    private static let hlgGamma = 1.2
}
