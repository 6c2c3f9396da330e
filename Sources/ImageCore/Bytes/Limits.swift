/// One of the bounds that a picture is held against before anything is allocated for it.
public enum Limit: String, CaseIterable, Sendable {
    /// Pixels of a frame.
    case pixels
    /// Pixels of all frames of a picture together.
    case totalPixels
    /// Frames of a picture.
    case frames
    /// Bytes of a picture's metadata.
    case metadata
    /// Scans of a JPEG.
    case scans
    /// Bytes of memory, over all pictures at hand.
    case memory

    /// What is counted, in the plural.
    public var noun: String {
        switch self {
        case .pixels: "pixels"
        case .totalPixels: "pixels over all frames"
        case .frames: "frames"
        case .metadata: "bytes of metadata"
        case .scans: "JPEG scans"
        case .memory: "bytes of memory"
        }
    }

    /// The option that sets it.
    public var option: String {
        switch self {
        case .pixels: "--max-pixels"
        case .totalPixels: "--max-total-pixels"
        case .frames: "--max-frames"
        case .metadata: "--max-metadata"
        case .scans: "--max-scans"
        case .memory: "--max-memory"
        }
    }

    /// The environment variable that sets it where the option is not given.
    public var variable: String {
        switch self {
        case .pixels: "IMG_MAX_PIXELS"
        case .totalPixels: "IMG_MAX_TOTAL_PIXELS"
        case .frames: "IMG_MAX_FRAMES"
        case .metadata: "IMG_MAX_METADATA"
        case .scans: "IMG_MAX_SCANS"
        case .memory: "IMG_MAX_MEMORY"
        }
    }
}

/// The bounds of one run. The defaults are those of imgpipe(7).
public struct Limits: Equatable, Sendable {
    /// Of a frame, width x height: 16384 x 16384 unless set.
    public var pixels: UInt64 = 268_435_456
    /// Of all frames of a picture together: 2^30 unless set.
    public var totalPixels: UInt64 = 1_073_741_824
    /// Of a picture: 1024 unless set.
    public var frames: UInt64 = 1024
    /// Bytes of a picture's metadata, with `metadataRecordBytes` for each record: 64 MiB unless set.
    public var metadata: UInt64 = 64 << 20
    /// Of a JPEG: 500 unless set.
    public var scans: UInt64 = 500
    /// Bytes that a `BufferPool` takes: 1 GiB unless set.
    public var memory: UInt64 = 1 << 30
    /// For one picture, of the time that passes, waiting included; nil: no end.
    public var timeoutSeconds: Double?

    /// What a metadata record counts beside its payload: many small ones cost memory too.
    public static let metadataRecordBytes: UInt64 = 64

    /// The defaults; no end of time.
    public init() {}

    /// The bound of one kind.
    public subscript(limit: Limit) -> UInt64 {
        get {
            switch limit {
            case .pixels: pixels
            case .totalPixels: totalPixels
            case .frames: frames
            case .metadata: metadata
            case .scans: scans
            case .memory: memory
            }
        }
        set {
            switch limit {
            case .pixels: pixels = newValue
            case .totalPixels: totalPixels = newValue
            case .frames: frames = newValue
            case .metadata: metadata = newValue
            case .scans: scans = newValue
            case .memory: memory = newValue
            }
        }
    }

    /// Throws `overLimit` when `value` is more than `limit` allows.
    public func check(_ limit: Limit, _ value: UInt64) throws(ImageError) {
        if value > self[limit] { throw .overLimit(limit, value: value, maximum: self[limit]) }
    }

    /// Judges a picture by its header: width x height, and that times frames (0: not known yet, taken as 1).
    /// 32-bit sides cannot overflow the product; frames can, and then count as over the limit. Throws `overLimit`.
    public func check(width: UInt32, height: UInt32, frames: UInt32 = 1) throws(ImageError) {
        let pixels = UInt64(width) * UInt64(height)
        try check(.pixels, pixels)
        try check(.frames, UInt64(frames))
        let (total, overflow) = pixels.multipliedReportingOverflow(by: UInt64(max(frames, 1)))
        try check(.totalPixels, overflow ? .max : total)
    }
}
