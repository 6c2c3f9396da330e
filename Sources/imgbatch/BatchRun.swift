import CPlatformShims
import FilterSupport
import Glibc
import ImageCore
import ImageJobs
import Storage

/// A run: jobs in, results out.
final class BatchRun: Sendable {
    /// A job on its way, with how often it was tried.
    private struct Task: Sendable {
        let job: Job
        var tries = 0
    }

    /// Why a run ends before its input does.
    private enum Stop: Sendable {
        case signal(Int32)
        case output(ImageError)
        case journal(ImageError)
    }

    private struct State: Sendable {
        var stop: Stop?
        var inputEnded = false
        /// Of lines that are no jobs, of the input, of what was asked for beside results.
        var status: ExitStatus?
        var estimatedCount: Int?
    }

    private let settings: BatchSettings
    private let console: Console
    private let signals: StopSignals
    private let state = Monitor(State())
    private let writer: ResultWriter
    private let metrics = Metrics()
    private let journal: Journal?
    private let cache: ResultCache?
    private let runner: JobRunner
    private let pool: BufferPool
    private let load: LoadLimits
    private let start = Deadline.now

    /// Jobs that wait, of a run; results that are late, so that priorities have something to choose from.
    private static let mostWaiting = 1024

    /// Before any other thread is started: signals are held back from them all.
    init(_ settings: BatchSettings, _ console: Console) throws(ImageError) {
        signals = StopSignals()
        // Each thread would else come by an arena of its own, that keeps what it has had.
        load = LoadLimits(slots: settings.slots)
        imgpipe_use_arenas(Int32(load.slots))
        (self.settings, self.console) = (settings, console)
        if load.slots < settings.slots { console.say("warning: \(load.slots) pictures at once instead of \(settings.slots), as no more files may be open (ulimit -n)") }
        pool = BufferPool(limits: settings.jobs.limits)
        writer = ResultWriter(isOrdered: settings.isOrdered)
        cache = settings.cacheBytes > 0 ? ResultCache(capacityBytes: settings.cacheBytes) : nil
        if let path = settings.journal {
            do throws(ImageError) {
                journal = try Journal(path, pool: pool)
            } catch {
                throw .refusedOutput("\(Console.printable(path.bytes)): \(error)")
            }
            if journal!.damagedLines > 0 {
                console.say("warning: damaged lines: \(journal!.damagedLines); their jobs are done again", subject: path.bytes)
            }
        } else {
            journal = nil
        }
        var jobs = settings.jobs
        (jobs.journal, jobs.cache) = (journal, cache)
        runner = JobRunner(jobs, storage: try Storage(), slots: load.slots)
    }

    // MARK: The run

    /// `given`: what holds for jobs that say nothing else.
    func status(_ given: GivenOptions) throws(ImageError) -> ExitStatus {
        // First: whoever waits for a job, or to open a file, cannot be told to stop.
        _ = try Thread { [self] in
            halt(.signal(signals.wait()))
            // Asked twice.
            let number = signals.wait()
            runner.kill()
            signals.end(by: number)
        }
        let scheduler = try makeScheduler()
        let outputs = try MetricsOutputs(settings, console, pool) { [metrics, cache] in
            metrics.exposition(scheduler.load, queued: scheduler.queuedByPriority, cache: cache?.statistics)
        }
        let progress = settings.showsProgress ? ProgressBar(start) { [self] in progressCounts } : nil
        let input = try JobInput(settings, given, pool: pool)
        _ = try Thread { [self] in take(input, scheduler) }
        let isHalted = state.wait { state -> Bool? in state.stop != nil ? true : state.inputEnded ? false : nil }
        if isHalted { _ = scheduler.abandon() } else { scheduler.close() }
        let isDone = waitForJobs(scheduler)
        if isDone { runner.end() } else { runner.kill() }
        progress?.end()
        var status = state.withLock { $0.status }
        do throws(ImageError) {
            try journal?.end()
        } catch {
            halt(.journal(error))
        }
        if let failed = outputs.end() { status = status ?? failed }
        if settings.isVerbose { console.say(summary(scheduler.load)) }
        switch state.withLock({ $0.stop }) {
        case .signal(let number): signals.end(by: number)
        case .journal(let error):
            console.report(error, subject: settings.journal!.bytes)
            return error.status
        case .output(let error):
            // A reader that has gone has heard enough.
            if error != .writeFailed(errno: EPIPE) { throw error }
            return error.status
        case nil: break
        }
        let isAnsweredWell = metrics.count(.failed) == 0 && metrics.count(.expired) == 0
        return status ?? (settings.isStrict && !isAnsweredWell ? .answerIsNo : .done)
    }

    private func makeScheduler() throws(ImageError) -> Scheduler<Task> {
        try Scheduler(slots: load.slots, mostThreads: load.threads, limit: Self.mostWaiting) { [self] turn in perform(turn) }
    }

    private func take(_ input: JobInput, _ scheduler: Scheduler<Task>) {
        var input = input
        do throws(ImageError) {
            while let (item, number) = try input.next() {
                let estimate = input.estimatedCount
                state.withLock { $0.estimatedCount = estimate }
                writer.waitForRoom(for: number)
                switch item {
                case .job(let job):
                    let expiry = job.lifetime.map { Deadline.now + $0 * 1_000_000 }
                    guard scheduler.submit(Task(job: job), priority: job.priority, expiry: expiry) else { return }
                case .fault(let error, let id, let input, let output):
                    // A name's fault says its number.
                    console.report(error, subject: listSubject ?? Array("line \(number)".utf8))
                    state.withLock { $0.status = $0.status ?? .usage }
                    answer(JobResult(fault: error, id: id, number: number, input: input, output: output))
                }
            }
        } catch {
            console.report(error, subject: listSubject ?? Console.standardInput)
            state.withLock { $0.status = $0.status ?? error.status }
        }
        state.update { $0.inputEnded = true }
    }

    /// What messages about a list of names are about; nil where jobs come instead.
    private var listSubject: [UInt8]? { settings.names.map { InputNames.list($0).subject } }

    private func perform(_ turn: Scheduler<Task>.Turn) {
        let task = turn.entry.work
        var result = runner.result(of: task.job, on: turn)
        if result.status == .failed, let error = result.error, error.mayPass, task.tries < settings.jobs.retries {
            // 0.1 s, and twice as long each time, to 10 s.
            let delay = min(UInt64(100_000_000) << UInt64(min(task.tries, 8)), 10_000_000_000)
            if turn.retry(Task(job: task.job, tries: task.tries + 1), after: delay) {
                result.isRetried = true
                return metrics.add(result)
            }
        }
        answer(result)
    }

    private func answer(_ result: JobResult) {
        metrics.add(result)
        if !writer.write(result.line, number: result.number), let failure = writer.failure { halt(.output(failure)) }
        if let failure = journal?.failure { halt(.journal(failure)) }
    }

    private func halt(_ reason: Stop) { state.update { $0.stop = $0.stop ?? reason } }

    /// Those that run are ended; when told to stop, not for longer than `patience`. False where some had to be left.
    private func waitForJobs(_ scheduler: Scheduler<Task>) -> Bool {
        while state.withLock({ $0.stop == nil }) {
            if scheduler.waitUntilDone(deadline: Deadline.now + Self.tick) { return true }
        }
        _ = scheduler.abandon()
        return scheduler.waitUntilDone(deadline: Deadline.now + Self.patience)
    }

    /// How late a signal may be seen.
    private static let tick: UInt64 = 50_000_000
    private static let patience: UInt64 = 5_000_000_000

    // MARK: What is told

    private var progressCounts: ProgressBar.Counts {
        let ended = JobResult.Status.allCases.reduce(0) { $0 + Int(metrics.count($1)) }
        return ProgressBar.Counts(ended: ended, all: state.withLock { $0.estimatedCount }, failed: Int(metrics.count(.failed)))
    }

    private func summary(_ load: SchedulerLoad) -> String {
        let counts = JobResult.Status.allCases.map { ($0, metrics.count($0)) }
        let all = counts.reduce(0) { $0 + $1.1 }
        let seconds = Double(Deadline.now - start) / 1e9
        let buffers = metrics.buffers
        let done = Double(max(1, metrics.count(.done)))
        func rounded(_ number: Double) -> String { NumberText.general((number * 100).rounded() / 100) }
        return "\(all) jobs: " + counts.map { "\($0.1) \($0.0.rawValue)" }.joined(separator: ", ") + " in \(rounded(seconds)) s, \(rounded(Double(all) / seconds)) a second; "
            + "\(load.mostThreads) threads at most; allocations per picture: \(rounded(Double(buffers.allocations) / done)) of \(rounded(Double(buffers.leases) / done)) buffers"
    }
}
