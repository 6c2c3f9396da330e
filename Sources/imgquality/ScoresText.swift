import CPlatformShims
import ImageCore

/// Scores for people and for programs.
enum ScoresText {
    /// Six digits that mean something.
    private static func text(_ value: Double) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { text in
            _ = imgpipe_format_number(text.baseAddress!, text.count, 6, value)
            return String(cString: text.baseAddress!)
        }
    }

    /// psnr 38.214 ssim 0.97123
    static func line(_ scores: QualityScores) -> String {
        scores.scores.map { "\($0.metric.rawValue) \(text($0.value))" }.joined(separator: " ") + "\n"
    }

    /// Infinite is null, and then `equal` is there.
    static func json(_ scores: QualityScores) -> String {
        func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
        var members = scores.scores.map { "\"\($0.metric.rawValue)\":\(number($0.value))" }
        if scores.scores.contains(where: { $0.metric == .psnr && $0.value.isInfinite }) { members.append("\"equal\":true") }
        if !scores.channelPSNR.isEmpty {
            let names = scores.channelPSNR.count == 1 ? ["gray"] : ["red", "green", "blue"]
            let channels = zip(names, scores.channelPSNR).map { "\"\($0)\":{\"psnr\":\(number($1))}" }
            members.append("\"channels\":{\(channels.joined(separator: ","))}")
        }
        members.append("\"definitions\":{\(scores.scores.map { "\"\($0.metric.rawValue)\":\"\($0.metric.definition)\"" }.joined(separator: ","))}")
        return "{\(members.joined(separator: ","))}\n"
    }
}
