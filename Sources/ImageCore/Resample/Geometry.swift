/// The size that a picture is to have, as ImageMagick writes it: imgresize(1).
///
///     800 or 800x   width     x600  height     800x600  the largest of the same aspect inside the box
///     50%  50%x25%  of each side     suffixes: > only shrink   < only enlarge   ! ignore the aspect   ^ fill the box
public struct Geometry: Equatable, Sendable {
    /// What each side is asked to be.
    public enum Request: Equatable, Sendable {
        /// Pixels; a side not given follows from the aspect.
        case box(width: UInt32?, height: UInt32?)
        /// Percent of each side.
        case percent(x: Double, y: Double)
    }

    /// What the sides are asked to be.
    public var request: Request
    /// A box is filled, whatever the picture's aspect.
    public var ignoresAspect = false
    /// The smallest size of the same aspect that the box fits into, not the largest inside it.
    public var coversBox = false
    /// Pictures that are larger than asked for stay as they are.
    public var neverShrinks = false
    /// Pictures that are smaller than asked for stay as they are.
    public var neverEnlarges = false

    /// Width and height, where both are given in pixels.
    public var box: (width: UInt32, height: UInt32)? {
        guard case .box(let width?, let height?) = request else { return nil }
        return (width, height)
    }

    /// Nil when `text` is no geometry.
    public init?(_ text: String) {
        var rest = text[...]
        var isPercent = false
        while let last = rest.last, "<>!%^".contains(last) {
            switch last {
            case ">": neverEnlarges = true
            case "<": neverShrinks = true
            case "!": ignoresAspect = true
            case "^": coversBox = true
            default:
                if isPercent { return nil }
                isPercent = true
            }
            rest.removeLast()
        }
        let sides = rest.split(separator: "x", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = sides.first, !rest.isEmpty, rest != "x" else { return nil }
        let second = sides.count == 2 ? sides[1] : ""
        if isPercent {
            // "50%x25%" has a sign behind each number.
            let across = first.last == "%" ? first.dropLast() : first
            guard let x = Self.percent(across), let y = second.isEmpty ? x : Self.percent(second) else { return nil }
            request = .percent(x: x, y: y)
            return
        }
        guard let width = Self.side(first), let height = Self.side(second) else { return nil }
        request = .box(width: width, height: height)
    }

    /// A side in pixels, at least 1; `.some(nil)` when it is left out.
    private static func side(_ text: Substring) -> UInt32?? {
        if text.isEmpty { return .some(nil) }
        guard text.allSatisfy(\.isASCII), text.first != "+", let side = UInt32(text), side > 0 else { return nil }
        return .some(side)
    }

    private static func percent(_ text: Substring) -> Double? {
        guard text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let value = Double(text), value > 0 else { return nil }
        return value
    }

    /// The size that the rows of a picture are to have. The request is about the upright picture; rows that are still to be turned
    /// on their side have it the other way round. Throws `overLimit(.pixels)`.
    public func size(of info: ImageInfo, limits: Limits) throws(ImageError) -> (width: UInt32, height: UInt32) {
        guard info.orientation >= 5 else { return try size(width: info.fullWidth, height: info.fullHeight, limits: limits) }
        let upright = try size(width: info.fullHeight, height: info.fullWidth, limits: limits)
        return (upright.height, upright.width)
    }

    /// The size of the result for a picture that is `width` x `height` upright. Sides are rounded to nearest, and are
    /// at least 1. Throws `overLimit` when the result would be more pixels than `limits` allow.
    public func size(width: UInt32, height: UInt32, limits: Limits) throws(ImageError) -> (width: UInt32, height: UInt32) {
        let (w, h) = (UInt64(width), UInt64(height))
        var (newW, newH): (UInt64, UInt64)
        switch request {
        case .percent(let x, let y):
            // Beyond 32 bits all are alike: over the limit.
            (newW, newH) = (Self.scaled(width, x), Self.scaled(height, y))
        case .box(let boxW, let boxH):
            let (boxW, boxH) = (boxW.map(UInt64.init), boxH.map(UInt64.init))
            if ignoresAspect {
                (newW, newH) = (boxW ?? w, boxH ?? h)
            } else if let boxW, boxH.map({ coversBox ? boxW * h >= $0 * w : boxW * h <= $0 * w }) ?? true {
                (newW, newH) = (boxW, Self.rounded(h * boxW, over: w))
            } else {
                (newW, newH) = (Self.rounded(w * boxH!, over: h), boxH!)
            }
        }
        (newW, newH) = (max(newW, 1), max(newH, 1))
        if neverEnlarges && newW >= w && newH >= h { (newW, newH) = (w, h) }
        if neverShrinks && newW <= w && newH <= h { (newW, newH) = (w, h) }
        let (pixels, overflow) = newW.multipliedReportingOverflow(by: newH)
        try limits.check(.pixels, overflow ? .max : pixels)
        guard let sideW = UInt32(exactly: newW), let sideH = UInt32(exactly: newH) else {
            throw .overLimit(.pixels, value: pixels, maximum: UInt64(UInt32.max))
        }
        return (sideW, sideH)
    }

    private static func rounded(_ value: UInt64, over divisor: UInt64) -> UInt64 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return quotient + (remainder >= divisor - remainder ? 1 : 0)
    }

    private static func scaled(_ side: UInt32, _ percent: Double) -> UInt64 {
        UInt64(min((Double(side) * percent / 100 + 0.5).rounded(.down), 0x1p40))
    }
}
