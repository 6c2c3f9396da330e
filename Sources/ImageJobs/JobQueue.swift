import DequeModule
import HeapModule

/// Jobs that wait, the most urgent first, and within a priority in the order that they came. All times are nanoseconds of CLOCK_MONOTONIC.
///
/// A job gains on those that come later: one of priority p that has waited p x `ageing` goes before a new one of priority 0, so that
/// nothing waits for ever. Where a job stands is known when it comes: at its time of coming + priority x `ageing`.
public struct JobQueue<Work: Sendable>: Sendable {
    public struct Entry: Sendable {
        public let work: Work
        /// 0 is the most urgent.
        public let priority: Int
        /// When it was taken in.
        public let arrival: UInt64
        /// When nobody wants it any more; nil: never.
        public let expiry: UInt64?

        public init(_ work: Work, priority: Int, arrival: UInt64, expiry: UInt64?) {
            (self.work, self.priority, self.arrival, self.expiry) = (work, priority, arrival, expiry)
        }

        public func isExpired(at now: UInt64) -> Bool { expiry.map { now >= $0 } ?? false }
    }

    private let ageing: UInt64
    private var waiting: [Deque<Entry>] = Array(repeating: [], count: Job.priorities.count)
    private var delayed: Heap<Delayed> = []
    public private(set) var count = 0

    private struct Delayed: Comparable {
        let until: UInt64
        /// Of equal ones the first goes first.
        let number: Int
        let entry: Entry

        static func < (a: Delayed, b: Delayed) -> Bool { (a.until, a.number) < (b.until, b.number) }
        static func == (a: Delayed, b: Delayed) -> Bool { (a.until, a.number) == (b.until, b.number) }
    }

    private var delayedCount = 0

    /// `ageing`: what a step of priority is worth.
    public init(ageing: UInt64 = 10_000_000_000) { self.ageing = ageing }

    public mutating func insert(_ entry: Entry) {
        waiting[entry.priority].append(entry)
        count += 1
    }

    /// One that has waited elsewhere since it came: behind those that came before it.
    public mutating func insertByArrival(_ entry: Entry) {
        let place = waiting[entry.priority].lastIndex { $0.arrival <= entry.arrival }.map { $0 + 1 } ?? 0
        waiting[entry.priority].insert(entry, at: place)
        count += 1
    }

    /// One that may not begin before `until`.
    public mutating func insert(_ entry: Entry, notBefore until: UInt64) {
        delayed.insert(Delayed(until: until, number: delayedCount, entry: entry))
        delayedCount += 1
        count += 1
    }

    /// Takes out those whose turn may come and whose work is meant. O(jobs).
    public mutating func remove(_ isMeant: (Work) -> Bool) -> [Entry] {
        var removed: [Entry] = []
        for priority in Job.priorities {
            let meant = waiting[priority].filter { isMeant($0.work) }
            if meant.isEmpty { continue }
            waiting[priority].removeAll { isMeant($0.work) }
            removed += meant
        }
        count -= removed.count
        return removed
    }

    /// Jobs of each priority, without those that may not begin yet.
    public var counts: [Int] { waiting.map(\.count) }

    /// When the next of those that may not begin yet may.
    public var nextDelayed: UInt64? { delayed.min?.until }

    /// The job whose turn it is, an expired one too; nil where there is none that may begin. O(number of priorities).
    public mutating func removeFirst(at now: UInt64) -> Entry? {
        while let first = delayed.min, first.until <= now {
            delayed.removeMin()
            waiting[first.entry.priority].append(first.entry)
        }
        var best: (priority: Int, place: UInt64)?
        for priority in Job.priorities {
            guard let head = waiting[priority].first else { continue }
            let place = head.arrival &+ UInt64(priority) &* ageing
            if best.map({ place < $0.place }) ?? true { best = (priority, place) }
        }
        guard let best else { return nil }
        count -= 1
        return waiting[best.priority].removeFirst()
    }
}
