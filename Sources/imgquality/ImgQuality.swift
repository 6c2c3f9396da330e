import FilterSupport
import ImageCodecs
import ImageCore

@main
struct ImgQuality: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgquality", operands: "REFERENCE [TEST]", files: .picture, count: 1...2, summary: "Score a picture against its reference.",
        discussion: """
            Both are JPEG, PNG, WebP or PNM files, or pixel streams of one picture; - is standard input, and the default for TEST. \
            LIST is of psnr, ssim, ssim-scaled, ms-ssim, ssimulacra2; with commas between.
            """,
        options: [
            .list("metric", "list", of: { QualityMetric.allCases.map(\.rawValue) }, default: "psnr,ssim", "What is measured."),
            .flag("json", "Print an object, with the scores of each channel and what the numbers are."),
            .value("min-psnr", "db", "Status 1 where PSNR is less."),
            .value("min-ssim", "x", "Status 1 where SSIM is less."),
            .value("min-ssimulacra2", "x", "Status 1 where SSIMULACRA 2 is less."),
            .file("map", "file", "Write where they differ, black where they do not, as a picture; its name's ending says the format, - is a pixel stream."),
            .sandboxVerbose,
        ])
    static let writesStream = false
    static var libraries: [String] { CodecLibraries.versions }

    private let metrics: [QualityMetric]
    private let floors: [(metric: QualityMetric, least: Double)]
    private let isJSON: Bool
    private let map: FilePath?
    private let names: [FilePath]
    private let limits: Limits
    private let sandbox: Sandbox

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
        (limits, sandbox) = (try given.limits(), Sandbox(given))
        if let map { _ = try HeatMap.format(of: map) }
        if names.allSatisfy(\.isStandardStream) && names.count == 2 { throw .usage("REFERENCE and TEST are both standard input") }
    }

    var writesBinaryToStandardOutput: Bool { map?.isStandardStream ?? false }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = BufferPool(limits: limits)
        pool.deadline.begin()
        let inputs = QualityInputs(console, limits: limits, pool: pool)
        do throws(ImageError) {
            let (reference, test) = try inputs.open(names[0], names[1], map: map) { threads in
                sandbox.enter(console, making: map.map { $0.isStandardStream ? [] : [.file($0)] } ?? [], threads: threads)
            }
            let heat = try map.map { (_) throws(ImageError) in try HeatMap(reference.rows.info, pool: pool) }
            let comparison = PictureComparison(metrics, planes: isJSON && metrics.contains(.ssim) ? .channels : .none, pool: pool)
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
