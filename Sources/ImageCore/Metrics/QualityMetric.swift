/// How alike two pictures are.
public enum QualityMetric: String, CaseIterable, Sendable {
    /// Peak signal to noise ratio in decibels; infinite for equal pictures.
    case psnr
    /// Structural similarity of luma, at most 1: Wang, Bovik, Sheikh and Simoncelli 2004.
    case ssim
    /// SSIM of pictures made smaller by means of whole pixels, so that the shorter side is about 256, as its authors advise.
    case ssimScaled = "ssim-scaled"
    /// SSIM over five scales, at most 1: Wang, Simoncelli and Bovik 2003.
    case msSSIM = "ms-ssim"
    /// SSIMULACRA 2.1 of Sneyers, at most 100, and below 0 for what is far off.
    case ssimulacra2

    /// What the number is, in a line.
    public var definition: String {
        switch self {
        case .psnr: "peak signal to noise ratio in decibels, over all samples as RGB, grey as grey"
        case .ssim: "SSIM of Wang et al. 2004 on BT.601 luma: 11x11 Gaussian, sigma 1.5, K1 0.01, K2 0.03, valid region, population moments; of a channel, on its samples"
        case .ssimScaled: "the same after box averages by max(1, round(min(width, height) / 256))"
        case .msSSIM: "MS-SSIM of Wang et al. 2003 on BT.601 luma, five scales"
        case .ssimulacra2: "SSIMULACRA 2.1"
        }
    }

    /// What equal pictures have.
    public var best: Double {
        switch self {
        case .psnr: .infinity
        case .ssim, .ssimScaled, .msSSIM: 1
        case .ssimulacra2: 100
        }
    }
}

/// Scores of one picture against another.
public struct QualityScores: Equatable, Sendable {
    /// One for each metric, in the order in which they were asked for.
    public internal(set) var scores: [(metric: QualityMetric, value: Double)] = []
    /// PSNR of each channel, where PSNR was asked for.
    public internal(set) var channelPSNR: [Double] = []
    /// SSIM of each channel, or of Cb and Cr, where it was asked for.
    public internal(set) var planeSSIM: [Double] = []

    /// None.
    public init() {}

    /// The score by `metric`; nil where it was not asked for.
    public subscript(metric: QualityMetric) -> Double? { scores.first { $0.metric == metric }?.value }

    /// Of each metric the lower score.
    func worse(_ other: QualityScores) -> QualityScores {
        var worse = self
        for i in worse.scores.indices { worse.scores[i].value = min(scores[i].value, other.scores[i].value) }
        worse.channelPSNR = zip(channelPSNR, other.channelPSNR).map(min)
        worse.planeSSIM = zip(planeSSIM, other.planeSSIM).map(min)
        return worse
    }

    public static func == (a: QualityScores, b: QualityScores) -> Bool {
        a.channelPSNR == b.channelPSNR && a.planeSSIM == b.planeSSIM && a.scores.elementsEqual(b.scores) { $0.metric == $1.metric && $0.value == $1.value }
    }
}

/// What SSIM is measured of besides luma.
public enum SSIMPlanes: Sendable {
    /// Nothing.
    case none
    /// Each channel.
    case channels
    /// Cb and Cr of pictures in colour, by JFIF, not rounded.
    case chroma
}
