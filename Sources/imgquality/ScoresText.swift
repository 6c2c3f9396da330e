import FilterSupport
import ImageCore

/// Scores for people and for programs.
enum ScoresText {
    /// Six digits that mean something.
    private static func text(_ value: Double) -> String { NumberText.general(value, digits: 6) }

    /// psnr 38.214 ssim 0.97123
    static func line(_ scores: QualityScores) -> String {
        scores.scores.map { "\($0.metric.rawValue) \(text($0.value))" }.joined(separator: " ") + "\n"
    }

    /// Infinite is null, and then `equal` is there.
    static func json(_ scores: QualityScores) -> String {
        func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
        var members = scores.scores.map { "\"\($0.metric.rawValue)\":\(number($0.value))" }
        if scores.scores.contains(where: { $0.metric == .psnr && $0.value.isInfinite }) { members.append("\"equal\":true") }
        let values = [("psnr", scores.channelPSNR), ("ssim", scores.planeSSIM)].filter { !$0.1.isEmpty }
        if let count = values.first?.1.count {
            let names = count == 1 ? ["gray"] : ["red", "green", "blue"]
            let channels = names.enumerated().map { (i, name) in
                "\"\(name)\":{\(values.map { "\"\($0.0)\":\(number($0.1[i]))" }.joined(separator: ","))}"
            }
            members.append("\"channels\":{\(channels.joined(separator: ","))}")
        }
        members.append("\"definitions\":{\(scores.scores.map { "\"\($0.metric.rawValue)\":\"\($0.metric.definition)\"" }.joined(separator: ","))}")
        return "{\(members.joined(separator: ","))}\n"
    }
}
