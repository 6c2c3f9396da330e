import Glibc
import ImageCore

/// What a file has to meet.
public struct QualityTarget: Sendable {
    /// The least score of each metric.
    public var floors: [(metric: QualityMetric, least: Double)] = []
    /// The most bytes of the file; nil: any number.
    public var mostBytes: Int?

    /// Nothing yet: any file meets it.
    public init() {}

    /// Any file meets it.
    public var isEmpty: Bool { floors.isEmpty && mostBytes == nil }

    /// Throws `usage` for what has no qualities to search.
    public func check(_ options: EncodeOptions) throws(ImageError) {
        guard options.format == .jpeg || options.format == .webp, !options.isLossless, options.nearLossless == nil else {
            throw .usage("\(floors.isEmpty ? "--max-bytes" : "a floor of quality") is for JPEG and lossy WebP")
        }
    }

    /// "ssim 0.95 and 20000 bytes"
    fileprivate var text: String {
        (floors.map { "\($0.metric.rawValue) \($0.least)" } + (mostBytes.map { ["\($0) bytes"] } ?? [])).joined(separator: " and ")
    }
}

/// An encoding that was tried.
public struct TriedQuality: Sendable {
    /// 1...100.
    public let quality: Int
    /// Of a JPEG in colour.
    public let subsampling: Subsampling?
    /// Against the picture before it was encoded, one for each metric asked for.
    public let scores: QualityScores
    /// Bytes of the file.
    public let byteCount: Int
    /// Encodings that were made to find it.
    public fileprivate(set) var encodeCount = 0

    /// Five digits, and never more than it is.
    fileprivate static func roundedDown(_ score: Double) -> Double { score.isFinite ? (score * 1e5).rounded(.down) / 1e5 : score }

    /// "quality 80, 4:2:0, ssim 0.95123, 20000 bytes": scores rounded down to five digits.
    public var text: String {
        let chroma = subsampling.map { ", \($0.name)" } ?? ""
        let scores = scores.scores.map { ", \($0.metric.rawValue) \(Self.roundedDown($0.value))" }.joined()
        return "quality \(quality)\(chroma)\(scores), \(byteCount) bytes"
    }
}

/// Finds the smallest JPEG or lossy WebP of a picture that meets a target: the pixels are held once, encodings are made in memory, decoded as a
/// viewer would, and compared.
public final class QualitySearch {
    private let options: EncodeOptions
    private let target: QualityTarget
    private let floors: [(metric: QualityMetric, least: Double)]
    private let scale: QualityScale
    private let pool: BufferPool
    private let decoder: Decoder
    /// What the picture before needed.
    private var lastFound: Int?
    /// Of the picture at hand: all that were encoded, and why 4:2:0 will not do.
    private var tries: [Candidate] = []
    private var rejection: String?
    private var leftOut: [String] = []

    private static let mostEncodes = 7

    /// `options`: with the format; its quality is not looked at. Throws `usage` for a format without qualities.
    public init(_ options: EncodeOptions, _ target: QualityTarget, limits: Limits, pool: BufferPool) throws(ImageError) {
        try target.check(options)
        // Others measure in double precision, and must find the floor met too.
        floors = target.floors.map { ($0.metric, $0.metric == .ssim && $0.least < 1 ? min(1, $0.least + 1e-5) : $0.least) }
        (self.options, self.target, self.pool) = (options, target, pool)
        scale = QualityScale(options.format)
        var decoding = DecodeOptions()
        decoding.limits = limits
        decoder = Decoder(pool: pool, options: decoding)
    }

    private final class Candidate {
        let tried: TriedQuality
        let file: MemoryFile
        /// SSIM of Cb and Cr, the lower one, once it was asked for.
        var chromaSSIM: Double?

        init(_ tried: TriedQuality, _ file: MemoryFile) { (self.tried, self.file) = (tried, file) }
    }

    /// What became of a picture.
    public struct Outcome {
        /// What became of the picture beside the file.
        public var report = EncodeReport()
        /// What was written; nil where no quality meets the target, which `failure` says.
        public fileprivate(set) var found: TriedQuality?
        /// `notReached` where no quality meets the target; else nil.
        public fileprivate(set) var failure: ImageError?
    }

    /// Reads all of `picture` and writes what was found to `sink`, not yet committed; nothing where no quality meets the target.
    /// Throws what `picture`, the pool and `sink` throw, `usage` for a picture that a decoder has scaled down, and `unsupported` for an animation as WebP.
    ///
    /// `curve`: is given every fifth quality too, with the chroma that was found, or that came nearest.
    public func encode(_ picture: any RowSource, to sink: any ByteSink, curve: (([TriedQuality]) -> Void)? = nil) throws(ImageError) -> Outcome {
        if picture.info.isScaled { throw .usage("the picture was decoded smaller, and no imgresize came after; leave out imgdecode's --for") }
        if picture.info.frames != 1 && options.format == .webp { throw .unsupported("a floor of quality is for still pictures; it has \(picture.info.frames) frames") }
        (tries, rejection, leftOut) = ([], nil, [])
        defer { tries = [] }
        let stored = try StoredPicture(picture, Encoder(options, pool: pool), pool: pool)
        let found = try found(stored)
        if let curve, let shown = found ?? nearest { curve(try self.curve(stored, shown.tried)) }
        var outcome = Outcome()
        outcome.report.framesLeft = stored.framesLeft
        outcome.report.leftOut = leftOut
        outcome.report.showsItsSource = stored.framesLeft == 0 && !stored.isAltered
        guard let found, found.tried.byteCount <= target.mostBytes ?? .max else {
            let nearest = nearest.map { "; the nearest is \($0.tried.text)" } ?? ""
            outcome.failure = .notReached("no quality reaches \(target.text)\(nearest)\(rejection.map { "; \($0)" } ?? "")")
            return outcome
        }
        try found.file.copy(to: sink, pool: pool)
        lastFound = found.tried.quality
        outcome.found = found.tried
        outcome.found!.encodeCount = tries.count
        return outcome
    }

    private func curve(_ stored: StoredPicture, _ shown: TriedQuality) throws(ImageError) -> [TriedQuality] {
        var points: [TriedQuality] = []
        var metrics = QualityCurves.metrics(floors.map(\.metric))
        // SSIM's window wants its room.
        if floors.isEmpty && min(stored.info.width, stored.info.height) < 11 { metrics.removeAll { $0 == .ssim } }
        for quality in Set(stride(from: 5, through: 100, by: 5)).union([shown.quality]).sorted() {
            points.append(try encoded(stored, quality, shown.subsampling, metrics: metrics).tried)
        }
        return points
    }

    // MARK: Which sampling

    private func found(_ stored: StoredPicture) throws(ImageError) -> Candidate? {
        let first = scale.expected(floors, mostBytes: target.mostBytes, pixelCount: Double(stored.info.width) * Double(stored.info.height))
        guard options.format == .jpeg, stored.info.format.model == .rgb else { return try search(stored, nil, from: start(stored, first)) }
        if let chosen = options.subsampling { return try search(stored, chosen, from: start(stored, first)) }
        let least = floors.first { $0.metric == .ssim }?.least
        // Other goals have no use for it.
        let halved = floors.contains { $0.metric != .ssimulacra2 } ? try HalvedChroma(of: stored.rows(), pool: pool) : nil
        // Chroma of half the size is enough only where it is as good as luma has to be: red text smears though luma does not.
        let mayHalve = halved?.similarity?.allSatisfy { $0 >= least ?? -1 } ?? true
        if !mayHalve { reject(halved!.similarity!.min()!) }
        // Luma is the same in both; what sees colours too has to be asked.
        if floors.count == 1, let least {
            let start = start(stored, first)
            return mayHalve ? try cleanSearch(stored, least, from: start) : try search(stored, .s444, from: start)
        }
        if !mayHalve || halved.map(isBeyond) ?? false { return try search(stored, .s444, from: first) }
        let half = if let least { try cleanSearch(stored, least, from: first) } else { try search(stored, .s420, from: first, pausesAfter: Self.mostEncodes - 3) }
        guard let half else { return try search(stored, .s444, from: first) }
        if half.tried.subsampling == .s444 { return half }
        var found = half
        if try promisesMore(try tried(stored, half.tried.quality, .s444), than: half, stored) {
            let whole = try search(stored, .s444, from: half.tried.quality, fallback: half.tried.quality)
            if let whole, try isBetter(whole, than: half, stored) { found = whole }
        }
        // With what is left. A clean search has been to its end already.
        if least != nil && found === half { return found }
        return try search(stored, found.tried.subsampling, from: found.tried.quality)
    }

    /// Whether a floor of PSNR is so near to what halving chroma has lost already that 4:2:0 would cost more than it saves.
    private func isBeyond(_ halved: HalvedChroma) -> Bool {
        floors.contains { $0.metric == .psnr && 2 * halved.squaredError > 255 * 255 * Glibc.pow(10, -$0.least / 10) }
    }

    /// Whether 4:4:4 would be smaller where it just meets the floors, or better where it just fits, as far as this one tells.
    private func promisesMore(_ whole: Candidate, than half: Candidate, _ stored: StoredPicture) throws(ImageError) -> Bool {
        if floors.isEmpty { return try scale.psnr(psnr(whole, stored), with: margin(whole)) > psnr(half, stored) }
        return scale.bytes(whole.tried.byteCount, without: margin(whole)) < Double(half.tried.byteCount)
    }

    private func isBetter(_ a: Candidate, than b: Candidate, _ stored: StoredPicture) throws(ImageError) -> Bool {
        if floors.isEmpty { return try psnr(a, stored) > psnr(b, stored) }
        return a.tried.byteCount < b.tried.byteCount
    }

    /// Where to begin. What the picture before needed is a better guess than what photographs need, and in those the same is found from wherever;
    /// but not where scores have ripples, as in drawings and of WebP.
    private func start(_ stored: StoredPicture, _ first: Int) -> Int {
        guard let lastFound, options.format == .jpeg, !floors.isEmpty, !stored.isSmooth else { return first }
        return QualityScale.guess(lastFound)
    }

    private func psnr(_ candidate: Candidate, _ stored: StoredPicture) throws(ImageError) -> Double {
        if let known = candidate.tried.scores[.psnr] { return min(known, 200) }
        let psnr = try PictureComparison([.psnr], pool: pool).scores(reference: stored.rows(), test: decoder.open(candidate.file.source(pool: pool)))[.psnr]!
        return min(psnr, 200)
    }

    private func reject(_ chromaSSIM: Double) {
        rejection = "4:2:0 smears its colours, whose SSIM is \(TriedQuality.roundedDown(chromaSSIM))"
    }

    private func isClean(_ candidate: Candidate, _ stored: StoredPicture, _ least: Double) throws(ImageError) -> Bool {
        if candidate.chromaSSIM == nil {
            let comparison = PictureComparison([], planes: .chroma, pool: pool)
            candidate.chromaSSIM = try comparison.scores(reference: stored.rows(), test: decoder.open(candidate.file.source(pool: pool))).planeSSIM.min()!
        }
        return candidate.chromaSSIM! >= least
    }

    /// 4:2:0 where it leaves colours as they have to be, else 4:4:4.
    private func cleanSearch(_ stored: StoredPicture, _ least: Double, from first: Int) throws(ImageError) -> Candidate? {
        var bracket = QualityBracket(scale, from: first, mostTries: Self.mostEncodes - tries.count { $0.tried.subsampling != .s420 })
        var wasClean = false
        while let quality = bracket.next() {
            if tries.count >= 5, let found = bracket.found, found >= Self.highQuality, bracket.failing ?? 0 >= Self.highQuality - 10 { break }
            let candidate = try tried(stored, quality, .s420)
            bracket.note(quality, margin(candidate))
            if margin(candidate) >= 0 && !wasClean {
                wasClean = try isClean(candidate, stored, least)
                if !wasClean { break }
            }
        }
        let half = bracket.found.flatMap { candidate($0, .s420) }
        let halfIsClean = if let half { try isClean(half, stored, least) } else { false }
        if let half, halfIsClean, half.tried.quality < Self.highQuality {
            bracket.looksBelow = stored.isSmooth
            while let quality = bracket.next() {
                let candidate = try tried(stored, quality, .s420)
                bracket.note(quality, try isClean(candidate, stored, least) ? margin(candidate) : -1e-6)
            }
            return candidate(bracket.found!, .s420)
        }
        if half != nil && !halfIsClean { reject(half!.chromaSSIM!) }
        // Luma is the same, and so the quality is near.
        let near = halfIsClean || bracket.isClosed ? bracket.found : bracket.next()
        guard let whole = try search(stored, .s444, from: near ?? 100, fallback: bracket.found) else { return halfIsClean ? half : nil }
        guard let half, halfIsClean else { return whole }
        return whole.tried.byteCount < half.tried.byteCount ? whole : half
    }

    /// From here on whole chroma may be the smaller way, at a lower quality.
    private static let highQuality = 90

    // MARK: One way to encode

    /// Goes on from what was tried of the sampling; where that is nothing, from `first`. `pausesAfter`: ends after so many where something was
    /// found, though it may not be the lowest yet.
    private func search(
        _ stored: StoredPicture, _ subsampling: Subsampling?, from first: Int, fallback: Int? = nil, pausesAfter: Int? = nil
    ) throws(ImageError) -> Candidate? {
        let known = tries.filter { $0.tried.subsampling == subsampling }
        let most = Self.mostEncodes - (tries.count - known.count)
        var bracket = QualityBracket(scale, from: first, highest: floors.isEmpty, fallback: fallback, mostTries: most)
        for candidate in known { bracket.note(candidate.tried.quality, margin(candidate)) }
        bracket.looksBelow = stored.isSmooth && pausesAfter == nil
        while let quality = bracket.next(), bracket.found == nil || bracket.tryCount < pausesAfter ?? most {
            bracket.note(quality, margin(try tried(stored, quality, subsampling)))
        }
        return bracket.found.flatMap { candidate($0, subsampling) }
    }

    /// How far it exceeds the target, in positions of the scale.
    private func margin(_ candidate: Candidate) -> Double {
        let scores = candidate.tried.scores
        return floors.map { scale.margin($0.metric, scores[$0.metric]!, least: $0.least) }.min()
            ?? scale.margin(bytes: candidate.tried.byteCount, most: target.mostBytes!)
    }

    private func candidate(_ quality: Int, _ subsampling: Subsampling?) -> Candidate? {
        tries.first { $0.tried.quality == quality && $0.tried.subsampling == subsampling }
    }

    private func tried(_ stored: StoredPicture, _ quality: Int, _ subsampling: Subsampling?) throws(ImageError) -> Candidate {
        if let known = candidate(quality, subsampling) { return known }
        let candidate = try encoded(stored, quality, subsampling, metrics: floors.map(\.metric))
        tries.append(candidate)
        return candidate
    }

    private func encoded(_ stored: StoredPicture, _ quality: Int, _ subsampling: Subsampling?, metrics: [QualityMetric]) throws(ImageError) -> Candidate {
        var options = options
        (options.quality, options.subsampling) = (quality, subsampling)
        // Who looks for the smallest file wants it small in every way that shows the same.
        options.optimizesTables = true
        let file = try MemoryFile()
        leftOut = try Encoder(options, pool: pool).encode(stored.rows(), to: file).leftOut
        var scores = QualityScores()
        if !metrics.isEmpty {
            scores = try PictureComparison(metrics, pool: pool).scores(reference: stored.rows(), test: decoder.open(file.source(pool: pool)))
        }
        return Candidate(TriedQuality(quality: quality, subsampling: subsampling, scores: scores, byteCount: file.byteCount), file)
    }

    /// Of misses the one that comes nearest: of those that meet the floors the smallest, else the best.
    private var nearest: Candidate? {
        let possible = tries.filter { rejection == nil || $0.tried.subsampling != .s420 }
        func met(_ candidate: Candidate) -> Bool { floors.isEmpty || margin(candidate) >= 0 }
        let smallest = possible.filter(met).min { $0.tried.byteCount < $1.tried.byteCount }
        return smallest ?? possible.max { a, b in
            let (first, second) = (margin(a), margin(b))
            return first != second ? first < second : floors.lazy.map { (a.tried.scores[$0.metric]!, b.tried.scores[$0.metric]!) }.contains { $0 < $1 }
        }
    }
}
