/// The quality that quantisation tables were made for: libjpeg scales those of ITU-T T.81, tables K.1 and K.2, by a number from 1 to 100.
struct JPEGQuality {
    /// By their places, in zigzag order.
    private var tables: [Int: [Int]] = [:]

    /// `segment`: the payload of a DQT. Tables that are cut are passed over.
    mutating func add(_ segment: [UInt8]) {
        var at = 0
        while at < segment.count {
            let isWide = segment[at] >> 4 != 0
            let place = Int(segment[at] & 15)
            at += 1
            guard at + (isWide ? 128 : 64) <= segment.count else { return }
            tables[place] = (0..<64).map { isWide ? Int(segment[at + 2 * $0]) << 8 | Int(segment[at + 2 * $0 + 1]) : Int(segment[at + $0]) }
            at += isWide ? 128 : 64
        }
    }

    /// The quality whose tables are these, or the nearest to them: by the sum of the values' differences, each against its own size.
    var estimate: (value: Int, isExact: Bool)? {
        guard let luma = tables[0] else { return nil }
        let chroma = tables[1]
        var best = (value: 0, distance: Double.infinity)
        // Where two qualities fit as well, the higher one: tables of 255 are of several.
        for quality in (1...100).reversed() {
            var distance = Self.distance(luma, Self.luma, quality)
            if let chroma { distance += Self.distance(chroma, Self.chroma, quality) }
            if distance < best.distance { best = (quality, distance) }
            if distance == 0 { break }
        }
        return (best.value, best.distance == 0)
    }

    /// How far a table is from a scaled one; 0 also where it is the scaled one cut to 8 bits.
    private static func distance(_ table: [Int], _ base: [UInt8], _ quality: Int) -> Double {
        let scale = quality < 50 ? 5000 / quality : 200 - 2 * quality
        let isBaseline = table.allSatisfy { $0 < 256 }
        return zip(table, base).reduce(0.0) { sum, pair in
            let scaled = min(max((Int(pair.1) * scale + 50) / 100, 1), isBaseline ? 255 : 32767)
            return sum + Double(abs(pair.0 - scaled)) / Double(scaled)
        }
    }

    private static let luma: [UInt8] = [
        16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
        56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
    ]
    private static let chroma: [UInt8] = [
        17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99,
    ] + Array(repeating: 99, count: 48)
}
