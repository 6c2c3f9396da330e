import CPlatformShims
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore
import Storage
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
    private let storage: Storage
    private let slots: [JobSlot]
    /// For what is read and written outside of slots.
    private let pool: BufferPool
    /// Which job has taken an output's name by the template.
    private let taken = Mutex<[JobKey: Int]>([:])

    /// `storage`: where inputs and outputs are.
    public init(_ settings: JobSettings, storage: Storage, slots: Int) {
        (self.settings, self.storage) = (settings, storage)
        self.slots = (0..<slots).map { _ in JobSlot() }
        pool = BufferPool(limits: settings.limits)
    }

    /// Ends the processes of its workers at once, whatever they do.
    public func kill() { for slot in slots { slot.kill() } }

    /// Ends the processes of its workers, when nobody has a job any more.
    public func end() {
        // All at once: one that does not listen keeps the others waiting no longer than itself.
        for slot in slots { slot.hangUp() }
        for slot in slots { slot.end() }
    }

    /// What becomes of a job.
    public func result(of job: Job, on turn: Scheduler<some Sendable>.Turn) -> JobResult {
        var result = JobResult(job, .done)
        let (start, expiry) = (Deadline.now, turn.entry.expiry)
        if let expiry, start >= expiry {
            result.status = .expired
            return result
        }
        do throws(ImageError) {
            try run(job, expiry, turn, &result)
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
        _ job: Job, _ expiry: UInt64?, _ turn: Scheduler<some Sendable>.Turn, _ result: inout JobResult
    ) throws(ImageError) {
        if job.output == nil && settings.template == nil { throw .usage("it has no out, and --output is not given") }
        let input = try Location(job.input.bytes)
        // Most names are known before the picture is; those with its size are not.
        var output = try job.output.map { (path) throws(ImageError) in try Location(path.bytes) }
        if output == nil { output = try settings.template?.path(name: input.name, number: job.number).map { (path) throws(ImageError) in try Location(path.bytes) } }
        result.input = FilePath(input.shown)
        result.output = output.map { FilePath($0.shown) }
        // Of a name that the picture's size is part of, what is known of it.
        let known = output?.bytes ?? settings.template.map { $0.text + $0.path(name: input.name, number: job.number, width: 0, height: 0).bytes } ?? []
        let journalKey = settings.journal == nil ? nil : job.key(output: known)
        if let journalKey, settings.journal!.isDone(journalKey) { return skip("done before", &result) }
        var format = try output.map { (output) throws(ImageError) in try job.recipe.format(ofName: FilePath(output.name)) }
        if settings.takesNewerOnly, let output, try !isNewer(input, than: output) { return skip("not newer", &result) }

        let start = Deadline.now
        let file = try open(input, turn)
        defer { file.close() }
        let descriptor = file.takeDescriptor()
        result.readNanoseconds = Deadline.now - start
        if settings.isDryRun { return skip("dry run", &result) }
        func make(_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink {
            if let template = settings.template, job.output == nil {
                output = try Location(template.path(name: input.name, number: job.number, width: width, height: height).bytes)
            }
            return try create(output!, for: job)
        }
        if format == nil, let template = settings.template {
            format = try job.recipe.format(ofName: template.path(name: input.name, number: job.number, width: 1, height: 1))
        }
        result.inputBytes = file.file.byteCount ?? 0
        let isIsolated = settings.isolation == .always || (settings.isolation == .remote && input.isRemote)
        func work(_ make: (UInt32, UInt32) throws(ImageError) -> any ByteSink) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
            try turn.inSlot { (number) throws(ImageError) in
                // It may have waited for the slot.
                if let expiry, Deadline.now >= expiry { throw .outOfTime(seconds: 0) }
                return try slots[number].run(descriptor, job.recipe, format!, expiry, settings, isIsolated, make)
            }
        }
        let done: (report: Pipeline.Report, sink: any ByteSink)
        do throws(ImageError) {
            if let cache = settings.cache, let key = ResultCache.Key(input, file.file, descriptor, job.recipe, format!) {
                // Another may be at it.
                turn.willWait()
                done = try cache.result(key, latest: expiry, limitBytes: pool.limitBytes, work, to: make)
            } else {
                done = try work(make)
            }
        } catch {
            // What looks like a damaged picture may be a server that has stopped in its middle.
            try file.check()
            throw error
        }
        try file.check()
        result.output = FilePath(output!.shown)
        result.report = done.report
        if let expiry, Deadline.now >= expiry { throw .outOfTime(seconds: 0) }
        let written = Deadline.now
        if output!.isRemote { turn.willWait() }
        do throws(ImageError) {
            try done.sink.commit()
        } catch {
            throw Self.naming(output!, error)
        }
        result.writeNanoseconds = Deadline.now - written
        if let journalKey { settings.journal!.add(journalKey, byteCount: done.report.byteCount, directory: output!.realDirectory) }
    }

    private func skip(_ reason: String, _ result: inout JobResult) {
        (result.status, result.reason) = (.skipped, reason)
    }

    // MARK: Files

    private func open(_ location: Location, _ turn: Scheduler<some Sendable>.Turn) throws(ImageError) -> OpenedFile {
        // A server may take its time, and the job's is limited; and so may a pipe's writer.
        guard location.isRemote else {
            let file = try storage.open(location, pool: pool)
            if !file.isRegularFile {
                turn.willWait()
                try file.waitForBytes(latest: turn.entry.expiry, seconds: settings.limits.timeoutSeconds)
            }
            return file
        }
        turn.willWait()
        let fetching = BufferPool(limits: settings.limits)
        fetching.deadline.begin(latest: turn.entry.expiry)
        return try storage.open(location, pool: fetching)
    }

    private func isNewer(_ input: Location, than output: Location) throws(ImageError) -> Bool {
        guard let before = try storage.status(of: input) else { throw .cannotOpen(errno: ENOENT) }
        guard let after = try storage.status(of: output)?.modified, let modified = before.modified else { return true }
        return modified > after
    }

    private func create(_ location: Location, for job: Job) throws(ImageError) -> any ByteSink {
        do throws(ImageError) {
            if let directory = location.directory { try directory.makeDirectories() }
            // Whoever names outputs one by one may mean what he says.
            if job.output == nil {
                let key = JobKey([location.place])
                let owner = taken.withLock { taken -> Int in
                    taken[key] = taken[key] ?? job.number
                    return taken[key]!
                }
                if owner != job.number { throw ImageError.refusedOutput("a picture before it was written there") }
            }
            // To open a pipe is to wait for its reader: a slot is not held for that.
            let reader = try PipeReader(of: location)
            defer { reader?.close() }
            return try storage.sink(for: location, mayReplace: settings.mayReplace, pool: pool)
        } catch {
            throw Self.naming(location, error)
        }
    }

    /// The message is about a job; what is wrong here is its output.
    private static func naming(_ location: Location, _ error: ImageError) -> ImageError {
        switch error {
        case .cannotCreate, .refusedOutput: .refusedOutput("\(Console.printable(location.shown)): \(error)", mayPass: error.mayPass)
        default: error
        }
    }
}

extension Location {
    /// A path, or what stands for it in a store: what a template's letters are made of, and an ending is looked for in.
    fileprivate var name: [UInt8] {
        switch self {
        case .file(let path): path.bytes
        case .s3(_, let key): key
        case .http(let url): Array(url.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true).dropFirst(2).joined(separator: [UInt8(ascii: "/")]).prefix { $0 != UInt8(ascii: "?") })
        }
    }

    /// Nil where there are none.
    fileprivate var directory: FilePath? { if case .file(let path) = self { path.directory } else { nil } }

    /// Of the file that is written: links are followed.
    fileprivate var realDirectory: FilePath? {
        guard case .file(let path) = self else { return nil }
        return ((try? path.followingLinks()) ?? path).directory
    }

    /// The same for all names of one place, as far as they can be known.
    fileprivate var place: [UInt8] { if case .file(let path) = self { OutputPlace(path)?.text ?? path.bytes } else { bytes } }
}

/// Holds a named pipe open, so that its reader is not told of an end before anything was written.
private struct PipeReader {
    private var number: Int32

    /// Nil for what is no pipe. Throws where nobody reads it.
    init?(of location: Location) throws(ImageError) {
        var status = stat()
        guard case .file(let path) = location, path.withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFIFO else { return nil }
        number = path.withCString { imgpipe_open($0, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0) }
        if number < 0 { throw errno == ENXIO ? .refusedOutput("a pipe that nobody reads") : .cannotCreate(errno: errno) }
        // For both sides: to open it as an output waits for nobody then, even if its reader goes now.
        let both = path.withCString { imgpipe_open($0, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0) }
        guard both >= 0 else { return }
        Glibc.close(number)
        number = both
    }

    func close() { Glibc.close(number) }
}
