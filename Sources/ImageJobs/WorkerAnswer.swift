import ImageCodecs
import ImageCore

/// What a worker process has sent of one picture. It may be in a stranger's hands: what no picture of ours can be is refused.
package struct WorkerAnswer {
    private let limits: Limits
    private let format: EncodedFormat
    package private(set) var size: (width: UInt32, height: UInt32)?
    private var byteCount: UInt64 = 0
    private var mostBytes: UInt64 = 0

    package init(_ limits: Limits, _ format: EncodedFormat) { (self.limits, self.format) = (limits, format) }

    /// False for a second size, and for one that is over a limit.
    package mutating func takes(width: UInt32, height: UInt32) -> Bool {
        let pixels = UInt64(width) * UInt64(height)
        guard size == nil, width > 0, height > 0, pixels <= limits.pixels else { return false }
        size = (width, height)
        // No encoder of ours writes more than 8 bytes a pixel, profiles and such, and its own frame.
        let mostPixels = format == .jpeg || format == .png ? pixels : min(limits.totalPixels, .max / 16)
        mostBytes = mostPixels * 8 + min(limits.metadata, .max / 4) + Self.frameBytes
        return true
    }

    /// False for none, for bytes before a size, and for more than a picture of that size has.
    package mutating func takes(_ bytes: [UInt8]) -> Bool {
        byteCount += UInt64(bytes.count)
        return size != nil && !bytes.isEmpty && byteCount <= mostBytes
    }

    /// The report of what came; nil for one of something else. `nanoseconds`: what the picture has taken.
    package func report(_ report: Pipeline.Report, nanoseconds: UInt64) -> Pipeline.Report? {
        guard let size, report.width == size.width, report.height == size.height, UInt64(exactly: report.byteCount) == byteCount, report.pixels <= limits.totalPixels else { return nil }
        var report = report
        let durations = report.durations
        report.durations = StageDurations(decode: min(durations.decode, nanoseconds), resize: min(durations.resize, nanoseconds), encode: min(durations.encode, nanoseconds))
        // No picture comes near; counters are not to overflow.
        report.buffers = BufferPool.Counts(leases: min(report.buffers.leases, 1 << 32), allocations: min(report.buffers.allocations, 1 << 32))
        return report
    }

    /// Whether a failure's status is one that a picture can have (cli.md).
    package static func isStatus(_ status: ExitStatus) -> Bool { status == .answerIsNo || (64...74).contains(status.rawValue) }

    private static let frameBytes: UInt64 = 1 << 20
}
