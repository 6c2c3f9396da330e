import ImageCore

/// Runs `body` on `count` threads, each with its number, and waits for all. Of POSIX: tasks share as many threads as there are cores, and
/// would wait for one another for ever.
package func runThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { number in try! Thread { body(number) } }
    for thread in threads { thread.join() }
}
