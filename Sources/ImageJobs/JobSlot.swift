import Glibc
import ImageCodecs
import ImageCore
import Synchronization

/// What a slot of the scheduler has to work with, kept from one picture to the next.
///
/// Unchecked, because it is used by the thread that holds the slot, and by no other.
final class JobSlot: @unchecked Sendable {
    private var pipeline: Pipeline?
    private var process: WorkerProcess? { didSet { number.store(process?.number ?? 0, ordering: .relaxed) } }
    /// The process' number, for any thread; 0 for none.
    private let number = Atomic<pid_t>(0)

    /// By any thread.
    func kill() {
        let number = number.load(ordering: .relaxed)
        if number > 0 { Glibc.kill(number, SIGKILL) }
    }

    /// Its process may end, and is waited for by `end`.
    func hangUp() { process?.hangUp() }

    func end() { (pipeline, process) = (nil, nil) }

    /// As `Pipeline.run`, here or in a process. `isWanted`: asked when the process can be found by `kill`, and not before.
    func run(
        _ file: borrowing Descriptor, _ recipe: Recipe, _ format: EncodedFormat, _ expiry: UInt64?, _ settings: JobSettings, _ isIsolated: Bool,
        isWanted: () -> Bool = { true }, _ make: (UInt32, UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
        guard isIsolated else {
            let pipeline = pipeline ?? Pipeline(limits: settings.limits)
            self.pipeline = pipeline
            return try pipeline.run(ByteSource(file.borrowed, pool: pipeline.pool), recipe, as: format, latest: expiry, to: make)
        }
        let process = if let process, process.isReady { process } else { try WorkerProcess(limits: settings.limits, isSandboxed: settings.isSandboxed) }
        self.process = process
        defer { if process.isBroken { self.process = nil } }
        guard isWanted() else { throw .outOfTime(seconds: 0) }
        return try process.run(file.number, recipe, as: format, latest: expiry, to: make)
    }
}
