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

enum RunKind {
    /// Whether a pixel stream comes in on a pipe, or has been meant to: looked at when the command line is wrong.
    static var standardInputIsStream: Bool {
        guard Descriptor.standardInput.kind == S_IFIFO, isatty(1) == 0 else { return false }
        let source = try? ByteSource(.standardInput, pool: BufferPool(limits: Limits()))
        try? source?.prefetch(FileSignature.headBytes)
        return source.flatMap { FileSignature($0.waiting) } == .pixelStream
    }
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

        /// False for a place that is taken already.
        mutating func take(_ place: OutputPlace) -> Bool {
            let places = taken ?? TakenPlaces()
            taken = places
            return places.places.insert(place).inserted
        }
    }

    /// A class, so that a run without a template never makes the set's type, which takes a twentieth of a short run. Only in `State`.
    private final class TakenPlaces { var places: Set<OutputPlace> = [] }

    init(_ settings: StripSettings, _ console: Console) {
        (self.settings, self.console) = (settings, console)
        pool = BufferPool(limits: settings.limits)
        state = Mutex(State())
    }

    // MARK: Standard input

    func standardInput() throws(ImageError) -> ExitStatus {
        pool.deadline.begin()
        let source = try ByteSource(.standardInput, pool: pool)
        try source.prefetch(FileSignature.headBytes)
        if FileSignature(source.waiting) == .pixelStream {
            if settings.output != nil { throw .usage("--output is for files; a pixel stream goes on to standard output") }
            return try stream(source)
        }
        if settings.convertsToSRGB { throw StripSettings.srgbNeedsPixels }
        let subject = Array("standard input".utf8)
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
        try filter.run(writesStream: true) { (rows, name, _) throws(ImageError) in
            let subject = name.isEmpty ? Array("standard input".utf8) : name
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

    func files(_ paths: [FilePath]) -> ExitStatus {
        if settings.output != nil && paths.count > 1 { state.withLock { $0.inputs = paths.compactMap { FileIdentity($0) } } }
        let waiting = Mutex(paths[...])
        work { waiting.withLock { $0.popFirst() } }
        return status
    }

    func files(listedIn list: FilePath) throws(ImageError) -> ExitStatus {
        let names = Mutex(try NameListBox(list, pool: pool))
        let subject = list.isStandardStream ? Array("standard input".utf8) : list.bytes
        work { [self] in
            while true {
                do throws(ImageError) {
                    return try names.withLock { (names) throws(ImageError) in try names.list.next() }
                } catch .usage(let fault) {
                    fail(.usage(fault), subject, number: state.withLock { $0.started += 1; return $0.started })
                } catch {
                    fail(error, subject, number: .max)
                    return nil
                }
            }
        }
        return status
    }

    /// Unchecked, because NameList is no Sendable: the only reference to it is in a Mutex, and one thread at a time reads a name.
    private final class NameListBox: @unchecked Sendable {
        let list: NameList
        init(_ list: FilePath, pool: BufferPool) throws(ImageError) { self.list = try NameList(list, pool: pool) }
    }

    private var status: ExitStatus { state.withLock { $0.firstFailure?.status ?? .done } }

    /// Strips what `next` gives, in this thread and in others.
    private func work(_ next: @escaping @Sendable () -> FilePath?) {
        // Where no further one can be had, those that there are do the work.
        var threads: [Thread] = []
        while threads.count < settings.jobs - 1, let thread = try? Thread({ self.loop(next) }) { threads.append(thread) }
        loop(next)
        for thread in threads { thread.join() }
    }

    private func loop(_ next: () -> FilePath?) {
        while true {
            // Names and numbers go together.
            let taken = order.withLock { _ -> (FilePath, Int)? in
                guard let path = next() else { return nil }
                return (path, state.withLock { $0.started += 1; return $0.started })
            }
            guard let (path, number) = taken else { return }
            do throws(ImageError) {
                say(try strip(path, number: number), path.bytes)
            } catch {
                fail(error, path.bytes, number: number)
            }
        }
    }

    private let order = Mutex(())

    private func strip(_ path: FilePath, number: Int) throws(ImageError) -> StripReport {
        if path.isStandardStream { throw .usage("- is no name of a file here") }
        // Several files are at hand at a time.
        let deadline = Deadline(limits: settings.limits)
        deadline.begin()
        let source = try ByteSource(.open(reading: path), pool: pool, deadline: deadline)
        return try strip(source, name: path.bytes, number: number)
    }

    /// One file, to where it goes.
    private func strip(_ source: ByteSource, name: [UInt8], number: Int) throws(ImageError) -> StripReport {
        let stripper = FileStripper(settings.choice, limits: settings.limits, pool: pool)
        guard settings.isInPlace || settings.output != nil else {
            return try stripper.strip(source, to: DirectSink(.standardOutput), plantsFault: Self.plantsFault)
        }
        let target = settings.isInPlace ? FilePath(name) : try output(name, number)
        let file = try AtomicFile(target, mayReplace: settings.mayReplace, synchronizes: settings.synchronizes, pool: pool)
        let before = settings.isInPlace ? source.fileStatus : nil
        if let before, before.st_mode & S_IFMT != S_IFREG { throw .unsupported("is no regular file, and cannot be replaced") }
        let report = try stripper.strip(source, to: file, plantsFault: Self.plantsFault)
        // A file that holds nothing to remove stays the file it is.
        if settings.isInPlace && !report.isChanged { return report }
        if let before {
            file.takeOwner(of: before, andTimes: settings.keepsTimes)
            if before.st_nlink > 1 {
                console.say("warning: has \(before.st_nlink) names (hard links); the others keep the old file", subject: name)
            }
        }
        try file.commit()
        return report
    }

    private func output(_ name: [UInt8], _ number: Int) throws(ImageError) -> FilePath {
        let template = try OutputTemplate(settings.output!)
        if !template.isTemplate && number > 1 { throw .usage("more than one file for one output; give a template, as in -o 'out/%f'") }
        guard let path = template.path(name: name, number: number) else { throw .usage("%w and %h are not known of a file that is not decoded") }
        if template.makesDirectories { try path.directory.makeDirectories() }
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
