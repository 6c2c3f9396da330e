import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

/// Outputs that are asked for again: by the file that the input is, as it was last changed, and the recipe.
public final class ResultCache: Sendable {
    public struct Key: Hashable, Sendable {
        private let device: UInt64
        private let inode: UInt64
        private let seconds: Int
        private let nanoseconds: Int
        private let byteCount: Int
        private let format: EncodedFormat
        private let words: [String]

        /// Nil for what is no regular file.
        init?(_ file: borrowing Descriptor, _ recipe: Recipe, _ format: EncodedFormat) {
            var status = stat()
            guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
            (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
            (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
            (byteCount, self.format, words) = (Int(status.st_size), format, recipe.words)
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

    /// What `work` gives, or has given before, in the sink that `open` makes for its size.
    func result(
        _ key: Key,
        _ work: ((UInt32, UInt32) throws(ImageError) -> any ByteSink) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink),
        to open: (UInt32, UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
        let value = try values.value(for: key) { () throws(ImageError) -> (Value, byteCount: Int) in
            let memory = MemorySink()
            let report = try work { _, _ throws(ImageError) in memory }.report
            try memory.commit()
            let bytes = memory.file ?? []
            return (Value(bytes: bytes, report: report), bytes.count)
        }
        let sink = try open(value.report.width, value.report.height)
        let bytes = value.bytes
        try sink.write(bytes.span.bytes)
        return (value.report, sink)
    }
}
