import FilterSupport
import Glibc
import ImageCore
import Synchronization

/// How far a run is, on one line of a terminal: a bar where the number of jobs is known, pictures a second, and how long it will still take.
final class ProgressBar: Sendable {
    struct Counts {
        let ended: Int
        /// Nil where that is not known.
        let all: Int?
        let failed: Int
    }

    private let start: UInt64
    private let counts: @Sendable () -> Counts
    private let isEnded = Mutex(false)
    private static let microseconds: UInt32 = 200_000

    /// Nil where standard error is no terminal.
    init?(_ start: UInt64, counts: @escaping @Sendable () -> Counts) {
        guard isatty(2) == 1 else { return nil }
        (self.start, self.counts) = (start, counts)
        _ = try? Thread { [self] in
            while !isEnded.withLock({ $0 }) {
                isEnded.withLock { if !$0 { write(line + "\r") } }
                usleep(Self.microseconds)
            }
        }
    }

    /// Leaves the last state on the terminal.
    func end() {
        isEnded.withLock {
            $0 = true
            write(line + "\n")
        }
    }

    private var line: String {
        let counts = counts()
        let seconds = max(0.001, Double(Deadline.now - start) / 1e9)
        let rate = Double(counts.ended) / seconds
        var line = "\(counts.ended)"
        if let all = counts.all, all > 0 {
            let all = max(all, counts.ended)
            let filled = counts.ended * Self.barWidth / all
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.barWidth - filled)
            line = "[\(bar)] \(counts.ended) of \(all)"
            if counts.ended > 0 { line += ", " + Self.clock(Double(all - counts.ended) / rate) + " left" }
        }
        line += ", \(NumberText.general((rate * 10).rounded() / 10)) a second"
        if counts.failed > 0 { line += ", \(counts.failed) failed" }
        // Erases what a longer line before has left.
        return line + "\u{1b}[K"
    }

    private static let barWidth = 24

    private static func clock(_ seconds: Double) -> String {
        let whole = Int(min(seconds.rounded(.up), 359_999))
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return whole >= 3600 ? "\(whole / 3600):\(two(whole / 60 % 60)):\(two(whole % 60))" : "\(whole / 60):\(two(whole % 60))"
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(2, bytes, bytes.count)
    }
}
