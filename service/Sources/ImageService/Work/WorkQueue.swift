import ImageCodecs
import ImageCore
import ImageJobs
import Synchronization

/// Pictures that wait for a worker, and the threads that hand them out. Who asks for one is a task of Swift's, and holds up no thread.
final class WorkQueue: Sendable {
    typealias Turn = Scheduler<Order>.Turn

    /// A picture asked for.
    final class Order: Sendable {
        enum Stage: Sendable {
            case waiting(CheckedContinuation<Result<Picture, ServiceFault>, Never>)
            /// Worked on, or never taken in.
            case running(CheckedContinuation<Result<Picture, ServiceFault>, Never>)
            case answered
        }

        /// What its worker's process knows it by.
        let number: UInt64
        let make: @Sendable (Turn, Order) throws(ImageError) -> Picture
        fileprivate let stage: Mutex<Stage>
        private let watcher = Mutex<Task<Void, any Error>?>(nil)

        fileprivate init(
            _ number: UInt64, _ continuation: CheckedContinuation<Result<Picture, ServiceFault>, Never>,
            _ make: @escaping @Sendable (Turn, Order) throws(ImageError) -> Picture
        ) {
            (self.number, self.make) = (number, make)
            stage = Mutex(.waiting(continuation))
        }

        /// Nobody waits for it any more.
        var isAnswered: Bool { stage.withLock { if case .answered = $0 { true } else { false } } }

        fileprivate func begin() -> Bool {
            stage.withLock { stage in
                guard case .waiting(let continuation) = stage else { return false }
                stage = .running(continuation)
                return true
            }
        }

        /// Ends with the answer.
        fileprivate var watch: Task<Void, any Error>? {
            get { watcher.withLock { $0 } }
            set {
                watcher.withLock { $0 = newValue }
                if isAnswered { newValue?.cancel() }
            }
        }

        /// The first answer counts.
        fileprivate func answer(_ result: Result<Picture, ServiceFault>) {
            let continuation: CheckedContinuation<Result<Picture, ServiceFault>, Never>? = stage.withLock { stage in
                defer { stage = .answered }
                switch stage {
                case .waiting(let continuation), .running(let continuation): return continuation
                case .answered: return nil
                }
            }
            continuation?.resume(returning: result)
            watch?.cancel()
        }
    }

    let workers: PictureWorkers
    let limit: Int
    private let metrics: Metrics
    private let mostBytes: Int
    private let scheduler: Scheduler<Order>
    private let numbers = Atomic<UInt64>(0)
    /// Threads for a slot, where storage is slow.
    private static let threadsPerSlot = 8

    /// `limit`: pictures that wait. `metrics`: where they are counted. Throws `noThread`.
    init(limits: Limits, isSandboxed: Bool, slots: Int, limit: Int, metrics: Metrics) throws(ImageError) {
        workers = PictureWorkers(limits: limits, isSandboxed: isSandboxed, slots: slots)
        (self.limit, self.metrics, mostBytes) = (limit, metrics, Int(clamping: limits.memory))
        scheduler = try Scheduler(slots: slots, mostThreads: slots * Self.threadsPerSlot, limit: limit) { turn in Self.perform(turn, metrics) }
    }

    var load: SchedulerLoad { scheduler.load }
    var queuedByPriority: [Int] { scheduler.queuedByPriority }
    var isFull: Bool { load.queued >= limit }

    /// What `make` makes, on a thread of the scheduler. Throws `full` at once where too many wait; `expired` where its time came before its turn;
    /// `gone` when the client of `connection` leaves, whose picture's process is ended then.
    func picture(
        priority: Int, expiry: UInt64?, for connection: Connection?, _ make: @escaping @Sendable (Turn, Order) throws(ImageError) -> Picture
    ) async throws(ServiceFault) -> Picture {
        let number = numbers.wrappingAdd(1, ordering: .relaxed).newValue
        let result = await withCheckedContinuation { continuation in
            let order = Order(number, continuation, make)
            guard scheduler.trySubmit(order, priority: priority, expiry: expiry) else { return order.answer(.failure(.full)) }
            connection?.whenGone { [workers] in
                order.answer(.failure(.gone))
                workers.stop(owner: number)
            }
            guard let expiry else { return }
            // Not only when its turn has come.
            order.watch = Task {
                try await Task.sleep(nanoseconds: expiry - min(expiry, Deadline.now))
                order.answer(.failure(.expired))
            }
        }
        connection?.whenGone(nil)
        return try result.get()
    }

    private static func perform(_ turn: Turn, _ metrics: Metrics) {
        let order = turn.entry.work
        guard order.begin() else { return }
        let priority = turn.entry.priority
        if turn.entry.isExpired(at: Deadline.now) {
            metrics.add(JobResult(.expired, priority: priority))
            return order.answer(.failure(.expired))
        }
        do throws(ImageError) {
            order.answer(.success(try order.make(turn, order)))
        } catch {
            // Its own time, and not the picture's.
            let isOver = turn.entry.isExpired(at: Deadline.now)
            metrics.add(JobResult(isOver ? .expired : .failed, priority: priority))
            order.answer(.failure(isOver ? .expired : ServiceFault(error)))
        }
    }

    /// Works on an open picture in a slot, when there is one. `inputBytes` of it took `readNanoseconds` to come.
    func compress(
        _ picture: borrowing Descriptor, inputBytes: UInt64, readNanoseconds: UInt64, _ recipe: Recipe, as format: EncodedFormat, _ turn: Turn, _ order: Order
    ) throws(ImageError) -> (bytes: BufferSink, report: Pipeline.Report, queueNanoseconds: UInt64) {
        let number = picture.number
        return try turn.inSlot { (slot) throws(ImageError) in
            let expiry = turn.entry.expiry
            // It may have waited for the slot.
            if turn.entry.isExpired(at: Deadline.now) || order.isAnswered { throw .outOfTime(seconds: 0) }
            let waited = Deadline.now - turn.entry.arrival
            let sink = BufferSink(limitBytes: mostBytes)
            let descriptor = Descriptor(number: number, owned: false)
            let report = try workers.run(descriptor, recipe, as: format, latest: expiry, in: slot, owner: order.number) { _, _ in sink }.report
            var result = JobResult(.done, priority: turn.entry.priority)
            (result.report, result.inputBytes, result.readNanoseconds) = (report, inputBytes, readNanoseconds)
            metrics.add(result)
            return (sink, report, waited)
        }
    }

    /// Takes nothing in any more, and ends the processes when all is done.
    func close() {
        scheduler.close()
        scheduler.waitUntilDone()
        workers.end()
    }
}
