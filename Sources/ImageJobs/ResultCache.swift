import FilterSupport
import Glibc
import ImageCodecs
import ImageCore
import Storage

/// Outputs that are asked for again: by the file that the input is, as it was last changed, or the object and its entity tag, and the recipe.
public final class ResultCache: Sendable {
    public struct Key: Hashable, Sendable {
        private enum Version: Hashable, Sendable {
            case file(FileVersion)
            case object(Location, etag: String)
        }

        private let version: Version
        private let format: EncodedFormat
        private let words: [String]

        /// Nil for what may be another the next time, and not say so.
        init?(_ location: Location, _ file: StoredFile, _ descriptor: borrowing Descriptor, _ recipe: Recipe, _ format: EncodedFormat) {
            if location.isRemote {
                guard let etag = file.etag else { return nil }
                version = .object(location, etag: etag)
            } else {
                var status = stat()
                guard fstat(descriptor.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
                version = .file(FileVersion(status))
            }
            (self.format, words) = (format, recipe.words)
        }
    }

    private struct Value: Sendable {
        let bytes: [UInt8]
        let report: Pipeline.Report
    }

    public typealias Statistics = Cache2QStatistics

    private let values: Cache2Q<Key, Value>

    public init(capacityBytes: Int) { values = Cache2Q(capacityBytes: capacityBytes) }

    public var statistics: Statistics { values.statistics }

    /// What `work` gives, or has given before, in the sink that `open` makes for its size. Throws `outOfTime` where another is still at it at
    /// `latest`, in nanoseconds of CLOCK_MONOTONIC. An output of more than `limitBytes` throws `overLimit`.
    func result(
        _ key: Key, latest: UInt64?, limitBytes: Int,
        _ work: ((UInt32, UInt32) throws(ImageError) -> any ByteSink) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink),
        to open: (UInt32, UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
        let start = Deadline.now
        let value = try values.value(for: key, latest: latest) { () throws(ImageError) -> (Value, byteCount: Int) in
            let memory = MemorySink(limitBytes: limitBytes)
            let report = try work { _, _ throws(ImageError) in memory }.report
            try memory.commit()
            let bytes = memory.file ?? []
            return (Value(bytes: bytes, report: report), bytes.count)
        }
        guard let value else { throw .outOfTime(seconds: Double(Deadline.now - start) / 1e9) }
        let sink = try open(value.report.width, value.report.height)
        let bytes = value.bytes
        try sink.write(bytes.span.bytes)
        return (value.report, sink)
    }
}
