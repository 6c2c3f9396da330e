import ImageCore

/// Removes metadata from JPEG, PNG and WebP files, whose compressed pixels stay bit for bit the same. Streams; holds metadata alone.
public final class FileStripper {
    private let choice: MetadataChoice
    private let limits: Limits
    private let pool: BufferPool

    public init(_ choice: MetadataChoice, limits: Limits, pool: BufferPool) {
        (self.choice, self.limits, self.pool) = (choice, limits, pool)
    }

    /// Writes the picture in `source` to `sink`, without committing it. A walker of its own (`AuditedSink`) sees each byte before the sink does;
    /// what had to go and is still there throws `internalError`, and nothing more is written. Throws `damaged` and `truncated` for a file that
    /// is not whole, `unsupported` for one that is none of the three formats.
    ///
    /// `plantsFault`: lets EXIF through, to see that the walker finds it; only in debug builds.
    public func strip(_ source: ByteSource, to sink: any ByteSink, plantsFault: Bool = false) throws(ImageError) -> StripReport {
        let editor = MetadataEditor(choice, limits: limits)
        #if DEBUG
            editor.plantsFault = plantsFault
            Intruder.act()
        #endif
        try source.prefetch(FileSignature.headBytes)
        let format = FileSignature(source.waiting)
        switch format {
        case .jpeg:
            let output = AuditedSink(sink, JPEGWalker(choice))
            try JPEGStripper(source, output, editor).strip()
            try output.end()
        case .png:
            let output = AuditedSink(sink, PNGWalker(choice))
            try PNGStripper(source, output, editor).strip()
            try output.end()
        case .webp:
            let output = AuditedSink(sink, WebPWalker(choice))
            try WebPStripper(try source.seekable(pool: pool), output, editor).strip()
            try output.end()
        case .pixelStream: throw .unsupported("is a pixel stream, which comes on standard input alone")
        case .some(let other): throw .unsupported("is \(other.withArticle), which imgstrip does not read")
        case nil:
            throw source.waitingCount == 0
                ? .damaged("empty file") : .damaged("is not a picture: no JPEG, PNG or WebP begins like this")
        }
        if let failure = editor.failure { throw failure }
        editor.report.end()
        return editor.report
    }
}
