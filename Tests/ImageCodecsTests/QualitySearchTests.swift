import Testing

@testable import ImageCodecs

/// What a search does with curves that are known. Pictures: Tests/conformance/search.py.
@Suite struct QualityBracketTests {
    /// The quality found, and by how many tries.
    private func run(_ bracket: QualityBracket, _ margin: (Int) -> Double) -> (found: Int?, tries: Int) {
        var bracket = bracket
        while let quality = bracket.next() { bracket.note(quality, margin(quality)) }
        return (bracket.found, bracket.tryCount)
    }

    /// Margins that rise as a position does, more or less steeply than photographs' do.
    @Test(arguments: [EncodedFormat.jpeg, .webp], [0.5, 0.8, 1, 1.6, 2.5])
    func theLowestIsFound(_ format: EncodedFormat, _ slope: Double) {
        let scale = QualityScale(format)
        var tries: [Int] = []
        for wanted in 1...100 {
            for first in [5, 30, 60, 80, 97] {
                let line = (scale.position(wanted) + scale.position(wanted - 1)) / 2
                let (found, count) = run(QualityBracket(scale, from: first, mostTries: 7)) { slope * (scale.position($0) - line) }
                #expect(found == wanted, "\(format) \(slope): \(String(describing: found)), not \(wanted) from \(first)")
                tries.append(count)
            }
        }
        #expect(tries.max()! <= 7 && Double(tries.reduce(0, +)) / Double(tries.count) < 5, "\(tries.reduce(0, +))")
    }

    @Test func theHighestIsFoundToo() {
        let scale = QualityScale(.jpeg)
        for wanted in 1...99 {
            let line = (scale.position(wanted) + scale.position(wanted + 1)) / 2
            #expect(run(QualityBracket(scale, from: 60, highest: true, mostTries: 7)) { line - scale.position($0) }.found == wanted)
        }
        #expect(run(QualityBracket(scale, from: 60, highest: true, mostTries: 7)) { _ in 0.3 }.found == 100)
        #expect(run(QualityBracket(scale, from: 60, highest: true, mostTries: 7)) { _ in -0.3 }.found == nil)
    }

    @Test func whatIsNotThereIsNotFound() {
        let scale = QualityScale(.jpeg)
        #expect(run(QualityBracket(scale, from: 60, mostTries: 7)) { _ in -100 }.found == nil)
        #expect(run(QualityBracket(scale, from: 60, mostTries: 7)) { _ in 100 }.found == 1)
        // The only one.
        #expect(run(QualityBracket(scale, from: 60, mostTries: 7)) { $0 == 100 ? 1e-9 : -3 }.found == 100)
        #expect(run(QualityBracket(scale, from: 60, mostTries: 7)) { $0 == 1 ? 1e-9 : -1e-6 }.tries <= 7)
    }

    /// A ripple of a drawing: 41 and above meet it, and so does 38.
    @Test func ripplesAreLookedInto() {
        let scale = QualityScale(.jpeg)
        func margin(_ quality: Int) -> Double { [39: -0.1, 40: -0.1, 41: 0.01][quality] ?? scale.position(quality) - scale.position(38) }
        var bracket = QualityBracket(scale, from: 41, mostTries: 7)
        bracket.looksBelow = true
        #expect(run(bracket, margin).found == 38)
        #expect(run(QualityBracket(scale, from: 41, mostTries: 7), margin).found == 41)
    }

    @Test func aPositionLeadsBackToItsQuality() {
        for scale in [QualityScale(.jpeg), QualityScale(.webp)] {
            for quality in 1...100 {
                #expect(scale.quality(at: scale.position(quality)) == quality)
                #expect(scale.position(quality) > scale.position(quality - 1) || quality == 1)
            }
        }
    }
}
