import ImageCodecs
import ImageCore
import ImageJobs
import ServiceRequests
import Synchronization

/// Pictures that wait for a worker, and the threads that hand them out. Who asks for one is a task of Swift's, and holds up no thread.
final class WorkQueue: Sendable {
    typealias Turn = Scheduler<Order>.Turn

    /// How soon somebody wants a picture, and who that is.
    struct Claim: Sendable {
        var urgency: Urgency
        var connection: Connection?
    }

    let workers: PictureWorkers
    let limit: Int
    private let metrics: Metrics
    private let mostBytes: Int
    private let scheduler: Scheduler<Order>
    private let orders = OpenOrders()
    /// Threads for a slot, where storage is slow.
    static let threadsPerSlot = 8

    /// `limit`: pictures that wait. `metrics`: where they are counted. Throws `noThread`.
    init(limits: Limits, isSandboxed: Bool, slots: Int, limit: Int, metrics: Metrics) throws(ImageError) {
        workers = PictureWorkers(limits: limits, isSandboxed: isSandboxed, slots: slots)
        (self.limit, self.metrics, mostBytes) = (limit, metrics, Int(clamping: limits.memory))
        scheduler = try Scheduler(slots: slots, mostThreads: slots * Self.threadsPerSlot, limit: limit) { [orders] turn in Self.perform(turn, orders, metrics) }
    }

    var load: SchedulerLoad { scheduler.load }
    var queuedByPriority: [Int] { scheduler.queuedByPriority }
    var isFull: Bool { load.queued >= limit }
    /// How often somebody waited for a picture that another had asked for.
    var joins: Int { orders.joins }

    /// What `make` makes, on a thread of the scheduler. Throws `full` at once where too many wait; `expired` where the claim's time is over before it
    /// is done; `gone` when the claim's client leaves. When nobody waits for it any more, its process is ended.
    ///
    /// Who asks for the same `key` while it is not done waits for the same picture; the time of one is not the others'.
    func picture(
        _ claim: Claim, sharing key: String? = nil, _ make: @escaping @Sendable (Turn, Order) throws(ImageError) -> Picture
    ) async throws(ServiceFault) -> Picture {
        let (connection, urgency) = (claim.connection, claim.urgency)
        let watch = Mutex<Task<Void, any Error>?>(nil)
        let result = await withCheckedContinuation { continuation in
            let (order, place, isFirst) = orders.join(key, continuation, make)
            // It may stand in the queue twice then: what has been begun is not begun again.
            let isSubmitted = order.becomesMoreUrgent(urgency.priority) && scheduler.trySubmit(order, priority: urgency.priority, expiry: key == nil ? urgency.expiry : nil)
            if isFirst && !isSubmitted {
                orders.remove(order)
                order.answer(.failure(.full))
            }
            let leave: @Sendable (ServiceFault) -> Void = { [self] fault in
                guard order.leave(place, fault) else { return }
                orders.remove(order)
                workers.stop(owner: order.number)
                if fault.word == ServiceFault.expired.word { metrics.add(JobResult(.expired, priority: urgency.priority)) }
            }
            connection?.whenGone { leave(.gone) }
            guard let expiry = urgency.expiry else { return }
            watch.withLock { watch in
                watch = Task {
                    try await Task.sleep(nanoseconds: expiry - min(expiry, Deadline.now))
                    leave(.expired)
                }
            }
        }
        watch.withLock { $0 }?.cancel()
        connection?.whenGone(nil)
        return try result.get()
    }

    private static func perform(_ turn: Turn, _ orders: OpenOrders, _ metrics: Metrics) {
        let order = turn.entry.work
        guard order.begin() else { return }
        let answer: Order.Answer
        do throws(ImageError) {
            answer = turn.entry.isExpired(at: Deadline.now) ? .failure(.expired) : .success(try order.make(turn, order))
        } catch {
            // Its own time, and not the picture's.
            answer = .failure(turn.entry.isExpired(at: Deadline.now) ? .expired : ServiceFault(error))
        }
        orders.remove(order)
        guard order.answer(answer), case .failure(let fault) = answer else { return }
        metrics.add(JobResult(fault.word == ServiceFault.expired.word ? .expired : .failed, priority: turn.entry.priority))
    }

    /// Works on an open picture in a slot, when there is one. `inputBytes` of it took `readNanoseconds` to come.
    func compress(
        _ picture: borrowing Descriptor, inputBytes: UInt64, readNanoseconds: UInt64, _ recipe: Recipe, as format: EncodedFormat, _ turn: Turn, _ order: Order
    ) throws(ImageError) -> (bytes: BufferSink, report: Pipeline.Report, queueNanoseconds: UInt64) {
        let number = picture.number
        return try turn.inSlot { (slot) throws(ImageError) in
            let expiry = turn.entry.expiry
            // It may have waited for the slot.
            if turn.entry.isExpired(at: Deadline.now) || order.isOver { throw .outOfTime(seconds: 0) }
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
