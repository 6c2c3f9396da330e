import FilterSupport
import Glibc
import ImageCodecs
import ImageColor
import ImageCore

/// The two pictures of a run.
final class QualityInputs {
    private let console: Console
    private let limits: Limits
    private let pool: BufferPool
    /// What a failure is about.
    fileprivate(set) var subject: [UInt8] = []

    init(_ console: Console, limits: Limits, pool: BufferPool) { (self.console, self.limits, self.pool) = (console, limits, pool) }

    /// One of them: its rows, and what is to be seen when these are read.
    struct Input {
        var rows: any RowSource
        let end: () throws(ImageError) -> Void
    }

    /// `map`: an output, which may be neither of them. `whenOpen` is called before a byte is read, by so many threads besides this.
    func open(_ reference: FilePath, _ test: FilePath, map: FilePath?, whenOpen: (_ threads: Int) -> Void) throws(ImageError) -> (Input, Input) {
        let identities = [reference, test].map { $0.isStandardStream ? FileIdentity(descriptor: 0) : FileIdentity($0) }
        if let map, !map.isStandardStream, let there = FileIdentity(map), identities.contains(there) {
            throw .usage("--map would replace \(Console.printable(map.bytes)), which is compared")
        }
        // One that is a pipe must be read on while the other is waited for.
        let areBothPipes = identities.allSatisfy { $0?.isPipe ?? false }
        if areBothPipes && identities[0] == identities[1] { throw .usage("REFERENCE and TEST are the same pipe") }
        // Both are open before the first byte is waited for.
        subject = Self.subject(reference)
        let referenceBytes = try source(reference, readsAhead: areBothPipes)
        subject = Self.subject(test)
        let testBytes = try source(test, readsAhead: areBothPipes)
        let pumps = [referenceBytes, testBytes].compactMap(\.readAhead)
        whenOpen(pumps.count)
        for pump in pumps { _ = try Thread { pump.pump() } }
        var first = try open(reference, referenceBytes)
        var second = try open(test, testBytes)
        if first.rows.metadata[.icc] != second.rows.metadata[.icc] {
            first.rows = try inSRGB(first.rows, reference)
            second.rows = try inSRGB(second.rows, test)
        }
        // What cannot be compared is the one that is no like of its reference.
        subject = Self.subject(test)
        return (first, second)
    }

    private func inSRGB(_ rows: any RowSource, _ path: FilePath) throws(ImageError) -> any RowSource {
        let converted = try SRGB.converted(rows, pool: pool)
        if !converted.profileIsUsable { console.say("warning: its ICC profile cannot be used; taken as sRGB", subject: Self.subject(path)) }
        return converted.rows
    }

    fileprivate static func subject(_ path: FilePath) -> [UInt8] { path.isStandardStream ? Console.standardInput : path.bytes }

    private func open(_ path: FilePath, _ input: (bytes: ByteSource, readAhead: ReadAhead?)) throws(ImageError) -> Input {
        let watch = Watch(path, input.readAhead, self)
        do throws(ImageError) {
            let (rows, end) = try rows(of: input.bytes, isStandardInput: path.isStandardStream)
            return Input(rows: WatchedRows(rows, watch)) { () throws(ImageError) in
                do throws(ImageError) { try end() } catch { throw watch.seen(error) }
            }
        } catch {
            throw watch.seen(error)
        }
    }

    private func rows(of source: ByteSource, isStandardInput: Bool) throws(ImageError) -> (any RowSource, end: () throws(ImageError) -> Void) {
        try source.prefetch(FileSignature.headBytes)
        guard FileSignature(source.waiting) == .pixelStream else {
            var options = DecodeOptions()
            options.limits = limits
            return (try Decoder(pool: pool, options: options).open(source), { () throws(ImageError) in if isStandardInput { try source.drain() } })
        }
        let reader = StreamReader(source, limits: limits)
        switch try reader.next() {
        case .picture: break
        case .failure(let failure): throw .upstream(failure)
        case nil: throw .damaged("no picture came")
        }
        return (
            reader,
            { () throws(ImageError) in
                switch try reader.next() {
                case .picture: throw .unsupported("more than one picture in a stream")
                case .failure(let failure): throw .upstream(failure)
                case nil: break
                }
            }
        )
    }

    private func source(_ path: FilePath, readsAhead: Bool) throws(ImageError) -> (bytes: ByteSource, readAhead: ReadAhead?) {
        let file = InputFile(opening: path)
        guard readsAhead else { return (try ByteSource(file.open(), pool: pool), nil) }
        let (readAhead, output) = try ReadAhead.begin(file.open())
        return (try ByteSource(Descriptor(number: output), pool: pool), readAhead)
    }
}

/// Tells whose a failure is, and what is behind its end of input.
private final class Watch {
    private let path: FilePath
    private let readAhead: ReadAhead?
    private unowned let inputs: QualityInputs

    init(_ path: FilePath, _ readAhead: ReadAhead?, _ inputs: QualityInputs) { (self.path, self.readAhead, self.inputs) = (path, readAhead, inputs) }

    func seen(_ error: ImageError) -> ImageError {
        inputs.subject = QualityInputs.subject(path)
        return readAhead?.failure ?? error
    }
}

/// Rows whose failures are known to be theirs.
private final class WatchedRows: RowSource {
    private let rows: any RowSource
    private let watch: Watch

    init(_ rows: any RowSource, _ watch: Watch) { (self.rows, self.watch) = (rows, watch) }

    var info: ImageInfo { rows.info }
    var metadata: [MetadataRecord] { rows.metadata }
    var trailingMetadata: [MetadataRecord] { rows.trailingMetadata }

    func nextFrame() throws(ImageError) -> Frame? {
        do throws(ImageError) { return try rows.nextFrame() } catch { throw watch.seen(error) }
    }

    func read(into bands: inout MutableRawSpan) throws(ImageError) -> Int {
        do throws(ImageError) { return try rows.read(into: &bands) } catch { throw watch.seen(error) }
    }
}
