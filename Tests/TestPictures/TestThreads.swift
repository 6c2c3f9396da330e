import Glibc

/// Runs `body` on `count` threads, each with its number, and waits for all. Of POSIX: tasks share as many threads as there are cores, and
/// would wait for one another for ever.
package func runThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    final class Start: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    let threads = (0..<count).map { number in
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start { body(number) })
        let code = pthread_create(&thread, nil, { context in
            Unmanaged<Start>.fromOpaque(context!).takeRetainedValue().run()
            return nil
        }, start.toOpaque())
        precondition(code == 0)
        return thread
    }
    for thread in threads { pthread_join(thread, nil) }
}
