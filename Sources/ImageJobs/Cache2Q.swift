import Glibc
import ImageCore

/// Since the cache was made; `bytes` and `count` as of now.
public struct Cache2QStatistics: Equatable, Sendable {
    /// Answers from what was kept.
    public let hits: Int
    /// Times that `make` was begun, or a value inserted.
    public let misses: Int
    /// Calls that found another making the value. One that then makes it itself, as the other failed, is a miss too.
    public var waits: Int
    /// Values that have left to make room; not those of `removeAll`.
    public let evictions: Int
    /// Of the values kept now.
    public let bytes: Int
    /// Values kept now.
    public let count: Int
}

/// What is costly to make, kept by the 2Q algorithm (`TwoQueue`) as far as it fits in a number of bytes, and made once however many threads
/// ask. O(1) a call, but for the making; evictions are paid for by the insertions before.
///
/// An evicted value's last reference can be let go of under the lock: its deinit must not call the cache.
public final class Cache2Q<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    public let capacityBytes: Int
    private let monitor: Monitor<State>

    /// - Parameter capacityBytes: what the values may take together by their own accounts; not negative. 0 keeps nothing, but joins
    ///   callers. Keys and the cache's own slots, some 100 bytes a key, come on top, also for keys remembered without their values.
    public init(capacityBytes: Int) {
        self.capacityBytes = capacityBytes
        monitor = Monitor(State(queue: TwoQueue(capacityBytes: capacityBytes)))
    }

    /// The value of `key`: kept, or from another caller who is making it, or from `make`, which also tells the bytes it takes (not negative;
    /// 0 counts as 1).
    ///
    /// A value larger than the whole capacity is handed on, also to who waits for it, and not kept.
    ///
    /// A failure is not kept: it goes to the caller whose `make` failed, and one of those who wait for the value tries next with its own
    /// `make`.
    ///
    /// `make` runs without the lock, and may ask for other keys. To ask for `key` itself is a bug of the caller and traps; two threads that
    /// each make what the other asks for wait for ever.
    public func value<E: Error>(
        for key: Key, make: () throws(E) -> (Value, byteCount: Int)
    ) throws(E) -> Value {
        // Without a deadline there is a value.
        try value(for: key, latest: nil, make: make)!
    }

    /// The same; nil where another is still making the value at `latest`, in nanoseconds of CLOCK_MONOTONIC. A `make` of its own is not kept
    /// to that time.
    public func value<E: Error>(
        for key: Key, latest: UInt64?, make: () throws(E) -> (Value, byteCount: Int)
    ) throws(E) -> Value? {
        var joined: Int?
        switch monitor.wait(deadline: latest, { $0.answer(for: key, joined: &joined) }) {
        case nil:
            monitor.withLock { $0.leave(joined!) }
            return nil
        case .value(let value): return value
        case .make(let flight):
            let made: (Value, byteCount: Int)
            do throws(E) {
                made = try make()
            } catch {
                end(flight, with: nil)
                throw error
            }
            end(flight, with: made)
            return made.0
        }
    }

    private func end(_ flight: Int, with made: (Value, byteCount: Int)?) {
        let isAwaited = monitor.withLock { $0.end(flight, with: made) }
        // All: the condition is one for all flights, and a failure's next maker is whoever looks first.
        if isAwaited { monitor.wake(.all) }
    }

    /// The value of `key`, if it is kept now: a use and a hit like any other. Counts as nothing if not; does not wait.
    public func peek(_ key: Key) -> Value? {
        monitor.withLock {
            let value = $0.queue.use(key)
            if value != nil { $0.hits += 1 }
            return value
        }
    }

    /// Keeps a value that the caller has made without asking for it, unless there is one; a miss. For callers that join each other elsewhere.
    public func insert(_ value: Value, for key: Key, byteCount: Int) {
        monitor.withLock {
            $0.misses += 1
            if $0.queue.use(key) == nil { $0.queue.insert(value, for: key, byteCount: byteCount) }
        }
    }

    /// Forgets all values, and what 2Q remembers of earlier ones. Values in the making go to those who wait for them already, and are not
    /// kept; who asks from now on makes anew. Statistics go on.
    public func removeAll() {
        monitor.withLock { $0.removeAll() }
    }

    public var statistics: Cache2QStatistics {
        monitor.withLock {
            Cache2QStatistics(
                hits: $0.hits, misses: $0.misses, waits: $0.waits, evictions: $0.queue.evictions, bytes: $0.queue.byteCount,
                count: $0.queue.count)
        }
    }

    /// The keys of a list of 2Q, the newest first. For tests: O(n).
    package func keys(in queue: TwoQueue<Key, Value>.Queue) -> [Key] {
        monitor.withLock { $0.queue.keys(in: queue) }
    }
}

extension Cache2Q {
    fileprivate enum Answer {
        case value(Value)
        /// The caller is to make it, and to end this flight.
        case make(flight: Int)
    }

    /// A value in the making, and those who wait for it.
    fileprivate struct Flight {
        enum Stage {
            case making(by: pthread_t)
            /// There are waiters, one of which is to make it.
            case failed
            /// There are waiters that have not got it yet.
            case made(Value)
            case free
        }

        var key: Key
        var stage: Stage
        var waiters = 0
        /// Under way since before a `removeAll`: not to be found, not to be kept.
        var isStale = false
    }

    fileprivate struct State: ~Copyable {
        var queue: TwoQueue<Key, Value>
        var hits = 0
        var misses = 0
        var waits = 0
        /// Never more than callers at one time.
        private var flights: [Flight] = []
        private var freeFlights: [Int] = []
        /// Where to find a key's flight while it is in the making.
        private var flightIndices: [Key: Int] = [:]

        init(queue: consuming TwoQueue<Key, Value>) { self.queue = queue }

        /// Nil while another makes the value: ask again, with the flight that is put in `joined` then.
        mutating func answer(for key: Key, joined: inout Int?) -> Answer? {
            if let index = joined { return look(at: index) }
            if let value = queue.use(key) {
                hits += 1
                return .value(value)
            }
            guard let index = flightIndices[key] else { return .make(flight: begin(key)) }
            waits += 1
            flights[index].waiters += 1
            joined = index
            return look(at: index)
        }

        private mutating func begin(_ key: Key) -> Int {
            misses += 1
            let flight = Flight(key: key, stage: .making(by: pthread_self()))
            let index = freeFlights.popLast() ?? flights.count
            if index == flights.count { flights.append(flight) } else { flights[index] = flight }
            flightIndices[key] = index
            return index
        }

        /// For a waiter.
        private mutating func look(at index: Int) -> Answer? {
            switch flights[index].stage {
            case .making(by: let thread):
                precondition(pthread_equal(thread, pthread_self()) == 0, "the making of a value asks for the value")
                return nil
            case .failed:
                flights[index].waiters -= 1
                flights[index].stage = .making(by: pthread_self())
                misses += 1
                return .make(flight: index)
            case .made(let value):
                flights[index].waiters -= 1
                if flights[index].waiters == 0 { free(index) }
                return .value(value)
            case .free: preconditionFailure("a flight has ended with somebody waiting for it")
            }
        }

        /// For a waiter that waits no longer.
        mutating func leave(_ index: Int) {
            flights[index].waiters -= 1
            guard flights[index].waiters == 0 else { return }
            switch flights[index].stage {
            case .making, .free: break
            case .made: free(index)
            case .failed:
                if !flights[index].isStale { flightIndices[flights[index].key] = nil }
                free(index)
            }
        }

        /// For the maker, without a value where it failed; whether somebody waits.
        mutating func end(_ index: Int, with made: (Value, byteCount: Int)?) -> Bool {
            let (key, isStale, isAwaited) = (flights[index].key, flights[index].isStale, flights[index].waiters > 0)
            // A failed flight with waiters stays to be found: who comes now waits with them, or is the next to try.
            if !isStale && (made != nil || !isAwaited) { flightIndices[key] = nil }
            if let made {
                if !isStale { queue.insert(made.0, for: key, byteCount: made.byteCount) }
                flights[index].stage = .made(made.0)
            } else {
                flights[index].stage = .failed
            }
            if !isAwaited { free(index) }
            return isAwaited
        }

        mutating func removeAll() {
            queue.removeAll()
            for index in flightIndices.values { flights[index].isStale = true }
            flightIndices.removeAll(keepingCapacity: true)
        }

        private mutating func free(_ index: Int) {
            flights[index].stage = .free
            freeFlights.append(index)
        }
    }
}
