import Glibc

/// A POSIX thread: filters have no use for a task scheduler, whose start takes longer than their work on a small file.
public final class Thread {
    private let thread: pthread_t
    private var isJoined = false

    /// Starts at once. Throws `noThread`.
    public init(_ body: @escaping @Sendable () -> Void) throws(ImageError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        let code = pthread_create(&thread, nil, { context in
            Unmanaged<Body>.fromOpaque(context!).takeRetainedValue().run()
            return nil
        }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw .noThread(errno: code)
        }
        self.thread = thread
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// From now on in the calling thread a reader that is gone is an error of write(2), and no reason for a signal.
    package static func blockBrokenPipe() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Waits for its end; once.
    public func join() {
        pthread_join(thread, nil)
        isJoined = true
    }

    /// Nobody waits for it then.
    deinit { if !isJoined { pthread_detach(thread) } }
}
