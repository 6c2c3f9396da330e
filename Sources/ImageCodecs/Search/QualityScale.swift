import Glibc
import ImageCore

/// What a quality of a format does to a picture: the logarithm of the finest step that its quantiser takes, with which errors go by a power,
/// and so bytes. The numbers are medians over five of Kodak's pictures and a dozen wallpapers.
struct QualityScale {
    /// -log of the step at qualities 0...101; rises.
    private let positions: [Double]
    /// How much of a metric a position is worth, and its value at quality 50.
    private let worth: (ssim: Double, psnr: Double, ssimulacra2: Double, bytes: Double)
    private let middle: (ssim: Double, psnr: Double, ssimulacra2: Double, bitsPerPixel: Double)

    init(_ format: EncodedFormat) {
        positions = (0...101).map { -Glibc.log(format == .webp ? Self.webpStep($0) : Self.jpegStep($0)) }
        if format == .webp {
            (worth, middle) = ((1.15, 4.2, 0.9, 0.85), (0.95, 33.8, 59, 0.58))
        } else {
            (worth, middle) = ((0.7, 3, 0.6, 0.6), (0.95, 33.1, 62, 0.94))
        }
    }

    /// libjpeg's factor for its tables in percent (jcparam.c, jpeg_quality_scaling); below about 4, rounding of the samples is what is left.
    private static func jpegStep(_ quality: Int) -> Double {
        let quality = Double(max(1, min(100, quality)))
        let percent = quality < 50 ? 5000 / quality : 200 - 2 * quality
        return Glibc.sqrt(percent * percent + 16)
    }

    /// The step of VP8's AC coefficients (RFC 6386, section 14.1, in straight pieces) at the index that libwebp gives a quality.
    private static func webpStep(_ quality: Int) -> Double {
        let share = max(0.005, min(1, Double(quality) / 100))
        let linear = share < 0.75 ? share * 2 / 3 : 2 * share - 1
        let index = 127 * (1 - Glibc.cbrt(linear))
        let steps: [(index: Double, step: Double)] = [(0, 4), (54, 58), (83, 116), (102, 173), (116, 229), (127, 284)]
        let above = steps.dropFirst().first { index <= $0.index } ?? steps.last!
        let below = steps.last { $0.index < above.index }!
        return below.step + (index - below.index) * (above.step - below.step) / (above.index - below.index)
    }

    func position(_ quality: Int) -> Double { positions[max(0, min(101, quality))] }

    /// The lowest quality at or above a position; 101 where none is.
    func quality(at position: Double) -> Int { (1...100).first { positions[$0] >= position - 1e-9 } ?? 101 }

    // MARK: Metrics

    /// How far a score is above the least of its metric, in positions; negative below. Never 0 below, and never more than 100.
    func margin(_ metric: QualityMetric, _ score: Double, least: Double) -> Double {
        if !score.isFinite && score >= least { return 100 }
        let difference = progress(metric, score) - progress(metric, least)
        return score >= least ? max(0, min(100, difference)) : min(-1e-6, max(-100, difference))
    }

    /// A number that rises by about 1 with a position.
    private func progress(_ metric: QualityMetric, _ score: Double) -> Double {
        switch metric {
        case .psnr: score / worth.psnr
        case .ssimulacra2: -Glibc.log(max(1e-9, 100 - score)) / worth.ssimulacra2
        // What is missing to 1 shrinks by a power.
        case .ssim, .ssimScaled, .msSSIM: -Glibc.log(max(1e-9, 1 - score)) / worth.ssim
        }
    }

    /// The same for bytes: how many positions finer it may become.
    func margin(bytes: Int, most: Int) -> Double { Glibc.log(Double(most) / Double(max(1, bytes))) / worth.bytes }

    /// Bytes, and decibels, once a margin is used up: a guess.
    func bytes(_ bytes: Int, without margin: Double) -> Double { Double(bytes) * Glibc.exp(-margin * worth.bytes) }
    func psnr(_ psnr: Double, with margin: Double) -> Double { psnr + margin * worth.psnr }

    // MARK: Where to begin

    /// The quality at which a photograph about meets all of `floors`, or takes `mostBytes`.
    func expected(_ floors: [(metric: QualityMetric, least: Double)], mostBytes: Int?, pixelCount: Double) -> Int {
        let here = positions[50]
        var wanted = floors.map { floor in
            let middle = floor.metric == .psnr ? middle.psnr : floor.metric == .ssimulacra2 ? middle.ssimulacra2 : middle.ssim
            return here + progress(floor.metric, floor.least) - progress(floor.metric, middle)
        }.max()
        if wanted == nil, let mostBytes { wanted = here + margin(bytes: Int(middle.bitsPerPixel / 8 * pixelCount), most: mostBytes) }
        return Self.guess(quality(at: wanted ?? here))
    }

    /// The ends tell little about what is between them.
    static func guess(_ quality: Int) -> Int { max(5, min(97, quality)) }
}
