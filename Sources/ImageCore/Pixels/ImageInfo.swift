/// The compressed format that a picture was decoded from.
public enum SourceFormat: UInt8, Sendable {
    /// Made by a program, or from a format that has no number here.
    case unknown = 0
    /// JPEG.
    case jpeg = 1
    /// PNG.
    case png = 2
    /// WebP, lossy or not.
    case webp = 3
    /// PBM, PGM, PPM or PAM.
    case pnm = 4
}

/// Code points of ITU-T H.273 that say what the samples mean as light.
public struct ColorCode: Equatable, Sendable {
    /// ColourPrimaries, table 2: 1 is BT.709's, 2 not known.
    public var primaries: UInt8
    /// TransferCharacteristics, table 3: 13 is sRGB's, 2 not known.
    public var transfer: UInt8
    /// MatrixCoefficients, table 4: 5 for YCbCr, else 0.
    public var matrix: UInt8
    /// VideoFullRangeFlag: 1, all codes are used.
    public var fullRange: UInt8

    /// Code points as they are given; none is checked.
    public init(primaries: UInt8, transfer: UInt8, matrix: UInt8, fullRange: UInt8 = 1) {
        (self.primaries, self.transfer, self.matrix, self.fullRange) = (primaries, transfer, matrix, fullRange)
    }

    /// Primaries and transfer not known (2): taken as sRGB. The matrix is the one that goes with the model.
    public static func unspecified(_ model: ColorModel) -> ColorCode {
        ColorCode(primaries: 2, transfer: 2, matrix: matrix(of: model))
    }

    /// IEC 61966-2-1, with the matrix that goes with the model.
    public static func sRGB(_ model: ColorModel) -> ColorCode {
        ColorCode(primaries: 1, transfer: 13, matrix: matrix(of: model))
    }

    static func matrix(of model: ColorModel) -> UInt8 { model == .ycbcr ? 5 : 0 }
}

/// What is known of a picture before its rows: the fields of IMAG in imgpipe(5).
public struct ImageInfo: Equatable, Sendable {
    /// Columns of the rows as they come, before orientation, in pixels; never 0.
    public var width: UInt32
    /// Rows of a frame; never 0.
    public var height: UInt32
    /// How the bytes of the rows are laid out.
    public var format: PixelFormat
    /// 1...8 as in EXIF: what is still to be done to the rows to stand upright.
    public var orientation: UInt8 = 1
    /// The format of the file.
    public var source: SourceFormat = .unknown
    /// Significant bits of a source sample, 1...16.
    public var depth: UInt8
    /// What the samples mean as light, where no ICC profile says it.
    public var color: ColorCode
    /// Frames, 0 when not known yet.
    public var frames: UInt32 = 1
    /// Times an animation plays, 0 for ever.
    public var loop: UInt32 = 0
    /// Pixels per metre across and down, 0 when unknown.
    public var density: (x: UInt32, y: UInt32) = (0, 0)
    /// Columns of the picture as stored, when the decoder has scaled it down; else `width`.
    public var fullWidth: UInt32
    /// Rows of the picture as stored; as `fullWidth`.
    public var fullHeight: UInt32

    /// Whether the decoder has scaled the picture down.
    public var isScaled: Bool { (fullWidth, fullHeight) != (width, height) }

    /// How much of the rows the picture covers, from the top left corner, in pixels. A scaled inverse DCT makes one pixel of 2 x 2, 4 x 4 or
    /// 8 x 8, and of what is left at the right and at the bottom too: there the picture ends within the last pixel. Any other size was
    /// scaled evenly. See imgpipe(5).
    public var extent: (width: Double, height: Double) {
        for factor in Self.blockFactors where isScaled && (width, height) == Self.size(fullWidth, fullHeight, over: factor) {
            return (Double(fullWidth) / Double(factor), Double(fullHeight) / Double(factor))
        }
        return (Double(width), Double(height))
    }

    /// How much smaller a scaled inverse DCT makes each side.
    static let blockFactors: [UInt32] = [2, 4, 8]

    /// The size of a picture of which one pixel is made of `factor` x `factor`.
    static func size(_ width: UInt32, _ height: UInt32, over factor: UInt32) -> (width: UInt32, height: UInt32) {
        ((width - 1) / factor + 1, (height - 1) / factor + 1)
    }

    /// A still, upright picture of its full size; all bits significant, colour not known, so sRGB. `width`, `height`: at least 1.
    public init(width: UInt32, height: UInt32, format: PixelFormat) {
        (self.width, self.height, self.format) = (width, height, format)
        (fullWidth, fullHeight) = (width, height)
        depth = format.sample == .uint8 ? 8 : 16
        color = .unspecified(format.model)
    }

    /// Gives the rows another format; the colour's matrix follows the model.
    public mutating func setFormat(_ format: PixelFormat) {
        self.format = format
        color.matrix = ColorCode.matrix(of: format.model)
    }

    /// Sides of the rows when they stand upright.
    public var uprightSize: (width: UInt32, height: UInt32) {
        orientation >= 5 ? (height, width) : (width, height)
    }

    /// Bytes of one packed row, or of one luma row of planes.
    public var rowBytes: Int { format.rowBytes(width: Int(width)) }

    /// Bytes of `rows` rows: see `PixelFormat.byteCount`.
    public func byteCount(rows: Int) -> Int { format.byteCount(width: Int(width), rows: rows) }

    /// The size of a buffer to move rows with: whole bands, about 128 KiB (small enough for the second cache level and
    /// for the next process to start early, large enough to hide the system call), at most the picture. Eight rows at least, where
    /// they are not larger than a mebibyte: the rows of a PNG are unfiltered by eights.
    public var bandBufferBytes: Int {
        let band = byteCount(rows: format.bandRows)
        let eight = (8 + format.bandRows - 1) / format.bandRows
        let least = eight * band <= 1 << 20 ? eight : 1
        let bands = max(least, Self.bandTargetBytes / band)
        return byteCount(rows: min(bands * format.bandRows, Int(height)))
    }

    static let bandTargetBytes = 128 << 10

    public static func == (a: ImageInfo, b: ImageInfo) -> Bool {
        a.width == b.width && a.height == b.height && a.format == b.format && a.orientation == b.orientation
            && a.source == b.source && a.depth == b.depth && a.color == b.color && a.frames == b.frames
            && a.loop == b.loop && a.density == b.density && a.fullWidth == b.fullWidth && a.fullHeight == b.fullHeight
    }
}

/// One frame of a picture; a still picture has one.
public struct Frame: Equatable, Sendable {
    /// How long an animation shows it; 0 in a still picture.
    public var durationMilliseconds: UInt32

    /// Of a still picture, unless it has a duration.
    public init(durationMilliseconds: UInt32 = 0) {
        self.durationMilliseconds = durationMilliseconds
    }
}
