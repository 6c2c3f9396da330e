import ImageCore
import ServiceRequests
import Synchronization

/// Something asked for, by one client or by several who want the same. None of them holds up a thread while he waits.
final class Order<Value: Sendable>: Sendable {
    typealias Answer = Result<Value, ServiceFault>

    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Answer, Never>
    }

    private struct State {
        var waiters: [Waiter] = []
        var lastNumber = 0
        var priority: Int
        /// Nobody can wait for it any more.
        var isOver = false
        var end: (@Sendable () -> Void)?
    }

    /// What its worker's process knows it by.
    let number: UInt64
    /// What those who want the same know it by; nil where it is one client's.
    let key: String?
    private let state: Mutex<State>

    init(_ number: UInt64, key: String?, priority: Int) {
        (self.number, self.key) = (number, key)
        state = Mutex(State(priority: priority))
    }

    /// Answered, or everybody has left.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Of the most urgent who has asked for it; 0 is the most urgent.
    var priority: Int { state.withLock { $0.priority } }

    /// What is to be done when the last has left without an answer, in place of what it was before; at once where he has.
    func whenAbandoned(_ action: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            state.end = state.isOver ? nil : action
            return state.isOver
        }
        if isOver { action() }
    }

    /// One more waits for it: by the number that this gives, he can leave. Nil where it is over; `continuation` is then the caller's.
    func join(_ continuation: CheckedContinuation<Answer, Never>, priority: Int) -> Int? {
        state.withLock { state in
            if state.isOver { return nil }
            state.priority = min(state.priority, priority)
            state.lastNumber += 1
            state.waiters.append(Waiter(number: state.lastNumber, continuation: continuation))
            return state.lastNumber
        }
    }

    /// One of them waits no longer, but gets `fault`. Whether he was the last: then it is over.
    func leave(_ number: Int, _ fault: ServiceFault) -> Bool {
        let (waiter, end, isLast) = state.withLock { state -> (Waiter?, (@Sendable () -> Void)?, Bool) in
            guard let place = state.waiters.firstIndex(where: { $0.number == number }) else { return (nil, nil, false) }
            let waiter = state.waiters.remove(at: place)
            guard state.waiters.isEmpty else { return (waiter, nil, false) }
            state.isOver = true
            defer { state.end = nil }
            return (waiter, state.end, true)
        }
        waiter?.continuation.resume(returning: .failure(fault))
        end?()
        return isLast
    }

    /// For all who wait. False where nobody did.
    func answer(_ answer: Answer) -> Bool {
        let waiters = state.withLock { state -> [Waiter] in
            (state.isOver, state.end) = (true, nil)
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: answer) }
        return !waiters.isEmpty
    }
}

/// Who asks for something, and how soon he wants it.
struct Claim: Sendable {
    var urgency: Urgency
    var connection: Connection?
}

/// Does something when a time has come, unless it is ended before.
private final class Watch: Sendable {
    private let task = Mutex<Task<Void, any Error>?>(nil)

    /// `end`: nanoseconds of CLOCK_MONOTONIC.
    func begin(_ end: UInt64, _ action: @escaping @Sendable () -> Void) {
        let task = Task {
            try await Task.sleep(nanoseconds: end - min(end, Deadline.now))
            action()
        }
        self.task.withLock { $0 = task }
    }

    func end() { task.withLock { $0 }?.cancel() }
}

/// Orders that are not answered, those with keys for others to join.
final class OpenOrders<Value: Sendable>: Sendable {
    private struct State {
        var shared: [String: Order<Value>] = [:]
        var lastNumber: UInt64 = 0
        var joins = 0
    }

    private let state = Mutex(State())

    /// How often somebody has joined an order of another's.
    var joins: Int { state.withLock { $0.joins } }

    /// What becomes of the order of `key` that others wait for, or of a new one, which `begin` begins, or says why not; `hasten` is told where
    /// somebody joins who wants it sooner. Both are called under a lock, and do not wait.
    ///
    /// Throws `gone` when the claim's client leaves, `expired` when its time is over.
    func value(
        _ claim: Claim, key: String?, hasten: (Order<Value>) -> Void = { _ in }, begin: (Order<Value>) -> ServiceFault?
    ) async throws(ServiceFault) -> Value {
        let (connection, urgency) = (claim.connection, claim.urgency)
        if connection?.isGone ?? false { throw .gone }
        let watch = Watch()
        let answer = await withCheckedContinuation { continuation in
            let (order, place, refusal) = join(key, continuation, urgency.priority, hasten, begin)
            if let refusal { _ = order.answer(.failure(refusal)) }
            // Nobody leaves who has his answer.
            let leave: @Sendable (ServiceFault) -> Void = { [self] fault in
                if order.leave(place, fault) { remove(order) }
            }
            connection?.whenGone { leave(.gone) }
            if let expiry = urgency.expiry { watch.begin(expiry) { leave(.expired) } }
        }
        watch.end()
        connection?.whenGone(nil)
        return try answer.get()
    }

    private func join(
        _ key: String?, _ continuation: CheckedContinuation<Order<Value>.Answer, Never>, _ priority: Int, _ hasten: (Order<Value>) -> Void,
        _ begin: (Order<Value>) -> ServiceFault?
    ) -> (Order<Value>, place: Int, refusal: ServiceFault?) {
        state.withLock { state in
            if let key, let order = state.shared[key] {
                let before = order.priority
                if let place = order.join(continuation, priority: priority) {
                    state.joins += 1
                    if priority < before { hasten(order) }
                    return (order, place, nil)
                }
            }
            state.lastNumber += 1
            let order = Order<Value>(state.lastNumber, key: key, priority: priority)
            let place = order.join(continuation, priority: priority)!
            let refusal = begin(order)
            if let key, refusal == nil { state.shared[key] = order }
            return (order, place, refusal)
        }
    }

    /// For all who wait for it; nobody joins it any more. False where nobody did wait.
    @discardableResult
    func answer(_ order: Order<Value>, _ answer: Order<Value>.Answer) -> Bool {
        remove(order)
        return order.answer(answer)
    }

    private func remove(_ order: Order<Value>) {
        guard let key = order.key else { return }
        state.withLock { if $0.shared[key] === order { $0.shared[key] = nil } }
    }
}
