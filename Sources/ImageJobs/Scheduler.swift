import FilterSupport
import HeapModule
import ImageCore

/// How many of what a scheduler has.
public struct SchedulerLoad: Sendable {
    public var queued = 0
    public var threads = 0
    public var mostThreads = 0
    public var usedSlots = 0
}

/// Jobs and the threads that do them.
///
/// `slots` pictures are worked on at once, each in a slot whose number stands for buffers and codecs of its own. There are more threads than
/// that where some wait for files or servers: one is started when a job waits, no thread is free and a slot is; and one that has had nothing
/// to do for a while ends, but for the first. Where the system gives no more threads, those that there are do the work. So a slow store does not leave a processor idle, and a fast one starts no thread for nothing. What is read ahead is
/// bounded: a job is begun while fewer than twice as many as there are slots have or will soon want one. So are threads that wait for nobody, but
/// for the system to take a file, say: `busyThreadsPerSlot`.
public final class Scheduler<Work: Sendable>: Sendable {
    public typealias Entry = JobQueue<Work>.Entry

    private struct State: Sendable {
        var queue: JobQueue<Work>
        var load = SchedulerLoad()
        var idle = 0
        /// Jobs begun that have not come to a slot yet, but for those that wait for a file or a server.
        var approaching = 0
        /// Threads that wait for a file or a server, before a slot or after it.
        var awaiting = 0
        /// Those free, the one used last at the end.
        var freeSlots: [Int]
        /// Jobs begun so far: the number of the last one.
        var begun = 0
        /// Numbers of those that wait for a slot: who was begun first gets it.
        var wanting: Heap<Int> = []
        /// Taken in and not done, those that wait among them.
        var unfinished = 0
        var isClosed = false
        var isAbandoned = false

        /// Threads that have not asked for their first job yet.
        var starting = 0

        var claims: Int { load.usedSlots + approaching + starting }

        /// A thread is about to be started.
        mutating func begin() {
            load.threads += 1
            load.mostThreads = max(load.mostThreads, load.threads)
            starting += 1
        }
    }

    /// A job's way through the scheduler, as it tells of it. For the thread that does the job.
    public final class Turn {
        public let entry: Entry
        fileprivate let number: Int
        private let scheduler: Scheduler
        private var isApproaching = true
        private var isAwaiting = false

        fileprivate init(_ entry: Entry, _ number: Int, _ scheduler: Scheduler) { (self.entry, self.number, self.scheduler) = (entry, number, scheduler) }

        /// A file or a server is waited for from here on, which may take long; until a slot is wanted, or the job is done.
        public func willWait() {
            guard !isAwaiting else { return }
            scheduler.monitor.update { state in
                state.awaiting += 1
                if isApproaching { state.approaching -= 1 }
            }
            (isAwaiting, isApproaching) = (true, false)
            scheduler.startThreadIfNeeded()
        }

        /// Runs `body` in a slot, when there is one, and gives it the slot's number, 0..<slots. For what takes a processor; files and servers are
        /// better waited for before and after.
        public func inSlot<R>(_ body: (Int) throws(ImageError) -> R) throws(ImageError) -> R {
            let slot = scheduler.takeSlot(number, isApproaching: isApproaching, isAwaiting: isAwaiting)
            (isAwaiting, isApproaching) = (false, false)
            defer { scheduler.giveBack(slot) }
            return try body(slot)
        }

        /// The job is to be done once more as `work`, not before `delay` nanoseconds have passed. False where nothing is begun any more.
        public func retry(_ work: Work, after delay: UInt64) -> Bool {
            scheduler.monitor.update { state in
                if state.isAbandoned { return false }
                let again = Entry(work, priority: entry.priority, arrival: entry.arrival, expiry: entry.expiry)
                state.queue.insert(again, notBefore: Deadline.now + delay)
                state.unfinished += 1
                return true
            }
        }

        fileprivate func end() {
            scheduler.monitor.update { state in
                state.unfinished -= 1
                if isApproaching { state.approaching -= 1 }
                if isAwaiting { state.awaiting -= 1 }
            }
        }
    }

    private let monitor: Monitor<State>
    private let limit: Int
    private let slotCount: Int
    private let mostThreads: Int
    private let idleNanoseconds: UInt64
    private let perform: @Sendable (Turn) -> Void

    /// `limit`: jobs that wait. `mostThreads`: at least `slots`. `perform`: does one, on a thread of the scheduler; expired ones too.
    ///
    /// Starts the first thread, which lives until the scheduler is closed and done. Throws `noThread`.
    public init(
        slots: Int, mostThreads: Int, limit: Int, ageing: UInt64 = 10_000_000_000, idleNanoseconds: UInt64 = 1_000_000_000,
        perform: @escaping @Sendable (Turn) -> Void
    ) throws(ImageError) {
        precondition(slots > 0 && mostThreads >= slots && limit > 0)
        monitor = Monitor(State(queue: JobQueue(ageing: ageing), freeSlots: Array((0..<slots).reversed())))
        (self.limit, slotCount, self.mostThreads, self.idleNanoseconds, self.perform) = (limit, slots, mostThreads, idleNanoseconds, perform)
        monitor.withLock { $0.begin() }
        _ = try Thread { self.work(isFirst: true) }
    }

    public var load: SchedulerLoad {
        monitor.withLock { state in
            var load = state.load
            load.queued = state.queue.count
            return load
        }
    }

    /// Jobs of each priority that wait.
    public var queuedByPriority: [Int] { monitor.withLock { $0.queue.counts } }

    // MARK: Taking in

    /// Waits while the queue is full. False when the scheduler is closed.
    @discardableResult
    public func submit(_ work: Work, priority: Int, expiry: UInt64? = nil) -> Bool {
        let isTaken = monitor.wait(waking: .all) { state -> Bool? in
            if state.isClosed { return false }
            guard state.queue.count < limit else { return nil }
            add(Entry(work, priority: priority, arrival: Deadline.now, expiry: expiry), to: &state)
            return true
        }
        startThreadIfNeeded()
        return isTaken
    }

    /// False at once where the queue is full, or the scheduler closed.
    public func trySubmit(_ work: Work, priority: Int, expiry: UInt64? = nil) -> Bool {
        let isTaken = monitor.update { state in
            guard !state.isClosed, state.queue.count < limit else { return false }
            add(Entry(work, priority: priority, arrival: Deadline.now, expiry: expiry), to: &state)
            return true
        }
        if isTaken { startThreadIfNeeded() }
        return isTaken
    }

    private func add(_ entry: Entry, to state: inout State) {
        state.queue.insert(entry)
        state.unfinished += 1
    }

    /// Takes back jobs that wait and that nobody wants any more: there is room for others. O(jobs that wait).
    public func withdraw(_ isMeant: (Work) -> Bool) {
        // What they hold is let go of out of the lock.
        _ = monitor.update { state in
            let removed = state.queue.remove(isMeant)
            state.unfinished -= removed.count
            return removed
        }
    }

    /// Puts jobs that wait with less haste among those of `priority`, as if they had waited there since they came. O(jobs that wait).
    public func hasten(to priority: Int, _ isMeant: (Work) -> Bool) {
        monitor.withLock { state in
            for entry in state.queue.remove(isMeant) {
                let hasty = Entry(entry.work, priority: min(priority, entry.priority), arrival: entry.arrival, expiry: entry.expiry)
                state.queue.insertByArrival(hasty)
            }
        }
    }

    /// Takes nothing in any more.
    public func close() { monitor.update { $0.isClosed = true } }

    /// Gives back what waits, which is then nobody's, and takes nothing in any more.
    public func abandon() -> [Entry] {
        monitor.update { state in
            (state.isClosed, state.isAbandoned) = (true, true)
            var rest: [Entry] = []
            while let entry = state.queue.removeFirst(at: .max) { rest.append(entry) }
            state.unfinished -= rest.count
            return rest
        }
    }

    /// Until all that was taken in is done and no thread is left; after `close` or `abandon`. False where `deadline` (CLOCK_MONOTONIC) comes first.
    @discardableResult
    public func waitUntilDone(deadline: UInt64? = nil) -> Bool {
        monitor.wait(deadline: deadline) { state in state.isClosed && state.unfinished == 0 && state.load.threads == 0 ? true : nil } ?? false
    }

    // MARK: Threads

    /// Until one is free, and no job that was begun earlier wants it.
    private func takeSlot(_ number: Int, isApproaching: Bool, isAwaiting: Bool) -> Int {
        monitor.withLock { state in
            // From here on it is one of those that approach, if it was not.
            if !isApproaching { state.approaching += 1 }
            if isAwaiting { state.awaiting -= 1 }
            state.wanting.insert(number)
        }
        // Who is next may have looked before, and there may be another slot.
        return monitor.wait(waking: .all) { state -> Int? in
            guard state.wanting.min == number, let slot = state.freeSlots.popLast() else { return nil }
            state.wanting.removeMin()
            state.approaching -= 1
            state.load.usedSlots += 1
            return slot
        }
    }

    private func giveBack(_ slot: Int) {
        monitor.update { state in
            state.freeSlots.append(slot)
            state.load.usedSlots -= 1
        }
        startThreadIfNeeded()
    }

    private func startThreadIfNeeded() {
        let isNeeded = monitor.withLock { state in
            guard state.queue.count > state.idle + state.starting, state.load.threads < mostThreads, state.claims < slotCount,
                state.load.threads - state.awaiting < Self.busyThreadsPerSlot * slotCount
            else { return false }
            state.begin()
            return true
        }
        guard isNeeded else { return }
        do throws(ImageError) {
            _ = try Thread { self.work() }
        } catch {
            // Those that there are do the work.
            monitor.update { state in
                state.load.threads -= 1
                state.starting -= 1
            }
        }
    }

    private static var busyThreadsPerSlot: Int { 4 }

    private enum Next: Sendable {
        case job(Entry, number: Int)
        case end
    }

    private func work(isFirst: Bool = false) {
        monitor.withLock { $0.starting -= 1 }
        while case .job(let entry, let number) = next(mayEnd: !isFirst) {
            // Another may have come while this thread was the only one without work.
            startThreadIfNeeded()
            let turn = Turn(entry, number, self)
            perform(turn)
            turn.end()
        }
    }

    private func next(mayEnd: Bool) -> Next {
        var isIdle = false
        while true {
            let now = Deadline.now
            // Not longer than until the next delayed job may begin.
            let until = monitor.withLock { state in
                let (end, next) = (now + idleNanoseconds, state.queue.nextDelayed ?? .max)
                return next > now ? min(next, end) : end
            }
            let next = monitor.wait(deadline: until, waking: .all) { state -> Next? in
                if state.claims < 2 * slotCount, let entry = state.queue.removeFirst(at: Deadline.now) {
                    if isIdle { state.idle -= 1 }
                    isIdle = false
                    state.approaching += 1
                    state.begun += 1
                    return .job(entry, number: state.begun)
                }
                if state.isClosed && state.unfinished == 0 {
                    if isIdle { state.idle -= 1 }
                    isIdle = false
                    state.load.threads -= 1
                    return .end
                }
                if !isIdle { state.idle += 1 }
                isIdle = true
                return nil
            }
            if let next { return next }
            guard mayEnd else { continue }
            let ends = monitor.update { state -> Bool in
                // While a job is on its way to be done once more, somebody has to be there.
                guard state.queue.count == 0 else { return false }
                state.idle -= 1
                state.load.threads -= 1
                return true
            }
            if ends { return .end }
        }
    }
}
