import Glibc
import ImageCore
import ImageJobs

/// Results on standard output, a line each, as they come or in the order of the jobs.
final class ResultWriter: Sendable {
    private struct State: Sendable {
        /// The job whose result is next, from 1; of those behind it, results that wait.
        var next = 1
        var waiting: [Int: [UInt8]] = [:]
        var failure: ImageError?
    }

    private let isOrdered: Bool
    private let monitor = Monitor(State())
    /// So far may results run ahead of one that is missing.
    private static let mostAhead = 4096

    init(isOrdered: Bool) { self.isOrdered = isOrdered }

    /// What standard output has refused; nothing is written after that.
    var failure: ImageError? { monitor.withLock { $0.failure } }

    /// Waits until `number` is not too far ahead.
    func waitForRoom(for number: Int) {
        guard isOrdered else { return }
        _ = monitor.wait { state -> Bool? in number < state.next + Self.mostAhead || state.failure != nil ? true : nil }
    }

    /// False when standard output takes no more.
    func write(_ line: [UInt8], number: Int) -> Bool {
        monitor.update { state in
            guard isOrdered else { return Self.write(line, &state) }
            state.waiting[number] = line
            while let line = state.waiting.removeValue(forKey: state.next) {
                guard Self.write(line, &state) else { return false }
                state.next += 1
            }
            return true
        }
    }

    private static func write(_ line: [UInt8], _ state: inout State) -> Bool {
        if state.failure != nil { return false }
        do throws(ImageError) {
            try Descriptor.standardOutput.write(line.span.bytes)
        } catch {
            state.failure = error
        }
        return state.failure == nil
    }
}
