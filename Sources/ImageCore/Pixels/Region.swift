/// A rectangle of whole pixels inside a picture.
public struct Region: Equatable, Sendable {
    /// Columns to the left of it.
    public var x: UInt32
    /// Rows above it.
    public var y: UInt32
    /// Columns.
    public var width: UInt32
    /// Rows.
    public var height: UInt32

    /// In pixels; not held against a picture.
    public init(x: UInt32, y: UInt32, width: UInt32, height: UInt32) {
        (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }

    /// `WxH+X+Y`; nil when `text` is none, or has no area.
    public init?(_ text: String) {
        let parts = text.split(separator: "+", omittingEmptySubsequences: false)
        let sides = parts.first?.split(separator: "x", omittingEmptySubsequences: false) ?? []
        let numbers = (sides + parts.dropFirst()).map { $0.allSatisfy { $0.isASCII && $0.isNumber } ? UInt32($0) : nil }
        guard parts.count == 3, sides.count == 2, let width = numbers[0], let height = numbers[1], let x = numbers[2],
            let y = numbers[3], width > 0, height > 0
        else { return nil }
        self.init(x: x, y: y, width: width, height: height)
    }

    /// What of it lies inside `width` x `height`; nil when nothing does.
    func clipped(toWidth width: UInt32, height: UInt32) -> Region? {
        guard x < width, y < height else { return nil }
        return Region(x: x, y: y, width: min(self.width, width - x), height: min(self.height, height - y))
    }

    /// Where a region of the upright picture lies in rows of `info`, which may still have to be turned.
    func stored(in info: ImageInfo) -> Region {
        let orientation = Orientation(code: info.orientation)!
        let (w, h) = (Int(info.width), Int(info.height))
        let a = orientation.stored(x: Int(x), y: Int(y), width: w, height: h)
        let b = orientation.stored(x: Int(x + width - 1), y: Int(y + height - 1), width: w, height: h)
        return Region(
            x: UInt32(min(a.x, b.x)), y: UInt32(min(a.y, b.y)), width: UInt32(abs(a.x - b.x) + 1), height: UInt32(abs(a.y - b.y) + 1))
    }
}

/// Where a smaller rectangle lies in a larger one.
public enum Gravity: String, CaseIterable, Sendable {
    /// In the middle both ways; of an odd rest the larger half is right of it and below.
    case center
    /// At the top, in the middle of the width.
    case north
    /// At the bottom, in the middle of the width.
    case south
    /// At the right, in the middle of the height.
    case east
    /// At the left, in the middle of the height.
    case west
    /// In the top right corner.
    case northeast
    /// In the top left corner.
    case northwest
    /// In the bottom right corner.
    case southeast
    /// In the bottom left corner.
    case southwest
    /// Where there is most detail.
    case smart

    /// How much of what is over lies to the left and above, in halves.
    private var halves: (x: UInt64, y: UInt64) {
        switch self {
        case .center, .smart: (1, 1)
        case .north: (1, 0)
        case .south: (1, 2)
        case .east: (2, 1)
        case .west: (0, 1)
        case .northeast: (2, 0)
        case .northwest: (0, 0)
        case .southeast: (2, 2)
        case .southwest: (0, 2)
        }
    }

    /// The place of `inner` in `outer`, which is no smaller; detail aside.
    public func offset(of inner: (width: UInt32, height: UInt32), in outer: (width: UInt32, height: UInt32)) -> (x: UInt32, y: UInt32) {
        (UInt32(UInt64(outer.width - inner.width) * halves.x / 2), UInt32(UInt64(outer.height - inner.height) * halves.y / 2))
    }
}
