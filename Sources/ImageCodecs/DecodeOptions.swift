import ImageCore

/// What the caller wants of a decoder: it may give that at once where its library can, and gives what the file has where not.
public struct DecodeOptions: Sendable {
    /// What the channels of the rows are to be.
    public enum Pixels: Sendable {
        /// As the file has them: a JPEG as its YCbCr planes, where 8 bits will do.
        case native
        /// As the file has them, but a JPEG as RGB.
        case packed
        /// One channel. Alpha is blended with white.
        case gray
        /// Three channels. Alpha is blended with white.
        case rgb
        /// Four channels, the last one straight alpha.
        case rgba
    }

    /// The channels of the rows; of a JPEG RGB unless set.
    public var pixels = Pixels.packed
    /// nil: as the file has them.
    public var sample: SampleType?
    /// What becomes of the orientation that the file states.
    public enum Orientation: Sendable {
        /// Said in the picture's information, for a later stage to apply.
        case keep
        /// The rows come upright.
        case apply
        /// The rows come as they are stored, and are said to be upright.
        case ignore
    }

    /// Whether the rows come upright.
    public var orientation = Orientation.keep
    /// Samples are made sRGB; else a profile goes along.
    public var convertsToSRGB = false
    /// The file itself goes along, behind the rows, while these are its picture.
    public var carriesFile = false
    /// Of an animation only the first frame.
    public var takesFirstFrameOnly = false
    /// The size that a later stage will ask for: a decoder may scale down where each side is left twice that at least.
    public var target: Geometry?
    /// What a damaged picture still holds is given, and `Decoder.account` says how much that is; else damage is an error.
    public var salvages = false
    /// Of such a picture, the least percent of rows that must have come, 0...100.
    public var leastRecovered = 0
    /// What a picture is held against before memory is taken for it.
    public var limits = Limits()

    /// PNG: libpng reads all rows. For tests, whose oracle it is.
    package var usesLibpngAlone = false

    /// Rows as the file has them, but a JPEG as RGB; not turned; within the default limits.
    public init() {}

    /// The size of the rows of `info`, at its full size, that a later stage will want; nil where none was said, and for a size over the limit,
    /// which is that stage's to refuse.
    func targetSize(of info: ImageInfo) -> (width: UInt32, height: UInt32)? {
        try? target?.size(of: info, limits: limits)
    }

    /// The format that rows of `format` are to be converted to.
    public func format(from format: PixelFormat) -> PixelFormat {
        var wanted: PixelFormat
        switch pixels {
        case .native, .packed: wanted = format
        case .gray: wanted = PixelFormat(.gray, sample: format.sample)
        case .rgb: wanted = PixelFormat(.rgb, sample: format.sample)
        case .rgba: wanted = PixelFormat(.rgb, alpha: .straight, sample: format.sample)
        }
        if let sample { wanted.sample = sample }
        return wanted
    }
}
