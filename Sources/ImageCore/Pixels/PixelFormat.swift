/// What the samples of a pixel mean. Raw values are those of IMAG in imgpipe(5), here and below.
public enum ColorModel: UInt8, Sendable {
    /// One channel: luma by BT.601, with the transfer of the colour.
    case gray = 1
    /// Three: red, green, blue.
    case rgb = 2
    /// JFIF: BT.601 matrix, full range, chroma sited at the centre of its block.
    case ycbcr = 3

    /// Channels without alpha: 1 or 3.
    public var colorChannels: Int { self == .gray ? 1 : 3 }
}

/// Whether the last channel is opacity, and how the others relate to it.
public enum Alpha: UInt8, Sendable {
    /// There is none: opaque.
    case none = 0
    /// Colour samples are as if opaque.
    case straight = 1
    /// Colour samples hold sample x alpha.
    case premultiplied = 2
}

/// How large a sample is.
public enum SampleType: UInt8, Sendable {
    /// 0...255.
    case uint8 = 1
    /// Little-endian, all 16 bits significant: 0...65535.
    case uint16 = 2

    /// 1 or 2.
    public var byteCount: Int { Int(rawValue) }
    /// What white, or opaque, is: 255 or 65535.
    public var maximum: Int { self == .uint8 ? 255 : 65535 }
}

/// How many luma columns and rows share one chroma sample: the code is horizontal << 4 | vertical.
public enum Subsampling: UInt8, Sendable {
    /// 1 x 1: chroma for each pixel, as all packed formats have it.
    case s444 = 0x11
    /// 2 x 1.
    case s422 = 0x21
    /// 2 x 2.
    case s420 = 0x22
    /// 1 x 2.
    case s440 = 0x12
    /// 4 x 1.
    case s411 = 0x41

    /// Luma columns that share a sample: 1, 2 or 4.
    public var horizontal: Int { Int(rawValue >> 4) }
    /// Luma rows that share a sample: 1 or 2.
    public var vertical: Int { Int(rawValue & 15) }

    /// As people write it: "4:2:0".
    public var name: String {
        switch self {
        case .s444: "4:4:4"
        case .s422: "4:2:2"
        case .s420: "4:2:0"
        case .s440: "4:4:0"
        case .s411: "4:1:1"
        }
    }
}

/// Whether the channels of a pixel lie together.
public enum Layout: UInt8, Sendable {
    /// Channels interleaved, rows without padding.
    case packed = 1
    /// Bands of v luma rows, one Cb row and one Cr row.
    case planar = 2
}

/// What the bytes of a row are: channels, their depth and their order.
public struct PixelFormat: Equatable, Sendable {
    /// What the channels are.
    public var model: ColorModel
    /// Whether there is one channel more, and what it means.
    public var alpha: Alpha
    /// Bytes of a sample, and its range.
    public var sample: SampleType
    /// Of planes; `s444` in a packed format.
    public var subsampling: Subsampling
    /// Pixels one after another, or planes.
    public var layout: Layout

    /// A packed format.
    public init(_ model: ColorModel, alpha: Alpha = .none, sample: SampleType = .uint8) {
        (self.model, self.alpha, self.sample) = (model, alpha, sample)
        (subsampling, layout) = (.s444, .packed)
    }

    /// Planes of YCbCr.
    public init(planar subsampling: Subsampling, sample: SampleType = .uint8) {
        (model, alpha, layout) = (.ycbcr, .none, .planar)
        (self.sample, self.subsampling) = (sample, subsampling)
    }

    /// Packed, 8 bits, one channel.
    public static let gray = PixelFormat(.gray)
    /// Packed, 8 bits, three channels.
    public static let rgb = PixelFormat(.rgb)
    /// Packed, 8 bits, four channels, alpha straight.
    public static let rgba = PixelFormat(.rgb, alpha: .straight)

    /// RGB with as many bits, and with alpha where this has it.
    public var packedRGB: PixelFormat { PixelFormat(.rgb, alpha: hasAlpha ? .straight : .none, sample: sample) }

    /// The last channel is alpha.
    public var hasAlpha: Bool { alpha != .none }

    /// Channels of a pixel, alpha among them: 1...4.
    public var channels: Int { model.colorChannels + (hasAlpha ? 1 : 0) }

    /// Bytes of one packed row, or of one luma row of planes.
    public func rowBytes(width: Int) -> Int {
        width * (layout == .planar ? 1 : channels) * sample.byteCount
    }

    /// Columns of one chroma row.
    public func chromaWidth(width: Int) -> Int {
        (width + subsampling.horizontal - 1) / subsampling.horizontal
    }

    /// Rows that belong together: 1, or with planes as many luma rows as one chroma row covers.
    public var bandRows: Int { layout == .planar ? subsampling.vertical : 1 }

    /// Bytes of `rows` rows of a picture: whole bands, and at the bottom of planes the rows that are left with
    /// a chroma row of each kind. Sides must be `isCountable`.
    public func byteCount(width: Int, rows: Int) -> Int {
        guard layout == .planar else { return rows * rowBytes(width: width) }
        let bands = (rows + bandRows - 1) / bandRows
        return rows * rowBytes(width: width) + bands * 2 * chromaWidth(width: width) * sample.byteCount
    }

    /// Whether the bytes of a frame are a number that Int holds.
    public func isCountable(width: Int, rows: Int) -> Bool {
        // Three samples and alpha a pixel are at least what planes have.
        let (row, rowOverflow) = width.multipliedReportingOverflow(by: 4 * sample.byteCount)
        return !rowOverflow && !row.multipliedReportingOverflow(by: rows).overflow
    }

    /// How many rows fit into `byteCount` bytes as whole bands, at most `remaining`.
    public func rows(width: Int, fitting byteCount: Int, remaining: Int) -> Int {
        let band = self.byteCount(width: width, rows: bandRows)
        let whole = byteCount / band * bandRows
        if whole >= remaining { return remaining }
        // The last band of planes may be shorter than the others.
        return remaining < whole + bandRows && self.byteCount(width: width, rows: remaining) <= byteCount
            ? remaining : whole
    }
}
