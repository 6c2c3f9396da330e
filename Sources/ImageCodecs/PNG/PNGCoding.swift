import ImageCore

/// How the samples of a PNG are written.
enum PNGCoding: Equatable {
    /// As the rows have them.
    case direct
    /// Grey of fewer bits than the rows have; a row is a byte a pixel, 0...2^bits - 1.
    case gray(bits: Int)
    /// A row is a byte a pixel, an index into these colours. Those that are not opaque come first.
    case palette([RGBA], bits: Int)
}

/// A pixel of four 8-bit samples, alpha straight: red in the lowest byte.
struct RGBA: Hashable {
    var code: UInt32

    init(code: UInt32) { self.code = code }

    init(_ red: UInt8, _ green: UInt8, _ blue: UInt8, _ alpha: UInt8) {
        code = UInt32(red) | UInt32(green) << 8 | UInt32(blue) << 16 | UInt32(alpha) << 24
    }

    var red: UInt8 { UInt8(truncatingIfNeeded: code) }
    var green: UInt8 { UInt8(truncatingIfNeeded: code >> 8) }
    var blue: UInt8 { UInt8(truncatingIfNeeded: code >> 16) }
    var alpha: UInt8 { UInt8(truncatingIfNeeded: code >> 24) }
    var isGray: Bool { red == green && green == blue }

    /// The pixel at `start`, of 8-bit samples.
    @inline(__always)
    init(_ start: UnsafePointer<UInt8>, _ format: PixelFormat) {
        switch (format.model, format.hasAlpha) {
        case (.gray, false): self.init(start[0], start[0], start[0], 255)
        case (.gray, true): self.init(start[0], start[0], start[0], start[1])
        case (_, false): self.init(start[0], start[1], start[2], 255)
        case (_, true): self.init(start[0], start[1], start[2], start[3])
        }
    }

    /// Puts the pixel at `start`, as `init` reads it.
    @inline(__always)
    func store(to start: UnsafeMutablePointer<UInt8>, _ format: PixelFormat) {
        start[0] = red
        if format.model != .gray { (start[1], start[2]) = (green, blue) }
        if format.hasAlpha { start[format.channels - 1] = alpha }
    }
}

/// Colours and a number for each, in the order of their coming: at most 256, found by a hash.
struct ColorTable {
    private(set) var colors: [RGBA] = []
    /// Four times as many places as colours, so that searches are short, and a power of two; -1 is free.
    private var places = [Int16](repeating: -1, count: 1024)
    private var last = 0

    /// The number of `color`, a new one where it is new; nil when it would be one more than `most`.
    @inline(__always)
    mutating func number(of color: RGBA, most: Int) -> Int? {
        // Neighbours are alike.
        if last < colors.count && colors[last] == color { return last }
        // Knuth's multiplicative hash: the golden ratio in 32 bits.
        var place = Int((color.code &* 0x9e37_79b1) >> 22)
        while places[place] >= 0 {
            let number = Int(places[place])
            if colors[number] == color {
                last = number
                return number
            }
            place = (place + 1) & 1023
        }
        guard colors.count < most else { return nil }
        places[place] = Int16(colors.count)
        colors.append(color)
        last = colors.count - 1
        return last
    }
}
