import ImageCodecs
import ImageCore
import ImageJobs
import ServiceRequests

/// Pictures that wait for a worker, and the threads that hand them out. Who asks for one is a task of Swift's, and holds up no thread.
final class WorkQueue: Sendable {
    typealias Turn = Scheduler<Job>.Turn
    typealias Make = @Sendable (Turn, Order<Picture>) throws(ServiceFault) -> Picture

    /// An order whose input is there.
    struct Job: Sendable {
        let order: Order<Picture>
        let make: Make
    }

    let workers: PictureWorkers
    let limit: Int
    private let metrics: Metrics
    private let mostBytes: Int
    private let scheduler: Scheduler<Job>
    private let orders: OpenOrders<Picture>

    /// `limit`: pictures that wait. `metrics`: where they are counted. Throws `noThread`.
    init(limits: Limits, isSandboxed: Bool, slots: Int, limit: Int, metrics: Metrics) throws(ImageError) {
        workers = PictureWorkers(limits: limits, isSandboxed: isSandboxed, slots: slots)
        let orders = OpenOrders<Picture>()
        (self.limit, self.metrics, self.orders, mostBytes) = (limit, metrics, orders, Int(clamping: limits.memory))
        // One at work and one that is next, for each slot.
        scheduler = try Scheduler(slots: slots, mostThreads: 2 * slots, limit: limit) { turn in Self.perform(turn, orders, metrics) }
    }

    var load: SchedulerLoad { scheduler.load }
    var queuedByPriority: [Int] { scheduler.queuedByPriority }
    var isFull: Bool { load.queued >= limit }
    /// How often somebody waited for a picture that another had asked for.
    var joins: Int { orders.joins }

    /// What `make` makes, on a thread of the scheduler. Throws `full` at once where too many wait; `expired` where the claim's time is over before it
    /// is done; `gone` when the claim's client leaves, whose process is ended then.
    func picture(_ claim: Claim, _ make: @escaping Make) async throws(ServiceFault) -> Picture {
        try await picture(claim, sharing: nil) { order in submit(order, expiry: claim.urgency.expiry, make) ? nil : .full }
    }

    /// A picture whose order `begin` begins: by `submit` in the end, now or when its input is there, or by `fail`. `hasten`: where somebody wants it
    /// sooner, and it has not been submitted.
    ///
    /// Who asks for the same `key` while it is not done waits for the same picture, which is given up when all have left.
    func picture(
        _ claim: Claim, sharing key: String?, hasten: (Order<Picture>) -> Void = { _ in }, begin: (Order<Picture>) -> ServiceFault?
    ) async throws(ServiceFault) -> Picture {
        func hastenAll(_ order: Order<Picture>) {
            hasten(order)
            scheduler.hasten(to: order.priority) { $0.order === order }
        }
        do throws(ServiceFault) {
            return try await orders.value(claim, key: key, hasten: hastenAll, begin: begin)
        } catch {
            if error.isExpired { metrics.add(JobResult(.expired, priority: claim.urgency.priority)) }
            throw error
        }
    }

    /// False where too many wait. `expiry`: of an order that one client alone waits for.
    func submit(_ order: Order<Picture>, expiry: UInt64? = nil, _ make: @escaping Make) -> Bool {
        order.whenAbandoned { [self] in
            scheduler.withdraw { $0.order === order }
            workers.stop(owner: order.number)
        }
        let priority = order.priority
        guard scheduler.trySubmit(Job(order: order, make: make), priority: priority, expiry: expiry) else { return false }
        // Between the two lines before somebody may have left, or come.
        if order.isOver { scheduler.withdraw { $0.order === order } }
        if order.priority < priority { scheduler.hasten(to: order.priority) { $0.order === order } }
        return true
    }

    /// There will be no picture.
    func fail(_ order: Order<Picture>, _ fault: ServiceFault) { Self.end(order, .failure(fault), orders, metrics) }

    private static func perform(_ turn: Turn, _ orders: OpenOrders<Picture>, _ metrics: Metrics) {
        let job = turn.entry.work
        if job.order.isOver { return }
        let answer: Order<Picture>.Answer
        do throws(ServiceFault) {
            answer = turn.entry.isExpired(at: Deadline.now) ? .failure(.expired) : .success(try job.make(turn, job.order))
        } catch {
            // Its own time, and not the picture's.
            answer = .failure(turn.entry.isExpired(at: Deadline.now) ? .expired : error)
        }
        end(job.order, answer, orders, metrics)
    }

    private static func end(_ order: Order<Picture>, _ answer: Order<Picture>.Answer, _ orders: OpenOrders<Picture>, _ metrics: Metrics) {
        let isAwaited = orders.answer(order, answer)
        // Those whose time is over count themselves.
        if case .failure(let fault) = answer, isAwaited, !fault.isExpired { metrics.add(JobResult(.failed, priority: order.priority)) }
    }

    /// Works on a picture that is held. Its tag is `tag`, or what its bytes say.
    func picture(
        _ held: HeldPicture, tag: String?, readNanoseconds: UInt64, _ wish: Wish, _ turn: Turn, _ order: Order<Picture>
    ) throws(ServiceFault) -> Picture {
        let file: Descriptor
        do throws(ImageError) { file = try held.open() } catch { throw ServiceFault(error) }
        return try picture(file, inputBytes: UInt64(held.byteCount), tag: tag, readNanoseconds: readNanoseconds, wish, turn, order)
    }

    /// Works on an open picture in a slot, when there is one. `inputBytes` of it took `readNanoseconds` to come.
    func picture(
        _ file: borrowing Descriptor, inputBytes: UInt64, tag: String?, readNanoseconds: UInt64, _ wish: Wish, _ turn: Turn, _ order: Order<Picture>
    ) throws(ServiceFault) -> Picture {
        let number = file.number
        do throws(ImageError) {
            return try turn.inSlot { (slot) throws(ImageError) in
                // It may have waited for the slot.
                if turn.entry.isExpired(at: Deadline.now) || order.isOver { throw .outOfTime(seconds: 0) }
                let waited = Deadline.now - turn.entry.arrival
                let sink = BufferSink(limitBytes: mostBytes)
                let report = try workers.run(
                    Descriptor(number: number, owned: false), wish.recipe, as: wish.format, latest: turn.entry.expiry, in: slot, owner: order.number,
                    isWanted: { !order.isOver }, to: { _, _ in sink }
                ).report
                var result = JobResult(.done, priority: turn.entry.priority)
                (result.report, result.inputBytes, result.readNanoseconds) = (report, inputBytes, readNanoseconds)
                metrics.add(result)
                return Picture(
                    bytes: sink.buffer, format: wish.format, report: report, etag: tag ?? Picture.tag(of: sink.buffer), inputBytes: inputBytes,
                    queueNanoseconds: waited, readNanoseconds: readNanoseconds)
            }
        } catch {
            throw ServiceFault(error)
        }
    }

    /// Takes nothing in any more, and ends the processes when all is done.
    func close() {
        scheduler.close()
        scheduler.waitUntilDone()
        workers.end()
    }
}
