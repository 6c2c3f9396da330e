import ImageCodecs
import ImageCore
import ImageMetadata

/// The filters' stages joined by calls: decoder, resizer, stripper, encoder, with the bytes that their pipeline would write. For one thread;
/// what a picture has left in buffers and codecs serves the next one.
public final class Pipeline {
    public let pool: BufferPool
    private let limits: Limits
    /// Made for the recipes of late, the latest first.
    private var lines: [Line] = []
    private static let mostLines = 4

    public init(limits: Limits) {
        (self.limits, pool) = (limits, BufferPool(limits: limits))
    }

    /// What became of a picture.
    public struct Report: Sendable {
        public var byteCount = 0
        /// Of the output, upright.
        public var width: UInt32 = 0
        public var height: UInt32 = 0
        /// Of the input, over all its frames.
        public var pixels: UInt64 = 0
        public var durations = StageDurations()
        /// What was searched for and found, with its scores.
        public var found: String?
        public var warnings: [String] = []
        /// Buffers that were lent for it, and those of them that were fresh memory.
        public var buffers = BufferPool.Counts()

        public init() {}
    }

    /// Reads the picture in `source` and writes it as `format` to what `open` makes for its size, not yet committed. `latest`: nanoseconds
    /// of CLOCK_MONOTONIC, after which nobody wants it: `outOfTime` then.
    public func run(
        _ source: ByteSource, _ recipe: Recipe, as format: EncodedFormat, latest: UInt64? = nil,
        to open: (_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Report, sink: any ByteSink) {
        let (start, before) = (Deadline.now, pool.counts)
        pool.deadline.begin(latest: latest)
        defer { pool.deadline.clear() }
        let (line, clock) = (try line(for: recipe, format), StageClock())
        let decoded = TimedRows.decode(try line.decoder.open(source), clock)
        let input = decoded.info
        let opened = Deadline.now - start
        var rows: any RowSource = decoded
        if let resizing = line.resizing { rows = TimedRows.resize(try resizing.resized(rows), clock) }
        var stripped: StrippedPicture?
        if let choice = recipe.strip {
            stripped = StrippedPicture(rows, choice, limits: limits)
            rows = stripped!
        }
        var report = Report()
        (report.width, report.height) = rows.info.uprightSize
        report.pixels = UInt64(input.fullWidth) * UInt64(input.fullHeight) * UInt64(max(1, input.frames))
        let sink = CountingSink(try open(report.width, report.height))
        let encoded = try line.encode(rows, to: sink)
        report.byteCount = sink.byteCount
        report.found = encoded.found?.text
        if let account = line.decoder.account { report.warnings.append("salvaged: \(account)") }
        report.warnings += line.decoder.warnings + (stripped?.report.warnings ?? [])
        if encoded.report.framesLeft > 0 {
            report.warnings.append("an animation; \(encoded.report.framesLeft) of its frames are left out, the first is written")
        }
        report.warnings += encoded.report.leftOut.map { "left out: \($0)" }
        // A header is read, and a profile looked at, before the first row is asked for.
        report.durations = clock.durations(total: Deadline.now - start - opened)
        report.durations.decode += opened
        let after = pool.counts
        report.buffers = BufferPool.Counts(leases: after.leases - before.leases, allocations: after.allocations - before.allocations)
        return (report, sink)
    }

    private func line(for recipe: Recipe, _ format: EncodedFormat) throws(ImageError) -> Line {
        if let place = lines.firstIndex(where: { $0.recipe === recipe && $0.format == format }) {
            lines.insert(lines.remove(at: place), at: 0)
        } else {
            lines.insert(try Line(recipe, format, limits: limits, pool: pool), at: 0)
            if lines.count > Self.mostLines { lines.removeLast() }
        }
        return lines[0]
    }
}

/// The stages for one recipe and one format.
private final class Line {
    let recipe: Recipe
    let format: EncodedFormat
    let decoder: Decoder
    let resizing: Resizing?
    private let encoder: Encoder
    private let search: QualitySearch?

    init(_ recipe: Recipe, _ format: EncodedFormat, limits: Limits, pool: BufferPool) throws(ImageError) {
        (self.recipe, self.format) = (recipe, format)
        decoder = Decoder(pool: pool, options: recipe.decode)
        resizing = recipe.resize.map { Resizing($0, limits: limits, pool: pool) }
        var options = recipe.encode
        options.format = format
        encoder = Encoder(options, pool: pool)
        search = recipe.goal.isEmpty ? nil : try QualitySearch(options, recipe.goal, limits: limits, pool: pool)
    }

    func encode(_ rows: any RowSource, to sink: any ByteSink) throws(ImageError) -> (report: EncodeReport, found: TriedQuality?) {
        guard let search else { return (try encoder.encode(rows, to: sink), nil) }
        let outcome = try search.encode(rows, to: sink)
        if let failure = outcome.failure { throw failure }
        return (outcome.report, outcome.found)
    }
}
