import ImageCore

/// What pictures take and lose at each quality.
public struct QualityCurves {
    private let metrics: [QualityMetric]
    private var pictures: [(name: String, points: [TriedQuality])] = []

    /// `metrics`: those that have a floor.
    public init(_ metrics: [QualityMetric]) { self.metrics = Self.metrics(metrics) }

    /// What is measured: where nothing has a floor, SSIM and PSNR.
    static func metrics(_ floors: [QualityMetric]) -> [QualityMetric] { floors.isEmpty ? [.ssim, .psnr] : floors }

    /// No picture was added.
    public var isEmpty: Bool { pictures.isEmpty }

    /// Adds a picture. `name`: of its file. `points`: by quality, as `QualitySearch.encode` gives them to `curve`.
    public mutating func add(_ name: String, _ points: [TriedQuality]) { pictures.append((name, points)) }

    /// Comma-separated values (RFC 4180, but for its line ends) with a head: file, quality, subsampling, bytes, and each metric; empty where a picture is too small for it.
    public var csv: String {
        var text = (["file", "quality", "subsampling", "bytes"] + metrics.map(\.rawValue)).joined(separator: ",") + "\n"
        for picture in pictures {
            let name = "\"" + picture.name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
            for point in picture.points {
                let scores = metrics.map { metric in point.scores[metric].map { "\($0)" } ?? "" }
                text += ([name, "\(point.quality)", point.subsampling?.name ?? "", "\(point.byteCount)"] + scores).joined(separator: ",") + "\n"
            }
        }
        return text
    }

    // MARK: A drawing

    private static let colors = ["#1b6ca8", "#c8553d", "#4c956c", "#8e5572", "#b8860b", "#555555"]
    private static let width = 640.0, height = 320.0, margin = 50.0

    /// The first metric that all pictures have over bytes, a line for each picture; a point for each quality, which its title says.
    public var svg: String {
        let points = pictures.flatMap(\.points)
        let metric = metrics.first { metric in points.allSatisfy { $0.scores[metric] != nil } } ?? .psnr
        let scores = points.compactMap { $0.scores[metric] }.filter(\.isFinite)
        let mostBytes = Double(points.map(\.byteCount).max() ?? 1)
        let (low, high) = (scores.min() ?? 0, scores.max() ?? 1)
        func x(_ bytes: Int) -> Double { Self.margin + Double(bytes) / mostBytes * (Self.width - 2 * Self.margin) }
        func y(_ score: Double) -> Double { Self.height - Self.margin - (min(score, high) - low) / max(high - low, 1e-9) * (Self.height - 2 * Self.margin) }
        func text(_ value: Double) -> String { "\(Double(Int(value * 10)) / 10)" }
        func label(_ x: Double, _ y: Double, _ words: String, _ anchor: String) -> String {
            "<text x=\"\(text(x))\" y=\"\(text(y))\" text-anchor=\"\(anchor)\">\(Self.escaped(words))</text>\n"
        }
        var drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" font-family=\"sans-serif\" font-size=\"12\">\n"
        drawing += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        let corner = "\(text(Self.margin)),\(text(Self.height - Self.margin))"
        drawing += "<polyline fill=\"none\" stroke=\"#888888\" points=\"\(text(Self.margin)),\(text(Self.margin)) \(corner) \(text(Self.width - Self.margin)),\(text(Self.height - Self.margin))\"/>\n"
        drawing += label(Self.margin - 4, Self.margin + 4, Self.short(high), "end") + label(Self.margin - 4, Self.height - Self.margin, Self.short(low), "end")
        drawing += label(Self.margin, Self.margin - 12, metric.rawValue, "middle") + label(Self.width - Self.margin, Self.height - Self.margin + 18, "\(Int(mostBytes)) bytes", "end")
        for (i, picture) in pictures.enumerated() {
            let color = Self.colors[i % Self.colors.count]
            let places = picture.points.map { (point: $0, x: x($0.byteCount), y: y($0.scores[metric] ?? low)) }
            drawing += "<polyline fill=\"none\" stroke=\"\(color)\" points=\"\(places.map { "\(text($0.x)),\(text($0.y))" }.joined(separator: " "))\"/>\n"
            for place in places {
                drawing += "<circle cx=\"\(text(place.x))\" cy=\"\(text(place.y))\" r=\"3\" fill=\"\(color)\"><title>\(Self.escaped(place.point.text))</title></circle>\n"
            }
            // Where curves that rise fast leave room.
            let line = Self.height - Self.margin - 12 - 14 * Double(pictures.count - 1 - i)
            if line > Self.margin {
                drawing += "<g fill=\"\(color)\">\(label(Self.width - Self.margin, line, String(picture.name.split(separator: "/").last ?? "-"), "end"))</g>\n"
            }
        }
        return drawing + "</svg>\n"
    }

    private static func short(_ value: Double) -> String { "\(Double(Int(value * 1000)) / 1000)" }

    private static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            default: String(character)
            }
        }.joined()
    }
}
