import ImageJobs
import Testing

/// A job of the model and of the queue alike.
private struct Sample: Sendable, Equatable {
    let number: Int
    let priority: Int
    let arrival: UInt64
    let expiry: UInt64?
}

/// What the queue is to do, in the plainest way: of all that wait, the one with the least arrival + priority x ageing; of several of these the
/// most urgent, and of these the first.
private struct Model {
    let ageing: UInt64
    var waiting: [Sample] = []
    var delayed: [(until: UInt64, sample: Sample)] = []

    mutating func removeFirst(at now: UInt64) -> Sample? {
        let ready = delayed.filter { $0.until <= now }.enumerated().sorted { ($0.element.until, $0.offset) < ($1.element.until, $1.offset) }
        delayed.removeAll { $0.until <= now }
        waiting += ready.map { $0.element.sample }
        // Those of one priority stand in the order that they came into line.
        let heads = (0...7).compactMap { priority in waiting.first { $0.priority == priority } }
        guard let best = heads.min(by: { ($0.arrival + UInt64($0.priority) * ageing, $0.priority) < ($1.arrival + UInt64($1.priority) * ageing, $1.priority) }) else {
            return nil
        }
        waiting.removeAll { $0 == best }
        return best
    }
}

@Suite struct JobQueueTests {
    @Test(arguments: 0..<60) func everyJobLeavesWhenTheModelSays(seed: UInt64) {
        var random = SplitMix64(seed)
        let ageing = UInt64(random.below(50))
        var queue = JobQueue<Sample>(ageing: ageing)
        var model = Model(ageing: ageing)
        var (now, number): (UInt64, Int) = (0, 0)
        for _ in 0..<600 {
            now += UInt64(random.below(4))
            switch random.below(5) {
            case 0, 1:
                let expiry = random.below(3) == 0 ? now + UInt64(random.below(40)) : nil
                let sample = Sample(number: number, priority: random.below(8), arrival: now, expiry: expiry)
                number += 1
                model.waiting.append(sample)
                queue.insert(JobQueue.Entry(sample, priority: sample.priority, arrival: now, expiry: expiry))
            case 2:
                // One that is tried again: it keeps its arrival.
                let sample = Sample(number: number, priority: random.below(8), arrival: now - min(now, UInt64(random.below(30))), expiry: nil)
                number += 1
                let until = now + UInt64(random.below(20))
                model.delayed.append((until, sample))
                queue.insert(JobQueue.Entry(sample, priority: sample.priority, arrival: sample.arrival, expiry: nil), notBefore: until)
            default:
                let (expected, entry) = (model.removeFirst(at: now), queue.removeFirst(at: now))
                #expect(entry?.work == expected)
                if let entry { #expect(entry.isExpired(at: now) == (expected?.expiry.map { now >= $0 } ?? false)) }
            }
            #expect(queue.count == model.waiting.count + model.delayed.count)
        }
        while let expected = model.removeFirst(at: UInt64.max) { #expect(queue.removeFirst(at: UInt64.max)?.work == expected) }
        #expect(queue.count == 0)
    }

    @Test func theLeastUrgentJobIsNotStarved() {
        var queue = JobQueue<Int>(ageing: 10)
        queue.insert(JobQueue.Entry(-1, priority: 7, arrival: 0, expiry: nil))
        // A new job of the highest priority at each turn: the old one's is when 7 x 10 have passed.
        for now in UInt64(1)...100 {
            queue.insert(JobQueue.Entry(Int(now), priority: 0, arrival: now, expiry: nil))
            if queue.removeFirst(at: now)?.work == -1 {
                #expect(now == 71)
                return
            }
        }
        Issue.record("starved")
    }

    @Test func withoutWaitingTheMostUrgentGoesFirstAndThenTheFirst() {
        var queue = JobQueue<Int>(ageing: 1000)
        for i in 0..<80 { queue.insert(JobQueue.Entry(i, priority: 7 - i % 8, arrival: UInt64(i), expiry: nil)) }
        let order = (0..<80).map { _ in queue.removeFirst(at: 100)!.work }
        #expect(order == (0..<80).sorted { (7 - $0 % 8, $0) < (7 - $1 % 8, $1) })
    }

    @Test func whatIsTakenOutIsGoneAndTheRestStaysInItsOrder() {
        var queue = JobQueue<Int>()
        for i in 0..<40 { queue.insert(.init(i, priority: i % 4, arrival: UInt64(i), expiry: nil)) }
        let removed = queue.remove { $0 % 3 == 0 }
        #expect(removed.map(\.work).sorted() == (0..<40).filter { $0 % 3 == 0 } && queue.count == 40 - removed.count)
        #expect(removed.allSatisfy { $0.arrival == UInt64($0.work) && $0.priority == $0.work % 4 })
        var rest: [Int] = []
        while let entry = queue.removeFirst(at: 0) { rest.append(entry.work) }
        let kept = (0..<40).filter { $0 % 3 != 0 }
        #expect(rest == (0..<4).flatMap { priority in kept.filter { $0 % 4 == priority } } && queue.count == 0)
    }

    @Test func whoHasWaitedElsewhereStandsWhereHeCame() {
        var queue = JobQueue<Int>()
        for i in [10, 20, 30] { queue.insert(.init(i, priority: 2, arrival: UInt64(i), expiry: nil)) }
        for i in [25, 5, 35, 20] { queue.insertByArrival(.init(i + 1000, priority: 2, arrival: UInt64(i), expiry: nil)) }
        let order = (0..<queue.count).map { _ in queue.removeFirst(at: 0)!.work }
        #expect(order == [1005, 10, 20, 1020, 1025, 30, 1035])
    }
}
