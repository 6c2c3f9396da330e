import ImageCore
import ServiceRequests
import Synchronization

/// A picture asked for, by one client or by several who want the same. None of them holds up a thread while he waits.
final class Order: Sendable {
    typealias Answer = Result<Picture, ServiceFault>

    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Answer, Never>
    }

    private struct State {
        var waiters: [Waiter] = []
        var lastNumber = 0
        /// Of the most urgent of them.
        var priority = Int.max
        var isBegun = false
        /// Nobody can wait for it any more.
        var isOver = false
    }

    /// What its worker's process knows it by.
    let number: UInt64
    /// What those who want the same know it by; nil where it is one client's.
    let key: String?
    let make: @Sendable (WorkQueue.Turn, Order) throws(ImageError) -> Picture
    private let state = Mutex(State())

    init(_ number: UInt64, key: String?, _ make: @escaping @Sendable (WorkQueue.Turn, Order) throws(ImageError) -> Picture) {
        (self.number, self.key, self.make) = (number, key, make)
    }

    /// Answered, or everybody has left.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// One more waits for it: by the number that this gives, he can leave. Nil where it is over; `continuation` is then the caller's.
    func join(_ continuation: CheckedContinuation<Answer, Never>) -> Int? {
        state.withLock { state in
            if state.isOver { return nil }
            state.lastNumber += 1
            state.waiters.append(Waiter(number: state.lastNumber, continuation: continuation))
            return state.lastNumber
        }
    }

    /// One of them waits no longer, but gets `fault`. Whether he was the last: then it is over.
    func leave(_ number: Int, _ fault: ServiceFault) -> Bool {
        let (waiter, isLast) = state.withLock { state -> (Waiter?, Bool) in
            guard let place = state.waiters.firstIndex(where: { $0.number == number }) else { return (nil, false) }
            let waiter = state.waiters.remove(at: place)
            if state.waiters.isEmpty { state.isOver = true }
            return (waiter, state.isOver)
        }
        waiter?.continuation.resume(returning: .failure(fault))
        return isLast
    }

    /// Whether `priority` is more urgent than that of all who wait, and it has not been begun: it may then wait in another place.
    func becomesMoreUrgent(_ priority: Int) -> Bool {
        state.withLock { state in
            if state.isBegun || state.isOver || priority >= state.priority { return false }
            state.priority = priority
            return true
        }
    }

    /// Whether somebody still waits, and nobody has begun it.
    func begin() -> Bool {
        state.withLock { state in
            if state.isOver || state.isBegun { return false }
            state.isBegun = true
            return true
        }
    }

    /// For all who wait. False where nobody did.
    @discardableResult
    func answer(_ answer: Answer) -> Bool {
        let waiters = state.withLock { state -> [Waiter] in
            state.isOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: answer) }
        return !waiters.isEmpty
    }
}

/// The orders that others may join, by their keys.
final class OpenOrders: Sendable {
    private let orders = Mutex<[String: Order]>([:])
    private let lastNumber = Atomic<UInt64>(0)
    private let joinCount = Atomic<Int>(0)

    /// How often somebody has joined an order of another's.
    var joins: Int { joinCount.load(ordering: .relaxed) }

    /// The order of `key` that others wait for, or a new one; `place` is by what to leave it.
    func join(
        _ key: String?, _ continuation: CheckedContinuation<Order.Answer, Never>,
        _ make: @escaping @Sendable (WorkQueue.Turn, Order) throws(ImageError) -> Picture
    ) -> (order: Order, place: Int, isFirst: Bool) {
        orders.withLock { orders in
            if let key, let order = orders[key], let place = order.join(continuation) {
                joinCount.wrappingAdd(1, ordering: .relaxed)
                return (order, place, false)
            }
            let order = Order(lastNumber.wrappingAdd(1, ordering: .relaxed).newValue, key: key, make)
            if let key { orders[key] = order }
            return (order, order.join(continuation)!, true)
        }
    }

    /// Nobody joins it any more.
    func remove(_ order: Order) {
        guard let key = order.key else { return }
        orders.withLock { if $0[key] === order { $0[key] = nil } }
    }
}
