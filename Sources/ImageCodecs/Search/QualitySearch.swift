import Glibc
import ImageCore

/// What a file has to meet.
public struct QualityTarget: Sendable {
    /// The least score of each metric.
    public var floors: [(metric: QualityMetric, least: Double)] = []
    public var mostBytes: Int?

    public init() {}

    public var isEmpty: Bool { floors.isEmpty && mostBytes == nil }

    /// "ssim 0.95 and 20000 bytes"
    fileprivate var text: String {
        (floors.map { "\($0.metric.rawValue) \($0.least)" } + (mostBytes.map { ["\($0) bytes"] } ?? [])).joined(separator: " and ")
    }
}

/// An encoding that was tried.
public struct TriedQuality: Sendable {
    public let quality: Int
    /// Of a JPEG in colour.
    public let subsampling: Subsampling?
    public let scores: QualityScores
    public let byteCount: Int
    /// Encodings that were made to find it.
    public fileprivate(set) var encodeCount = 0

    public var text: String {
        let chroma = subsampling.map { ", \($0.name)" } ?? ""
        // Never more than it is.
        let scores = scores.scores.map { ", \($0.metric.rawValue) \($0.value.isFinite ? ($0.value * 1e5).rounded(.down) / 1e5 : $0.value)" }.joined()
        return "quality \(quality)\(chroma)\(scores), \(byteCount) bytes"
    }
}

/// Finds the smallest JPEG or lossy WebP of a picture that meets a target: the pixels are held once, encodings are made in memory, decoded as a
/// viewer would, and compared.
///
/// Scores rise with quality, so the lowest quality that meets every floor is between one that does and one that does not. The next quality to try
/// is where the line through the nearest two meets the floor.
public final class QualitySearch {
    private let options: EncodeOptions
    private let target: QualityTarget
    private let pool: BufferPool
    private let floors: [(metric: QualityMetric, least: Double)]
    private let decoder: Decoder
    /// Where a search begins: what the picture before needed, so that it takes fewer encodings. Where scores rise with quality, as those of
    /// photographs do, the same is found from wherever.
    private var firstQuality = 60
    private var encodeCount = 0
    /// The nearest miss: for who asks for what cannot be.
    private var best: TriedQuality?

    private static let mostEncodes = 7

    /// `options`: with the format; its quality is not looked at. Throws `usage` for a format without qualities.
    public init(_ options: EncodeOptions, _ target: QualityTarget, limits: Limits, pool: BufferPool) throws(ImageError) {
        guard options.format == .jpeg || options.format == .webp, !options.isLossless, options.nearLossless == nil else {
            throw .usage("a floor of quality is for JPEG and lossy WebP")
        }
        // Others measure in double precision, and must find the floor met too.
        floors = target.floors.map { ($0.metric, $0.metric == .ssim && $0.least < 1 ? min(1, $0.least + 1e-5) : $0.least) }
        (self.options, self.target, self.pool) = (options, target, pool)
        var decoding = DecodeOptions()
        decoding.limits = limits
        decoder = Decoder(pool: pool, options: decoding)
    }

    private struct Candidate {
        let tried: TriedQuality
        let file: MemoryFile
    }

    /// Reads all of `picture` and writes what was found to `sink`, not yet committed. Throws `notReached` where no quality meets the target.
    ///
    /// `curve`: is given every fifth quality too, with the chroma that was found.
    public func encode(
        _ picture: any RowSource, to sink: any ByteSink, curve: (([TriedQuality]) -> Void)? = nil
    ) throws(ImageError) -> (report: EncodeReport, found: TriedQuality) {
        if picture.info.isScaled { throw .usage("the picture was decoded smaller, and no imgresize came after; leave out imgdecode's --for") }
        if picture.info.frames != 1 && options.format == .webp { throw .unsupported("a floor of quality is for still pictures; it has \(picture.info.frames) frames") }
        (encodeCount, best) = (0, nil)
        let stored = try StoredPicture(picture, Encoder(options, pool: pool), pool: pool)
        guard let found = try found(stored) else {
            let nearest = best.map { "; the nearest is \($0.text)" } ?? ""
            throw .notReached("no quality reaches \(target.text)\(nearest)")
        }
        try found.file.copy(to: sink, pool: pool)
        var report = EncodeReport()
        report.framesLeft = stored.framesLeft
        report.leftOut = leftOut
        report.showsItsSource = stored.framesLeft == 0 && !stored.isAltered
        var tried = found.tried
        tried.encodeCount = encodeCount
        firstQuality = tried.quality
        if let curve { curve(try self.curve(stored, tried)) }
        return (report, tried)
    }

    private func curve(_ stored: StoredPicture, _ found: TriedQuality) throws(ImageError) -> [TriedQuality] {
        var points: [TriedQuality] = []
        // SSIM's window wants its room.
        let fitsWindow = min(stored.info.width, stored.info.height) >= 11
        let metrics: [QualityMetric] = !target.floors.isEmpty ? target.floors.map(\.metric) : fitsWindow ? [.ssim, .psnr] : [.psnr]
        for quality in Set(stride(from: 5, through: 100, by: 5)).union([found.quality]).sorted() {
            points.append(try tried(stored, quality, found.subsampling, metrics: metrics).tried)
        }
        return points
    }

    private var leftOut: [String] = []

    private func found(_ stored: StoredPicture) throws(ImageError) -> Candidate? {
        guard options.format == .jpeg, stored.info.format.model == .rgb, options.subsampling == nil else {
            return try search(stored, options.subsampling.flatMap { stored.info.format.model == .rgb ? $0 : nil }, from: firstQuality)
        }
        // Chroma of half the size is enough only where it is as good as luma has to be: red text smears though luma does not.
        let small = try search(stored, .s420, from: firstQuality)
        let least = floors.first { $0.metric == .ssim }?.least
        let isClean = least.map { least in small?.tried.scores.planeSSIM.allSatisfy { $0 >= least } ?? false } ?? true
        // At high qualities whole chroma may be the smaller way.
        if let small, isClean, small.tried.quality < 90 { return small }
        let whole = try search(stored, .s444, from: small?.tried.quality ?? firstQuality)
        guard let small, isClean else { return whole }
        guard let whole else { return small }
        if !target.floors.isEmpty { return whole.tried.byteCount < small.tried.byteCount ? whole : small }
        // Both fit: the better one.
        return try psnr(whole, stored) > psnr(small, stored) ? whole : small
    }

    private func psnr(_ candidate: Candidate, _ stored: StoredPicture) throws(ImageError) -> Double {
        try PictureComparison([.psnr], pool: pool).scores(reference: stored.rows(), test: decoder.open(candidate.file.source(pool: pool)))[.psnr]!
    }

    // MARK: One way to encode

    private func search(_ stored: StoredPicture, _ subsampling: Subsampling?, from first: Int) throws(ImageError) -> Candidate? {
        var kept: Candidate?
        if target.floors.isEmpty {
            // The highest quality that fits: qualities are counted from above.
            _ = try lowest(from: 101 - first, .rising) { (step) throws(ImageError) in
                let candidate = try tried(stored, 101 - step, subsampling)
                let margin = Glibc.log(Double(target.mostBytes!) / Double(candidate.tried.byteCount)) / 0.57
                if margin >= 0 { kept = candidate }
                return margin
            }
            return kept
        }
        _ = try lowest(from: first, .falling) { (quality) throws(ImageError) in
            let candidate = try tried(stored, quality, subsampling)
            let margin = margin(candidate.tried.scores)
            if margin >= 0 { kept = candidate }
            return margin
        }
        guard let kept, kept.tried.byteCount <= target.mostBytes ?? .max else { return nil }
        return kept
    }

    /// The lowest place of 1...100 whose margin is not negative, nil where there is none. Margins rise with places. By at most seven calls: where
    /// these are used up, the lowest that was found.
    private func lowest(from first: Int, _ coarseness: Coarseness, _ margin: (Int) throws(ImageError) -> Double) throws(ImageError) -> Int? {
        var fails: (place: Int, margin: Double?) = (0, nil), meets: (place: Int, margin: Double?) = (101, nil)
        var next = first
        for call in 1...Self.mostEncodes where meets.place - fails.place > 1 {
            let place = min(max(next, fails.place + 1), meets.place - 1)
            let value = try margin(place)
            if value >= 0 { meets = (place, value) } else { fails = (place, value) }
            next = switch (fails.margin, meets.margin) {
            // The line through both; where that creeps, the middle.
            case (let a?, let b?) where call != 5:
                coarseness.place(coarseness.position(fails.place) - a / (b - a) * (coarseness.position(meets.place) - coarseness.position(fails.place)))
            case (_?, _?): (fails.place + meets.place + 1) / 2
            // A little beyond: with a place on either side the next line is a better one.
            case (let a?, nil): coarseness.place(coarseness.position(fails.place) - 1.1 * a) + 1
            case (nil, let b?): coarseness.place(coarseness.position(meets.place) - 1.1 * b) - 2
            case (nil, nil): next
            }
            // The last but one is for what may be the only one.
            if call == Self.mostEncodes - 1 && meets.margin == nil { next = 100 }
        }
        return meets.place <= 100 ? meets.place : nil
    }

    /// What a place stands for: the logarithm of the factor that libjpeg multiplies its quantisation tables by. Errors go with a power of that.
    private enum Coarseness {
        /// Places are qualities.
        case falling
        /// Places count from above: 101 - quality.
        case rising

        private static func log(quality: Int) -> Double {
            Glibc.log(quality < 50 ? 5000 / Double(quality) : max(0.7, Double(200 - 2 * quality)))
        }

        private static func quality(log: Double) -> Double {
            let factor = Glibc.exp(min(log, 10))
            return factor > 100 ? 5000 / factor : (200 - factor) / 2
        }

        /// Rises with places.
        func position(_ place: Int) -> Double {
            self == .falling ? -Self.log(quality: max(1, min(100, place))) : Self.log(quality: max(1, min(100, 101 - place)))
        }

        /// The first place at or behind a position.
        func place(_ position: Double) -> Int {
            let place = self == .falling ? Self.quality(log: -position) : 101 - Self.quality(log: position)
            return Int(max(-1, min(101, place)).rounded(.up))
        }
    }

    /// The least margin of all floors, as a difference of positions: in photographs about so much of each metric is one.
    private func margin(_ scores: QualityScores) -> Double {
        floors.map { floor in
            let score = scores[floor.metric]!
            if score >= floor.least && !score.isFinite { return 100 }
            return switch floor.metric {
            case .psnr: (score - floor.least) / 3.2
            case .ssimulacra2: (score - floor.least) / 25
            // Its distance from 1 shrinks by a power.
            default: score >= floor.least ? max(0, Self.nines(score) - Self.nines(floor.least)) / 0.55 : min(-1e-6, (Self.nines(score) - Self.nines(floor.least)) / 0.55)
            }
        }.min()!
    }

    private static func nines(_ similarity: Double) -> Double { -Glibc.log(max(1e-9, 1 - similarity)) }

    private func tried(
        _ stored: StoredPicture, _ quality: Int, _ subsampling: Subsampling?, metrics: [QualityMetric]? = nil
    ) throws(ImageError) -> Candidate {
        let metrics = metrics ?? target.floors.map(\.metric)
        var options = options
        (options.quality, options.subsampling) = (quality, subsampling)
        // Who looks for the smallest file wants it small in every way that shows the same.
        options.optimizesTables = true
        let file = try MemoryFile()
        leftOut = try Encoder(options, pool: pool).encode(stored.rows(), to: file).leftOut
        encodeCount += 1
        var scores = QualityScores()
        if !metrics.isEmpty {
            // Where luma is held against SSIM: other metrics see chroma themselves.
            let comparison = PictureComparison(metrics, planes: subsampling == .s420 && metrics.contains(.ssim) ? .chroma : .none, pool: pool)
            scores = try comparison.scores(reference: stored.rows(), test: decoder.open(file.source(pool: pool)))
        }
        let tried = TriedQuality(quality: quality, subsampling: subsampling, scores: scores, byteCount: file.byteCount)
        note(tried)
        return Candidate(tried: tried, file: file)
    }

    /// Of misses the one that is nearest in what is asked for first.
    private func note(_ tried: TriedQuality) {
        guard let before = best else {
            best = tried
            return
        }
        // Of those that meet the floors the smallest, else the one that comes nearest to them.
        let (isMet, wasMet) = (target.floors.isEmpty || margin(tried.scores) >= 0, target.floors.isEmpty || margin(before.scores) >= 0)
        let isNearer = isMet && wasMet ? tried.byteCount < before.byteCount : isMet != wasMet ? isMet : margin(tried.scores) > margin(before.scores)
        if isNearer { best = tried }
    }
}
