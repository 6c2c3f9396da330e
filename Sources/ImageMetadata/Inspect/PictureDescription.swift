import ImageCore

/// What a file or a picture of a pixel stream is, as its head says.
public struct PictureDescription: Sendable {
    /// What the samples mean. `ycck` and `cmyk` have four channels; `palette` is of RGB.
    public enum Model: String, Sendable { case gray, rgb, ycbcr, cmyk, ycck, palette }

    public var format: FileSignature
    /// Of the pixels as stored, before orientation.
    public var width: UInt32 = 0
    public var height: UInt32 = 0
    /// Bits of a sample, or of an index into a palette.
    public var depth = 8
    public var model = Model.rgb
    public var hasAlpha = false
    /// "4:2:0"; nil where there is no chroma.
    public var subsampling: String?
    /// A progressive JPEG, or an interlaced PNG.
    public var isProgressive = false
    /// Nil where it is not known.
    public var isLossless: Bool?
    /// The quality of IJG's scale, 1...100, that quantisation tables are of, or are closest to.
    public var quality: (value: Int, isExact: Bool)?

    public var frames: UInt32 = 1
    /// Of one round of an animation, where it is known; 0 for a still picture.
    public var durationMilliseconds: UInt64 = 0
    /// Times an animation plays, 0 for ever.
    public var loop: UInt32 = 1

    /// EXIF from its TIFF header on.
    public var exif: [UInt8]?
    public var xmp: [UInt8]?
    /// IIM.
    public var iptc: [UInt8]?
    public var icc: [UInt8]?
    /// Keyword, which is "Comment" for JPEG, and text.
    public var texts: [(keyword: String, text: String)] = []
    public var hasC2PA = false
    /// Pictures behind the picture, as MPF counts them.
    public var furtherPictures = 0
    /// Said apart from EXIF: in the pixel stream.
    public var statedOrientation: UInt8?

    /// Bytes of the file that each kind of metadata takes, with the heads of segments or chunks: exif, xmp, icc and so on, in the order in
    /// which they were met.
    public private(set) var byteCounts: [(name: String, byteCount: UInt64)] = []
    /// Of the whole file; nil where that is not known, on a pipe.
    public var fileBytes: UInt64?
    /// Rows of a picture of a stream that are not as they were.
    public var damage: [DamageRecord] = []
    /// What is broken in what was read.
    public var fault: ImageError?

    public init(_ format: FileSignature) { self.format = format }

    /// 1...8.
    public var orientation: UInt8 { statedOrientation ?? exif.flatMap(Exif.orientation) ?? 1 }

    mutating func count(_ name: String, _ byteCount: some BinaryInteger) {
        if let i = byteCounts.firstIndex(where: { $0.name == name }) {
            byteCounts[i].byteCount += UInt64(byteCount)
        } else {
            byteCounts.append((name, UInt64(byteCount)))
        }
    }
}

extension PictureDescription {
    /// Where it was taken: as EXIF says, which is `listing`, or XMP where EXIF does not.
    package func position(_ listing: ExifListing?) throws(ImageError) -> GPSPosition? {
        if let position = listing?.position { return position }
        guard let xmp else { return nil }
        return try XMPListing.position(in: xmp)
    }
}
