import ImageCore
import NIOCore
import ServiceRequests
import Synchronization

/// What who answers a request knows of the connection that it came on. For any thread.
final class Connection: Sendable {
    /// Of the request that the task at hand answers.
    @TaskLocal static var current: Connection?

    private struct State: Sendable {
        var isGone = false
        var isTimedOut = false
        var onGone: (@Sendable () -> Void)?
        var refusals: [ServiceFault?] = []
        var requestStart: UInt64 = 0
    }

    private let state = Mutex(State())
    /// Tells the client that waits for it to go on.
    private let permit: @Sendable () -> Void

    init(permit: @escaping @Sendable () -> Void) { self.permit = permit }

    /// The body is wanted: a client that waits for that word (Expect: 100-continue) gets it.
    func wantBody() { permit() }

    /// The client has left, or has closed its side: nobody reads an answer.
    var isGone: Bool { state.withLock { $0.isGone } }

    /// The request has taken too long to come, and is answered already.
    var isTimedOut: Bool { state.withLock { $0.isTimedOut } }

    /// Why the next request is not answered as it asks, if it is not; once for each request, in their order.
    func takeRefusal() -> ServiceFault? { state.withLock { $0.refusals.isEmpty ? nil : $0.refusals.removeFirst() } }

    /// When the request's first byte came, nanoseconds of CLOCK_MONOTONIC.
    var requestStart: UInt64 { state.withLock { $0.requestStart } }

    /// What is to be done when the client leaves, at once where it has; nil when nothing is to be done any more.
    func whenGone(_ action: (@Sendable () -> Void)?) {
        let isGone = state.withLock { state in
            state.onGone = action
            return state.isGone
        }
        if isGone { action?() }
    }

    // MARK: For the handlers

    func begin() { state.withLock { $0.requestStart = Deadline.now } }

    /// A request's head has come; `refusal`: what is wrong with it.
    func headCame(_ refusal: ServiceFault?) { state.withLock { $0.refusals.append(refusal) } }

    func timeOut() { state.withLock { $0.isTimedOut = true } }

    func leave() {
        let action = state.withLock { state in
            state.isGone = true
            return state.onGone
        }
        action?()
    }
}
