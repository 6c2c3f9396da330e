import FilterSupport
import Glibc
import ImageCodecs
import ImageCore
import Synchronization

/// How jobs of a run are done.
public struct JobSettings: Sendable {
    public enum Isolation: String, CaseIterable, Sendable {
        case always, remote, never
    }

    public var limits = Limits()
    /// Which pictures are worked on in processes of their own.
    public var isolation = Isolation.remote
    public var isSandboxed = true
    /// For jobs that do not say where their output goes.
    public var template: OutputTemplate?
    public var mayReplace = true
    /// A job whose output is no older than its input is skipped.
    public var takesNewerOnly = false
    /// Nothing is read and nothing written but what tells what would be.
    public var isDryRun = false
    /// How often a job is tried again that failed for reasons that may pass.
    public var retries = 0
    public var journal: Journal?
    /// Results that jobs with the same input and recipe share.
    public var cache: ResultCache?

    public init() {}
}

/// Does jobs, on threads of a scheduler.
public final class JobRunner: Sendable {
    private let settings: JobSettings
    private let slots: [JobSlot]
    /// For what is read and written outside of slots.
    private let pool: BufferPool
    private let taken = Mutex<Set<JobKey>>([])

    public init(_ settings: JobSettings, slots: Int) {
        self.settings = settings
        self.slots = (0..<slots).map { _ in JobSlot() }
        pool = BufferPool(limits: settings.limits)
    }

    /// What becomes of a job. `isRetry`: it has been tried before, and its output's name is its own.
    public func result(of job: Job, isRetry: Bool, on turn: Scheduler<some Sendable>.Turn) -> JobResult {
        var result = JobResult(job, .done)
        let (start, expiry) = (Deadline.now, turn.entry.expiry)
        if let expiry, start >= expiry {
            result.status = .expired
            return result
        }
        do throws(ImageError) {
            try run(job, expiry, isRetry: isRetry, turn, &result)
        } catch {
            // Whatever stopped it, nobody wants it any more.
            let isOver = expiry.map { Deadline.now >= $0 } ?? false
            if isOver, case .outOfTime = error { result.status = .expired } else if isOver, case .upstream = error { result.status = .expired } else {
                (result.status, result.error) = (.failed, error)
            }
        }
        result.nanoseconds = Deadline.now - start
        return result
    }

    private func run(
        _ job: Job, _ expiry: UInt64?, isRetry: Bool, _ turn: Scheduler<some Sendable>.Turn, _ result: inout JobResult
    ) throws(ImageError) {
        // Most names are known before the picture is; those with its size are not.
        var output = job.output
        if output == nil { output = settings.template?.path(name: job.input.bytes, number: job.number) }
        if job.output == nil && settings.template == nil { throw .usage("no job: it has no out, and --output is not given") }
        if output.map({ $0.isStandardStream }) ?? false || job.input.isStandardStream { throw .usage("- is no name of a file here") }
        result.output = output
        let journalKey = settings.journal == nil ? nil : job.key(output: output?.bytes ?? [])
        if let journalKey, settings.journal!.isDone(journalKey) { return skip("done before", &result) }
        var format = try output.map { (output) throws(ImageError) in try job.recipe.format(ofName: output) }
        if settings.takesNewerOnly, let output, try !isNewer(job.input, than: output) { return skip("not newer", &result) }

        let start = Deadline.now
        let file = try open(job.input, turn)
        result.readNanoseconds = Deadline.now - start
        if settings.isDryRun { return skip("dry run", &result) }
        func make(_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink {
            if let template = settings.template, job.output == nil {
                output = template.path(name: job.input.bytes, number: job.number, width: width, height: height)
            }
            return try create(output!, isRetry: isRetry, isTemplate: job.output == nil)
        }
        if format == nil, let template = settings.template {
            format = try job.recipe.format(ofName: template.path(name: job.input.bytes, number: job.number, width: 1, height: 1))
        }
        result.inputBytes = file.byteCount
        func work(_ make: (UInt32, UInt32) throws(ImageError) -> any ByteSink) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
            try turn.inSlot { (number) throws(ImageError) in
                // It may have waited for the slot.
                if let expiry, Deadline.now >= expiry { throw .outOfTime(seconds: 0) }
                return try slots[number].run(file, job.recipe, format!, expiry, settings, make)
            }
        }
        let done: (report: Pipeline.Report, sink: any ByteSink)
        if let cache = settings.cache, let key = ResultCache.Key(file, job.recipe, format!) {
            done = try cache.result(key, work, to: make)
        } else {
            done = try work(make)
        }
        result.output = output
        result.report = done.report
        if let expiry, Deadline.now >= expiry { throw .outOfTime(seconds: 0) }
        let written = Deadline.now
        try done.sink.commit()
        result.writeNanoseconds = Deadline.now - written
        if let journalKey { settings.journal!.add(journalKey, byteCount: done.report.byteCount, directory: output!.directory) }
    }

    private func skip(_ reason: String, _ result: inout JobResult) {
        (result.status, result.reason) = (.skipped, reason)
    }

    // MARK: Files

    private func open(_ path: FilePath, _ turn: Scheduler<some Sendable>.Turn) throws(ImageError) -> Descriptor {
        let descriptor = try Descriptor.open(reading: path)
        // A pipe's writer may take its time.
        if descriptor.kind != S_IFREG { turn.willWait() }
        return descriptor
    }

    private func isNewer(_ input: FilePath, than output: FilePath) throws(ImageError) -> Bool {
        var (before, after) = (stat(), stat())
        guard input.withCString({ stat($0, &before) }) == 0 else { throw .cannotOpen(errno: errno) }
        guard output.withCString({ stat($0, &after) }) == 0 else { return true }
        return (before.st_mtim.tv_sec, before.st_mtim.tv_nsec) > (after.st_mtim.tv_sec, after.st_mtim.tv_nsec)
    }

    private func create(_ path: FilePath, isRetry: Bool, isTemplate: Bool) throws(ImageError) -> any ByteSink {
        do throws(ImageError) {
            try path.directory.makeDirectories()
            // Whoever names outputs one by one may mean what he says.
            if isTemplate, !isRetry, let place = OutputPlace(path), !taken.withLock({ $0.insert(JobKey([place.text])).inserted }) {
                throw ImageError.refusedOutput("a picture before it was written there")
            }
            return try AtomicFile(path, mayReplace: settings.mayReplace, pool: pool)
        } catch {
            switch error {
            case .cannotCreate, .refusedOutput: throw .refusedOutput("\(Console.printable(path.bytes)): \(error)")
            default: throw error
            }
        }
    }
}
