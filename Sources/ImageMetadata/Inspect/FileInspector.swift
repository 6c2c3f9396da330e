import ImageCore

/// Tells what a JPEG, PNG, WebP or PNM is from its headers. No pixel is decoded, and in a regular file none is read.
public struct FileInspector {
    private let limits: Limits

    /// What is read of a file at once: most heads are shorter.
    public static let windowBytes = 16 << 10

    public init(limits: Limits) { self.limits = limits }

    /// Throws what says nothing of a picture: `unsupported`, `damaged` for what is none, and failures to read. Where a picture is cut or
    /// broken behind its size, the description has the fault.
    public func describe(_ source: ByteSource) throws(ImageError) -> PictureDescription {
        #if DEBUG
            Intruder.act()
        #endif
        try source.prefetch(FileSignature.headBytes)
        switch FileSignature(source.waiting) {
        case .jpeg: return try described(.jpeg, source) { (picture) throws(ImageError) in try JPEGInspector(source, limits).read(into: &picture) }
        case .png: return try described(.png, source) { (picture) throws(ImageError) in
            var inspector = PNGInspector(source, limits)
            try inspector.read(into: &picture)
        }
        case .webp: return try described(.webp, source) { (picture) throws(ImageError) in try WebPInspector(source, limits).read(into: &picture) }
        case .pnm: return try described(.pnm, source) { (picture) throws(ImageError) in try PNMInspector(source).read(into: &picture) }
        case .pixelStream: throw .unsupported("is a pixel stream, which comes on standard input alone")
        case .some(let other): throw .unsupported("is \(other.withArticle), which imginfo does not read")
        case nil:
            throw source.waitingCount == 0 ? .damaged("empty file") : .damaged("is not a picture: no JPEG, PNG, WebP or PNM begins like this")
        }
    }

    private func described(
        _ format: FileSignature, _ source: ByteSource, _ read: (inout PictureDescription) throws(ImageError) -> Void
    ) throws(ImageError) -> PictureDescription {
        var picture = PictureDescription(format)
        if source.isRegularFile { picture.fileBytes = source.fileStatus.map { UInt64(max(0, $0.st_size)) } }
        do throws(ImageError) {
            try read(&picture)
        } catch {
            if picture.width == 0 || picture.height == 0 { throw error }
            picture.fault = error
        }
        return picture
    }
}
