import Glibc

/// A reconstruction filter: a function of the distance to a sample's centre, in samples, and how far it reaches.
public enum Kernel: String, CaseIterable, Sendable {
    /// The sample that the centre falls into; no weights.
    case nearest
    /// The mean of what is covered.
    case box
    /// Linear interpolation.
    case triangle
    /// Cubic, B = 0, C = 1/2: Catmull and Rom 1974.
    case catmullrom
    /// Cubic, B = C = 1/3: Mitchell and Netravali 1988.
    case mitchell
    /// Sinc of two lobes, windowed by the central lobe of a wider sinc: Duchon 1979.
    case lanczos2
    /// The same of three lobes: sharper, and rings a little more.
    case lanczos3

    /// Half the width outside which the function is 0.
    public var support: Double {
        switch self {
        case .nearest: 0
        case .box: 0.5
        case .triangle: 1
        case .catmullrom, .mitchell, .lanczos2: 2
        case .lanczos3: 3
        }
    }

    /// The value at distance `x`. Not normalised to a sum of 1 over samples: `Weights` does that.
    public func callAsFunction(_ x: Double) -> Double {
        let x = abs(x)
        switch self {
        case .nearest, .box: return x <= 0.5 ? 1 : 0
        case .triangle: return max(0, 1 - x)
        case .catmullrom: return Self.cubic(x, b: 0, c: 0.5)
        case .mitchell: return Self.cubic(x, b: 1.0 / 3, c: 1.0 / 3)
        case .lanczos2: return Self.lanczos(x, lobes: 2)
        case .lanczos3: return Self.lanczos(x, lobes: 3)
        }
    }

    /// Gives `body` the values at `count` places, `step` apart, from `start` on.
    func forEach(from start: Double, step: Double, count: Int, _ body: (Int, Double) -> Void) {
        guard let lobes = lanczosLobes else {
            for i in 0..<count { body(i, self(start + Double(i) * step)) }
            return
        }
        // Two sines a place would be most of the work of a small picture: each turns by the same angle from place to place.
        var (whole, part) = (Rotation(angle: .pi * start, step: .pi * step), Rotation(angle: .pi * start / lobes, step: .pi * step / lobes))
        for i in 0..<count {
            let x = start + Double(i) * step
            let p = Double.pi * x
            body(i, abs(x) >= lobes ? 0 : abs(x) < 1e-9 ? 1 : lobes * whole.sine * part.sine / (p * p))
            whole.advance()
            part.advance()
        }
    }

    private var lanczosLobes: Double? {
        switch self {
        case .lanczos2: 2
        case .lanczos3: 3
        default: nil
        }
    }

    /// Sine and cosine of an angle that grows by equal steps; each step adds an error of some 1e-16.
    private struct Rotation {
        private(set) var sine: Double
        private var cosine: Double
        private let stepSine: Double
        private let stepCosine: Double

        init(angle: Double, step: Double) {
            (sine, cosine, stepSine, stepCosine) = (sin(angle), cos(angle), sin(step), cos(step))
        }

        mutating func advance() {
            (sine, cosine) = (sine * stepCosine + cosine * stepSine, cosine * stepCosine - sine * stepSine)
        }
    }

    private static func cubic(_ x: Double, b: Double, c: Double) -> Double {
        if x < 1 { return ((12 - 9 * b - 6 * c) * x * x * x + (-18 + 12 * b + 6 * c) * x * x + 6 - 2 * b) / 6 }
        if x < 2 {
            return ((-b - 6 * c) * x * x * x + (6 * b + 30 * c) * x * x + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
        }
        return 0
    }

    private static func lanczos(_ x: Double, lobes: Double) -> Double {
        if x == 0 { return 1 }
        if x >= lobes { return 0 }
        let p = Double.pi * x
        return lobes * sin(p) * sin(p / lobes) / (p * p)
    }
}
