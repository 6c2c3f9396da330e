/// Finds the lowest quality that meets a target, or the highest that fits one, by few tries: between one that does and one that does not, where
/// the line through both crosses it.
///
/// Margins rise with quality, but for ripples; in pictures that were drawn these are high.
struct QualityBracket {
    private let scale: QualityScale
    /// Places are qualities, or where the highest is looked for, qualities counted down from 101.
    private let isDownward: Bool
    private let mostTries: Int
    /// What meets the target as far as is known, for the last try.
    private let fallback: Int
    private var tries: [(place: Int, margin: Double)] = []
    private var fails: (place: Int, margin: Double?) = (0, nil)
    private var meets: (place: Int, margin: Double?) = (101, nil)
    private var wanted: Int
    /// Once the lowest is found, whether to look a little below it with the tries that are left.
    var looksBelow = false

    /// How far below.
    private static let depthBelow = 4
    /// The margin of a bracket's end that stays while the other one moves counts for less and less, so that it moves too (the Illinois method,
    /// Dowell and Jarratt 1971, which has 0.5; with ripples less is better).
    private static let fading = 0.7
    /// Beyond where a single end points: with an end on either side the next line is a better one.
    private static let overshoot = 1.1

    /// `highest`: looks for the highest quality whose margin is not negative, where margins fall with quality.
    init(_ scale: QualityScale, from first: Int, highest: Bool = false, fallback: Int? = nil, mostTries: Int) {
        (self.scale, isDownward, self.mostTries) = (scale, highest, mostTries)
        wanted = highest ? 101 - first : first
        self.fallback = fallback.map { highest ? 101 - $0 : $0 } ?? 100
    }

    /// The quality found so far.
    var found: Int? { meets.place > 100 ? nil : quality(meets.place) }

    /// Whether nothing is between what meets the target and what does not.
    var isClosed: Bool { meets.place - fails.place <= 1 }

    /// The highest quality that is known not to meet the target.
    var failing: Int? { fails.place == 0 ? nil : quality(fails.place) }

    var tryCount: Int { tries.count }

    private func quality(_ place: Int) -> Int { isDownward ? 101 - place : place }
    private func position(_ place: Int) -> Double { isDownward ? -scale.position(101 - place) : scale.position(place) }

    /// The first place at or behind a position.
    private func place(_ position: Double) -> Int {
        isDownward ? (1...100).first { self.position($0) >= position - 1e-9 } ?? 101 : scale.quality(at: position)
    }

    /// The quality to try next; nil at the end.
    func next() -> Int? {
        if tries.count >= mostTries { return nil }
        if !isClosed { return quality(min(max(wanted, fails.place + 1), meets.place - 1)) }
        guard looksBelow, meets.place <= 100 else { return nil }
        let below = (1...Self.depthBelow).map { meets.place - $0 }.first { place in place >= 1 && !tries.contains { $0.place == place } }
        return below.map(quality)
    }

    /// `margin`: how far the target is exceeded at `quality`; not negative where it is met.
    mutating func note(_ quality: Int, _ margin: Double) {
        let (place, wasClosed, before) = (isDownward ? 101 - quality : quality, isClosed, tries.last)
        tries.append((place, margin))
        if wasClosed {
            if margin >= 0 { meets = (place, margin) }
            let below = tries.filter { $0.place < meets.place }.max { $0.place < $1.place }
            fails = below.map { ($0.place, $0.margin) } ?? (0, nil)
            wanted = meets.place - 1
            return
        }
        if margin >= 0 {
            if let before, before.margin >= 0 { fails.margin = fails.margin.map { $0 * Self.fading } }
            meets = (place, margin)
        } else {
            if let before, before.margin < 0 { meets.margin = meets.margin.map { $0 * Self.fading } }
            fails = (place, margin)
        }
        wanted = nextPlace(place, margin, before)
    }

    private func nextPlace(_ here: Int, _ margin: Double, _ before: (place: Int, margin: Double)?) -> Int {
        if let low = fails.margin, let high = meets.margin {
            let (start, end) = (position(fails.place), position(meets.place))
            return place(start - low / (high - low) * (end - start))
        }
        // One end only. The last try but one, or the last, is for what may be the only one.
        let isLast = tries.count >= mostTries - (fallback == 100 ? 2 : 1)
        if meets.margin == nil && isLast { return fallback }
        // How margins have grown here, where that is known.
        var slope = 1.0
        if let before, position(here) != position(before.place) {
            slope = max(1 / 3, min(3, (margin - before.margin) / (position(here) - position(before.place))))
        }
        let place = place(position(here) - Self.overshoot * margin / slope)
        return meets.margin == nil ? place : place - 1
    }
}
