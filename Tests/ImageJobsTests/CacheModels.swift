import Glibc

/// The paper's full version, figure by figure, on arrays: index 0 is a list's head. With bytes for pages, and without its O(1).
struct PaperTwoQueue {
    struct Page { let key: Int, size: Int }

    let capacity: Int
    var a1in: [Page] = []
    var a1out: [Page] = []
    var am: [Page] = []
    var evictions = 0

    init(capacity: Int) { self.capacity = capacity }

    var bytes: Int { Self.bytes(a1in) + Self.bytes(am) }

    private static func bytes(_ pages: [Page]) -> Int { pages.reduce(0) { $0 + $1.size } }

    /// Whether it is a hit.
    mutating func access(_ key: Int, size: Int) -> Bool {
        let page = Page(key: key, size: max(size, 1))
        if let place = am.firstIndex(where: { $0.key == key }) {
            am.insert(am.remove(at: place), at: 0)
            return true
        }
        if a1in.contains(where: { $0.key == key }) { return true }
        if page.size > capacity { return false }
        if let place = a1out.firstIndex(where: { $0.key == key }) {
            a1out.remove(at: place)
            reclaim(for: page)
            am.insert(page, at: 0)
        } else {
            reclaim(for: page)
            a1in.insert(page, at: 0)
        }
        return false
    }

    private mutating func reclaim(for page: Page) {
        while bytes + page.size > capacity {
            evictions += 1
            if Self.bytes(a1in) > capacity / 4 || am.isEmpty {
                let old = a1in.removeLast()
                if old.size > capacity / 2 { continue }
                a1out.insert(old, at: 0)
                while Self.bytes(a1out) > capacity / 2 { a1out.removeLast() }
            } else {
                am.removeLast()
            }
        }
    }
}

/// Least recently used goes first, bounded by bytes: a use is a number, and the order of uses a queue in which only a key's last counts.
struct PlainLRU {
    let capacity: Int
    private var bytes = 0
    private var kept: [Int: (use: Int, size: Int)] = [:]
    private var uses: [Int] = []
    private var oldest = 0

    init(capacity: Int) { self.capacity = capacity }

    /// Whether it is a hit.
    mutating func access(_ key: Int, size: Int) -> Bool {
        let isHit = kept[key] != nil
        if !isHit {
            while bytes + size > capacity {
                if let last = kept[uses[oldest]], last.use == oldest {
                    bytes -= last.size
                    kept[uses[oldest]] = nil
                }
                oldest += 1
            }
            bytes += size
        }
        kept[key] = (use: uses.count, size: size)
        uses.append(key)
        return isHit
    }
}

struct Trace {
    var keys: [Int] = []
    /// Of the keys that can come again.
    var bytes = 0

    /// 1...16 KB, by the key alone.
    static func bytes(of key: Int) -> Int {
        var random = SplitMix64(UInt64(key))
        return (random.below(16) + 1) * 1024
    }

    static let zipfWithScans: Trace = {
        let count = 10_000
        var trace = Trace()
        trace.bytes = (0..<count).reduce(0) { $0 + bytes(of: $1) }
        var sums: [Double] = []
        var sum = 0.0
        for rank in 1...count {
            sum += pow(Double(rank), -0.9)
            sums.append(sum)
        }
        var random = SplitMix64(2)
        var scanned = count
        for number in 1...60_000 {
            let point = Double(random.next() >> 11) / 0x1p53 * sum
            var (low, high) = (0, count - 1)
            while low < high {
                let middle = (low + high) / 2
                if sums[middle] > point { high = middle } else { low = middle + 1 }
            }
            trace.keys.append(low)
            if number % 1000 == 0 {
                trace.keys += scanned..<(scanned + 500)
                scanned += 500
            }
        }
        return trace
    }()
}

/// Steele, Lea and Flood 2014: small, and the same everywhere.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
