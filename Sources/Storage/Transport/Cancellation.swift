import CPlatformShims
import Glibc
import ImageCore
import Synchronization

/// Ends what other threads wait for: a request, a pause before the next try, a pipe that nobody reads.
public final class Cancellation: Sendable {
    private struct State {
        var isCancelled = false
        /// Of the request under way.
        var connection: Connection?
        /// -1 when it was closed, which those who wait see.
        var bell: Int32
    }

    private let state: Mutex<State>
    /// Hangs up when all is to end.
    let ear: Int32

    /// Throws `cannotOpen` where no file can be opened.
    public init() throws(ImageError) {
        var ends: [Int32] = [-1, -1]
        guard imgpipe_pipe(&ends) == 0 else { throw .cannotOpen(errno: errno) }
        ear = ends[0]
        state = Mutex(State(bell: ends[1]))
    }

    deinit {
        close(ear)
        state.withLock { if $0.bell >= 0 { close($0.bell) } }
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// By any thread; whoever waits gets `transferFailed`.
    public func cancel() {
        state.withLock {
            $0.isCancelled = true
            if $0.bell >= 0 { close($0.bell) }
            $0.bell = -1
            $0.connection?.stop()
        }
    }

    /// False where it is over already.
    func begin(_ connection: Connection) -> Bool {
        state.withLock {
            if !$0.isCancelled { $0.connection = connection }
            return !$0.isCancelled
        }
    }

    func end() { state.withLock { $0.connection = nil } }
}
