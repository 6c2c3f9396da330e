import FilterSupport
import Glibc
import ImageColor
import ImageCore
import ImageMetadata
import Synchronization

struct StripSettings: Sendable {
    let choice: MetadataChoice
    let convertsToSRGB: Bool
    let limits: Limits
    /// Nil is standard output, or the file itself.
    let output: FilePath?
    let isInPlace: Bool
    let mayReplace: Bool
    let keepsTimes: Bool
    let synchronizes: Bool
    let jobs: Int
    let isVerbose: Bool

    static let srgbNeedsPixels = ImageError.usage("--icc srgb converts pixels, and so needs a pixel stream: imgdecode a.jpg | imgstrip --icc srgb | imgencode > b.jpg")
}

/// The files of one run, worked on by as many threads as were asked for.
final class StripRun: Sendable {
    private let settings: StripSettings
    private let console: Console
    private let pool: BufferPool
    private let state: Mutex<State>

    private struct State {
        var started = 0
        var firstFailure: (number: Int, status: ExitStatus)?
        /// Outputs of this run, none of which another may replace.
        var taken: TakenPlaces?
        /// The files of the command line: none may be replaced by what is made of another.
        var inputs: [FileIdentity] = []
        /// What was replaced, as it was.
        var replaced: ReplacedFiles?

        mutating func note(_ version: FileVersion) {
            let replaced = replaced ?? ReplacedFiles()
            self.replaced = replaced
            replaced.versions.insert(version)
        }

        /// False for a place that is taken already.
        mutating func take(_ place: OutputPlace) -> Bool {
            let places = taken ?? TakenPlaces()
            taken = places
            return places.places.insert(place).inserted
        }
    }

    /// As below; a run of a single file has none.
    private final class ReplacedFiles { var versions: Set<FileVersion> = [] }

    /// A class, so that a run without a template never makes the set's type, which takes a twentieth of a short run. Only in `State`.
    private final class TakenPlaces { var places: Set<OutputPlace> = [] }

    init(_ settings: StripSettings, _ console: Console) {
        (self.settings, self.console) = (settings, console)
        pool = BufferPool(limits: settings.limits)
        state = Mutex(State())
    }

    // MARK: Standard input

    /// Whether a pixel stream comes in on a pipe, or has been meant to: looked at when the command line is wrong.
    static var standardInputIsStream: Bool {
        guard Descriptor.standardInput.kind == S_IFIFO, isatty(1) == 0 else { return false }
        let source = try? ByteSource(.standardInput, pool: BufferPool(limits: Limits()))
        try? source?.prefetch(FileSignature.headBytes)
        return source.flatMap { FileSignature($0.waiting) } == .pixelStream
    }

    func standardInput(_ sandbox: Sandbox) throws(ImageError) -> ExitStatus {
        let outputs = try settings.output.map { (output) throws(ImageError) in [try OutputTemplate(output).place] } ?? []
        sandbox.enter(console, making: outputs, wholes: 1)
        pool.deadline.begin()
        let source = try ByteSource(.standardInput, pool: pool)
        do throws(ImageError) {
            try source.prefetch(FileSignature.headBytes)
        } catch {
            fail(error, Console.standardInput, number: 1)
            return status
        }
        if FileSignature(source.waiting) == .pixelStream {
            if settings.output != nil { throw .usage("--output is for files; a pixel stream goes on to standard output") }
            return try stream(source)
        }
        if settings.convertsToSRGB { throw StripSettings.srgbNeedsPixels }
        let subject = Console.standardInput
        do throws(ImageError) {
            let report = try strip(source, name: [], number: 1)
            try source.drain()
            say(report, subject)
        } catch {
            // A reader of standard output that is gone is the run's end.
            if case .writeFailed = error, settings.output == nil { throw error }
            fail(error, subject, number: 1)
        }
        return status
    }

    private func stream(_ source: ByteSource) throws(ImageError) -> ExitStatus {
        let writer = StreamWriter(.standardOutput)
        let filter = StreamFilter(console, source, limits: settings.limits, deadline: pool.deadline)
        try filter.run(writesOutput: true) { (rows, name, _) throws(ImageError) in
            let subject = name.isEmpty ? Console.standardInput : name
            let converted = settings.convertsToSRGB ? try SRGB.converted(rows, pool: pool) : (rows: rows, profileIsUsable: true)
            if !converted.profileIsUsable { console.say("warning: its ICC profile cannot be used; taken as sRGB", subject: subject) }
            let stripped = StrippedPicture(converted.rows, settings.choice, limits: settings.limits)
            try transfer(from: stripped, to: AuditedRecords(writer, settings.choice), pool: pool)
            say(stripped.report, subject)
        } failed: { (failure) throws(ImageError) in
            try writer.fail(failure)
        }
        try writer.done()
        return filter.status
    }

    // MARK: Files

    func files(_ names: InputNames, _ sandbox: Sandbox) throws(ImageError) -> ExitStatus {
        var jobs = settings.jobs
        if case .operands(let paths) = names {
            jobs = min(jobs, paths.count)
            if settings.output != nil && paths.count > 1 { state.withLock { $0.inputs = paths.compactMap { FileIdentity($0) } } }
        }
        let files = try InputFiles(names, sandbox, replacing: settings.isInPlace, synchronizes: settings.synchronizes, pool: pool)
        // Where another process opens them, it makes what replaces them too.
        var places: [Sandbox.Output] = settings.isInPlace && !files.hasOpener ? files.openPaths.map { .file($0) } : []
        if let output = settings.output {
            places.append(try OutputTemplate(output).place)
        }
        // A pipe that has a name is one of a few; what a list names is not known.
        let wholes = files.hasOpener || files.openPaths.contains { !(FileIdentity($0)?.isRegularFile ?? true) } ? jobs : 0
        sandbox.enter(
            console, reading: files, making: places, replacing: settings.isInPlace, threads: jobs - 1, spools: !settings.isInPlace, wholes: wholes)
        // Where no further one can be had, those that there are do the work.
        var threads: [Thread] = []
        while threads.count < jobs - 1, let thread = try? Thread({ self.work(files, names) }) { threads.append(thread) }
        work(files, names)
        for thread in threads { thread.join() }
        return status
    }

    private var status: ExitStatus { state.withLock { $0.firstFailure?.status ?? .done } }

    private func work(_ files: InputFiles, _ names: InputNames) {
        while true {
            // Names and numbers go together.
            let taken = order.withLock { _ -> (number: Int, file: Result<InputFile?, ImageError>) in
                let number = state.withLock { $0.started += 1; return $0.started }
                do throws(ImageError) { return (number, .success(try files.next())) } catch { return (number, .failure(error)) }
            }
            switch taken.file {
            case .success(nil): return
            case .failure(let error):
                fail(error, names.subject, number: taken.number)
                if case .usage = error { continue }
                return
            case .success(let file?):
                do throws(ImageError) {
                    say(try strip(file, files, number: taken.number), file.path.bytes)
                } catch {
                    // Standard output takes a single file, so the fault is not of one among others.
                    let isOfOutput = if case .writeFailed = error { settings.output == nil && !settings.isInPlace } else { false }
                    fail(error, isOfOutput ? Console.standardOutput : file.path.bytes, number: taken.number)
                }
            }
        }
    }

    private let order = Mutex(())

    private func strip(_ file: InputFile, _ files: InputFiles, number: Int) throws(ImageError) -> StripReport {
        if file.path.isStandardStream { throw .usage("- is no name of a file here") }
        // Several files are at hand at a time.
        let deadline = Deadline(limits: settings.limits)
        deadline.begin()
        let source = try ByteSource(file.open(), pool: pool, deadline: deadline)
        guard settings.isInPlace else { return try strip(source, name: file.path.bytes, number: number) }
        return try replace(source, file, files)
    }

    private func replace(_ source: ByteSource, _ file: InputFile, _ files: InputFiles) throws(ImageError) -> StripReport {
        guard let before = source.fileStatus, before.st_mode & S_IFMT == S_IFREG else { throw .unsupported("is no regular file, and cannot be replaced") }
        let version = FileVersion(before)
        // Given twice, and open before it was replaced.
        if state.withLock({ $0.replaced?.versions.contains(version) ?? false }) { return StripReport() }
        let replacement = try files.replacement(of: file, FileIdentity(before), synchronizes: settings.synchronizes, pool: pool)
        let report = try FileStripper(settings.choice, limits: settings.limits, pool: pool).strip(source, to: replacement, plantsFault: Self.plantsFault)
        // A file that holds nothing to remove stays the file it is.
        guard report.isChanged else { return report }
        replacement.takeOwner(of: before, andTimes: settings.keepsTimes)
        if before.st_nlink > 1 {
            console.say("warning: has \(before.st_nlink) names (hard links); the others keep the old file", subject: file.path.bytes)
        }
        do throws(ImageError) {
            try replacement.commit()
        } catch .refusedOutput(let fault, _) {
            if state.withLock({ $0.replaced?.versions.contains(version) ?? false }) { return StripReport() }
            throw .refusedOutput(fault)
        }
        if files.openCount != 1 { state.withLock { $0.note(version) } }
        return report
    }

    /// One file, to where it goes.
    private func strip(_ source: ByteSource, name: [UInt8], number: Int) throws(ImageError) -> StripReport {
        let stripper = FileStripper(settings.choice, limits: settings.limits, pool: pool)
        guard settings.output != nil else {
            return try stripper.strip(source, to: DirectSink(.standardOutput), plantsFault: Self.plantsFault)
        }
        let path = try output(name, number)
        do throws(ImageError) {
            let file = try AtomicFile(path, mayReplace: settings.mayReplace, synchronizes: settings.synchronizes, pool: pool)
            let report = try stripper.strip(source, to: file, plantsFault: Self.plantsFault)
            try file.commit()
            return report
        } catch {
            throw error.naming(path)
        }
    }

    private func output(_ name: [UInt8], _ number: Int) throws(ImageError) -> FilePath {
        let template = try OutputTemplate(settings.output!)
        if !template.isTemplate && number > 1 { throw .usage("more than one file for one output; give a template, as in -o 'out/%f'") }
        guard let path = template.path(name: name, number: number) else { throw .usage("%w and %h are not known of a file that is not decoded") }
        do throws(ImageError) {
            if template.makesDirectories { try path.directory.makeDirectories() }
        } catch {
            throw error.naming(path)
        }
        // A single output has nothing to collide with.
        guard template.isTemplate else { return path }
        if let place = OutputPlace(path), !state.withLock({ $0.take(place) }) {
            throw .refusedOutput("a file before it was written to \(Console.printable(path.bytes))")
        }
        if let there = FileIdentity(path), there != FileIdentity(FilePath(name)), state.withLock({ $0.inputs.contains(there) }) {
            throw .refusedOutput("\(Console.printable(path.bytes)) is another FILE of this run")
        }
        return path
    }

    // MARK: Messages

    private func say(_ report: StripReport, _ subject: [UInt8]) {
        for warning in report.warnings { console.say("warning: " + warning, subject: subject) }
        guard settings.isVerbose else { return }
        let parts = report.removed.map { "\($0.name) (\($0.byteCount) bytes)" }
        console.say(parts.isEmpty ? "nothing to remove" : "removed " + parts.joined(separator: ", "), subject: subject)
    }

    private func fail(_ error: ImageError, _ subject: [UInt8], number: Int) {
        console.report(error, subject: subject)
        state.withLock { state in
            if state.firstFailure.map({ number < $0.number }) ?? true { state.firstFailure = (number, error.status) }
        }
    }

    /// For the test of the walker, in debug builds.
    private static var plantsFault: Bool {
        #if DEBUG
            getenv("IMGSTRIP_PLANT_FAULT") != nil
        #else
            false
        #endif
    }
}
