import Glibc

/// The signals that ask a run to stop: held back from all threads, and waited for by one.
public struct StopSignals: Sendable {
    private static let numbers = [SIGINT, SIGTERM, SIGHUP]

    /// Before the first thread is started.
    public init() {
        var set = Self.set
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers {
            // nohup(1) has told it to go on.
            var action = sigaction()
            sigaction(number, nil, &action)
            if unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != unsafeBitCast(SIG_IGN, to: Int.self) { sigaddset(&set, number) }
        }
        return set
    }

    /// The number of the one that comes.
    public func wait() -> Int32 {
        var (set, number): (sigset_t, Int32) = (Self.set, 0)
        while sigwait(&set, &number) != 0 {}
        return number
    }

    /// As if it had not been held back: whoever waits for the process sees what ended it.
    public func end(by number: Int32) -> Never {
        var set = Self.set
        raise(number)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        exit(128 + number)
    }
}
