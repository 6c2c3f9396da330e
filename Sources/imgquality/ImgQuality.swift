import CPlatformShims
import FilterSupport
import Glibc
import ImageCodecs
import ImageColor
import ImageCore

@main
struct ImgQuality: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgquality", operands: "REFERENCE [TEST]", count: 1...2, summary: "Score a picture against its reference.",
        discussion: """
            Both are JPEG, PNG, WebP or PNM files, or pixel streams of one picture; - is standard input, and the default for TEST. \
            LIST is of psnr, ssim, ssim-scaled, ms-ssim, ssimulacra2; with commas between.
            """,
        options: [
            .value("metric", "list", default: "psnr,ssim", "What is measured."),
            .flag("json", "Print an object, with the scores of each channel and what the numbers are."),
            .value("min-psnr", "db", "Status 1 where PSNR is less."),
            .value("min-ssim", "x", "Status 1 where SSIM is less."),
            .value("min-ssimulacra2", "x", "Status 1 where SSIMULACRA 2 is less."),
            .value("map", "file", "Write where they differ, black where they do not, as a picture; its name's ending says the format, - is a pixel stream."),
        ])
    static let writesStream = false

    private let metrics: [QualityMetric]
    private let floors: [(metric: QualityMetric, least: Double)]
    private let isJSON: Bool
    private let map: FilePath?
    private let names: [FilePath]
    private let limits: Limits

    init(_ given: GivenOptions) throws(ImageError) {
        var floors: [(metric: QualityMetric, least: Double)] = []
        for name in ["psnr", "ssim", "ssimulacra2"] {
            guard let text = given.text("min-" + name) else { continue }
            guard let least = Double(text), !least.isNaN else { throw .usage("--min-\(name) \(Console.printable(Array(text.utf8))) is no number") }
            floors.append((QualityMetric(rawValue: name)!, least))
        }
        self.floors = floors
        var metrics: [QualityMetric] = []
        for word in given.text("metric")!.split(separator: ",", omittingEmptySubsequences: false) {
            guard let metric = QualityMetric(rawValue: String(word)) else {
                throw .usage("--metric \(Console.printable(Array(word.utf8))) is none of \(QualityMetric.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            if !metrics.contains(metric) { metrics.append(metric) }
        }
        for floor in floors where !metrics.contains(floor.metric) { metrics.append(floor.metric) }
        self.metrics = metrics
        (isJSON, map) = (given.flag("json"), given.text("map").map { FilePath(argument: $0) })
        names = (given.operands + (given.operands.count == 1 ? ["-"] : [])).map { FilePath(argument: $0) }
        limits = try given.limits()
        if let map { _ = try HeatMap.format(of: map) }
        if names.allSatisfy(\.isStandardStream) && names.count == 2 { throw .usage("REFERENCE and TEST are both standard input") }
    }

    var writesBinaryToStandardOutput: Bool { map?.isStandardStream ?? false }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = BufferPool(limits: limits)
        let inputs = QualityInputs(console, limits: limits, pool: pool)
        do throws(ImageError) {
            let (reference, test) = try inputs.open(names[0], names[1])
            let heat = try map.map { (_) throws(ImageError) in try HeatMap(reference.rows.info, pool: pool) }
            let comparison = PictureComparison(metrics, pool: pool)
            let draw: ((Int, UnsafeBufferPointer<Float>) -> Void)? = heat.map { heat in { heat.add($0, $1) } }
            let scores = try comparison.scores(reference: reference.rows, test: test.rows, map: draw)
            try reference.end()
            try test.end()
            let text = isJSON ? ScoresText.json(scores) : ScoresText.line(scores)
            try Descriptor(number: writesBinaryToStandardOutput ? 2 : 1, owned: false).write(Array(text.utf8).span.bytes)
            if let heat, let map {
                do throws(ImageError) {
                    try heat.write(to: map, pool: pool)
                } catch {
                    console.report(error, subject: map.isStandardStream ? Array("standard output".utf8) : map.bytes)
                    return error.status
                }
            }
            return floors.contains { floor in scores[floor.metric].map { !($0 >= floor.least) } ?? true } ? .answerIsNo : .done
        } catch {
            if case .writeFailed = error { throw error }
            console.report(error, subject: inputs.subject)
            return error.status
        }
    }
}

/// The two pictures of a run.
final class QualityInputs {
    private let console: Console
    private let limits: Limits
    private let pool: BufferPool
    /// What a failure is about.
    private(set) var subject: [UInt8] = []

    init(_ console: Console, limits: Limits, pool: BufferPool) { (self.console, self.limits, self.pool) = (console, limits, pool) }

    /// One of them: its rows, and what is to be seen when these are read.
    struct Input {
        var rows: any RowSource
        let end: () throws(ImageError) -> Void
    }

    func open(_ reference: FilePath, _ test: FilePath) throws(ImageError) -> (Input, Input) {
        // One that is a pipe must be read on while the other is waited for.
        let areBothPipes = [reference, test].allSatisfy(Self.isPipe)
        // Both are open before the first byte is waited for.
        subject = Self.subject(reference)
        let referenceBytes = try source(reference, readsAhead: areBothPipes)
        subject = Self.subject(test)
        let testBytes = try source(test, readsAhead: areBothPipes)
        var first = try open(reference, referenceBytes)
        var second = try open(test, testBytes)
        subject = []
        if first.rows.metadata[.icc] != second.rows.metadata[.icc] {
            first.rows = try inSRGB(first.rows, reference)
            second.rows = try inSRGB(second.rows, test)
        }
        return (first, second)
    }

    private func inSRGB(_ rows: any RowSource, _ path: FilePath) throws(ImageError) -> any RowSource {
        let converted = try SRGB.converted(rows, pool: pool)
        if !converted.profileIsUsable { console.say("warning: its ICC profile cannot be used; taken as sRGB", subject: Self.subject(path)) }
        return converted.rows
    }

    private static func subject(_ path: FilePath) -> [UInt8] { path.isStandardStream ? Array("standard input".utf8) : path.bytes }

    private static func isPipe(_ path: FilePath) -> Bool {
        var status = stat()
        let failed = path.isStandardStream ? fstat(0, &status) : path.withCString { stat($0, &status) }
        return failed == 0 && status.st_mode & S_IFMT != S_IFREG
    }

    private func open(_ path: FilePath, _ input: (bytes: ByteSource, readAhead: ReadAhead?)) throws(ImageError) -> Input {
        subject = Self.subject(path)
        let source = input.bytes
        try source.prefetch(FileSignature.headBytes)
        if source.waitingCount == 0, let code = input.readAhead?.openErrno.load(ordering: .acquiring), code != 0 { throw .cannotOpen(errno: code) }
        guard FileSignature(source.waiting) == .pixelStream else {
            var options = DecodeOptions()
            options.limits = limits
            return Input(rows: try Decoder(pool: pool, options: options).open(source)) { () throws(ImageError) in
                if path.isStandardStream { try source.drain() }
            }
        }
        let reader = StreamReader(source, limits: limits)
        switch try reader.next() {
        case .picture: break
        case .failure(let failure): throw .upstream(failure)
        case nil: throw .damaged("no picture came")
        }
        return Input(rows: reader) { () throws(ImageError) in
            switch try reader.next() {
            case .picture: throw .unsupported("more than one picture in a stream")
            case .failure(let failure): throw .upstream(failure)
            case nil: break
            }
        }
    }

    private func source(_ path: FilePath, readsAhead: Bool) throws(ImageError) -> (bytes: ByteSource, readAhead: ReadAhead?) {
        guard readsAhead else { return (try ByteSource(path.isStandardStream ? .standardInput : .open(reading: path), pool: pool), nil) }
        let (readAhead, output) = try ReadAhead.begin { path.isStandardStream ? 0 : path.withCString { imgpipe_open($0, O_RDONLY | O_CLOEXEC, 0) } }
        _ = try Thread { readAhead.pump() }
        return (try ByteSource(Descriptor(number: output), pool: pool), readAhead)
    }
}
