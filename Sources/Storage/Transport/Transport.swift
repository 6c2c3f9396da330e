import CCurlShims
import Glibc
import ImageCore
import Synchronization

/// Requests over kept connections, from many threads, each tried again where that may help.
final class Transport: Sendable {
    let settings: StorageSettings
    private let state = Mutex(State())

    private struct State {
        var waiting: [Connection] = []
        /// Some request was answered: a refused connection is then a server that starts anew, and not one that is not there.
        var hasSucceeded = false
        /// The server's clock less ours, once it has found ours to be wrong; in seconds.
        var clockOffset: Int64 = 0
    }

    private static let mostWaiting = 64
    /// Beyond that the server takes us to have another day, and S3 refuses from 15 minutes on.
    private static let skewSeconds: Int64 = 300

    init(_ settings: StorageSettings) { self.settings = settings }

    /// Who asks, and how long for.
    struct Terms {
        var deadline: Deadline?
        var cancellation: Cancellation?
    }

    /// The answer's head, where it is one of 2xx, or one of `accepted`; its body has gone to `receiver`, as far as that has wanted it.
    /// `prepare`: the next try's request, for a time in seconds since 1970. `progress`: bytes that have come so far in all tries; those
    /// that bring some do not count.
    func exchange(
        to receiver: any AnswerReceiver, _ terms: Terms = Terms(), accepted: Set<Int> = [], isSigned: Bool? = nil, progress: () -> UInt64 = { 0 },
        prepare: (_ date: Int64) -> HTTPRequest
    ) throws(TransferFault) -> HTTPHead {
        var (tries, hasAdjusted, before) = (0, false, progress())
        while true {
            tries += 1
            let outcome = try attempt(prepare(now), receiver, terms)
            let (result, head) = (outcome.result, outcome.head)
            if result == IMGPIPE_OUT_OF_TIME, let deadline = terms.deadline { throw TransferFault(deadline.error) }
            if result == IMGPIPE_REFUSED && head.isSuccess { return head }
            if result == IMGPIPE_DONE {
                if head.isSuccess || accepted.contains(head.status) { return head }
                if head.status == 403 && isSigned == true && !hasAdjusted && adjustClock(head) {
                    hasAdjusted = true
                    continue
                }
            }
            if progress() >= before + Self.worthwhileBytes { (tries, before) = (1, progress()) }
            guard isTransient(outcome), tries < settings.tries else {
                throw result == IMGPIPE_DONE
                    ? TransferFault(head, body: outcome.errorBody, isSigned: isSigned, tries: tries) : TransferFault(outcome, settings, tries: tries)
            }
            try pause(before: tries, asked: head["retry-after"], terms)
        }
    }

    private static let worthwhileBytes: UInt64 = 64 << 10

    private var now: Int64 { Int64(time(nil)) + state.withLock { $0.clockOffset } }

    private func attempt(_ request: HTTPRequest, _ receiver: any AnswerReceiver, _ terms: Terms) throws(TransferFault) -> Outcome {
        let connection: Connection
        do throws(ImageError) {
            connection = if let waiting = state.withLock({ $0.waiting.popLast() }) { waiting } else { try Connection() }
        } catch {
            throw TransferFault(error)
        }
        if let cancellation = terms.cancellation, !cancellation.begin(connection) { throw Self.cancelled }
        let outcome = connection.perform(request, settings, deadline: terms.deadline, to: receiver)
        terms.cancellation?.end()
        if outcome.result == IMGPIPE_STOPPED { throw Self.cancelled }
        state.withLock {
            if outcome.head.status != 0 { $0.hasSucceeded = true }
            if $0.waiting.count < Self.mostWaiting { $0.waiting.append(connection) }
        }
        return outcome
    }

    private static let cancelled = TransferFault(.cancelled, "not wanted any more")

    private func isTransient(_ outcome: Outcome) -> Bool {
        switch outcome.result {
        case IMGPIPE_DONE:
            [408, 429, 500, 502, 503, 504].contains(outcome.head.status)
                || (outcome.head.status == 400 && XMLAnswer(outcome.errorBody)?.text("Code") == "RequestTimeout")
        case IMGPIPE_TIMED_OUT, IMGPIPE_BROKEN, IMGPIPE_NO_TLS: true
        case IMGPIPE_NO_CONNECTION, IMGPIPE_NO_HOST: state.withLock { $0.hasSucceeded }
        default: false
        }
    }

    /// Takes the server's clock for the right one, where the two differ much.
    private func adjustClock(_ head: HTTPHead) -> Bool {
        guard let text = head["date"] else { return false }
        let date = text.withCString { imgpipe_http_date($0) }
        guard date > 0, abs(date - now) > Self.skewSeconds else { return false }
        state.withLock { $0.clockOffset = date - Int64(time(nil)) }
        return true
    }

    /// Twice as long each time, and by chance up to half of that shorter, so that those who failed together do not come back together.
    private func pause(before tries: Int, asked: String?, _ terms: Terms) throws(TransferFault) {
        var seconds = min(settings.backoffSeconds * Double(1 << min(tries - 1, 16)), settings.mostBackoffSeconds) * Double.random(in: 0.5...1)
        if let asked = asked.flatMap({ Double($0) }), asked > 0 { seconds = min(max(seconds, asked), settings.mostBackoffSeconds) }
        if let deadline = terms.deadline, deadline.isOver { throw TransferFault(deadline.error) }
        var request = pollfd(fd: terms.cancellation?.ear ?? -1, events: Int16(POLLIN), revents: 0)
        _ = poll(&request, 1, Int32(seconds * 1000))
        if terms.cancellation?.isCancelled ?? false { throw Self.cancelled }
    }
}
