/// What the samples of a pixel mean. Raw values are those of IMAG in imgpipe(5), here and below.
public enum ColorModel: UInt8, Sendable {
    case gray = 1
    case rgb = 2
    /// JFIF: BT.601 matrix, full range, chroma sited at the centre of its block.
    case ycbcr = 3

    public var colorChannels: Int { self == .gray ? 1 : 3 }
}

/// Whether the last channel is opacity, and how the others relate to it.
public enum Alpha: UInt8, Sendable {
    case none = 0
    case straight = 1
    /// Colour samples hold sample x alpha.
    case premultiplied = 2
}

public enum SampleType: UInt8, Sendable {
    case uint8 = 1
    /// Little-endian, all 16 bits significant: 0...65535.
    case uint16 = 2

    public var byteCount: Int { Int(rawValue) }
    public var maximum: Int { self == .uint8 ? 255 : 65535 }
}

/// How many luma columns and rows share one chroma sample: the code is horizontal << 4 | vertical.
public enum Subsampling: UInt8, Sendable {
    case s444 = 0x11
    case s422 = 0x21
    case s420 = 0x22
    case s440 = 0x12
    case s411 = 0x41

    public var horizontal: Int { Int(rawValue >> 4) }
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

public enum Layout: UInt8, Sendable {
    /// Channels interleaved, rows without padding.
    case packed = 1
    /// Bands of v luma rows, one Cb row and one Cr row.
    case planar = 2
}

/// How the bytes of a row are laid out.
public struct PixelFormat: Equatable, Sendable {
    public var model: ColorModel
    public var alpha: Alpha
    public var sample: SampleType
    public var subsampling: Subsampling
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

    public static let gray = PixelFormat(.gray)
    public static let rgb = PixelFormat(.rgb)
    public static let rgba = PixelFormat(.rgb, alpha: .straight)

    /// RGB with as many bits, and with alpha where this has it.
    public var packedRGB: PixelFormat { PixelFormat(.rgb, alpha: hasAlpha ? .straight : .none, sample: sample) }

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
