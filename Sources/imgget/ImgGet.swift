import FilterSupport
import Glibc
import ImageCore
import Storage

@main
struct ImgGet: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgget", operands: "URL", files: .any, count: 1...1, summary: "Write a file of a store or a server to standard output.",
        discussion: """
            URL is s3://bucket/key, http:// or https://, file:// or a path. The settings of S3 are those of the environment: AWS_ACCESS_KEY_ID, \
            AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL. What breaks off is continued where that was; where it \
            cannot be, the status says so.
            """,
        options: [
            .value("range", "first-last", "Only these bytes, counted from 0; without last, to the end; -n: the last n."),
            .flag("list", short: "l", "Print the names that begin with URL, a line each."),
            .flag("null", short: "0", "End each of these names with NUL, for --files0-from and xargs -0."),
            .flag("stat", "Print size, time and etag instead of the bytes."),
            .flag("verbose", short: "v", "Say how many bytes were written."),
        ])
    static let writesStream = false
    static let endsQuietlyOnBrokenPipe = true

    private enum Task { case whole, range(ByteRange), list(endsWithNUL: Bool), stat }

    private let location: Location
    private let task: Task
    private let limits: Limits
    private let isVerbose: Bool

    init(_ given: GivenOptions) throws(ImageError) {
        let range = try given.value("range") { ByteRange($0) }
        guard [range != nil, given.flag("list"), given.flag("stat")].count(where: { $0 }) <= 1 else {
            throw .usage("--range, --list and --stat exclude each other")
        }
        if given.flag("null") && !given.flag("list") { throw .usage("--null is for --list") }
        task =
            if let range { .range(range) } else if given.flag("list") { .list(endsWithNUL: given.flag("null")) }
            else { given.flag("stat") ? .stat : .whole }
        (location, limits, isVerbose) = (try Location(RawArguments.bytes(given.operands[0])), try given.limits(), given.flag("verbose"))
    }

    var writesBinaryToStandardOutput: Bool {
        switch task {
        case .whole, .range: true
        case .list, .stat: false
        }
    }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let (storage, pool) = (try Storage(), BufferPool(limits: limits))
        do throws(ImageError) {
            pool.deadline.begin()
            let count: UInt64? = switch task {
            case .whole: try copy(storage, pool)
            case .range(let range): try copy(range, storage)
            case .list(let endsWithNUL): try list(storage, endsWithNUL: endsWithNUL)
            case .stat: try describe(storage)
            }
            if isVerbose, let count { console.say("\(count) bytes", subject: location.shown) }
            return .done
        } catch {
            if case .writeFailed = error { throw error }
            console.report(error, subject: location.shown)
            return error.status
        }
    }

    private func copy(_ storage: Storage, _ pool: BufferPool) throws(ImageError) -> UInt64 {
        let opened = try storage.open(location, pool: pool)
        let source = try ByteSource(opened.takeDescriptor(), pool: pool)
        while try source.refill() > 0 {
            try Descriptor.standardOutput.write(source.waiting)
            source.skip(source.waitingCount)
        }
        try opened.check()
        if let count = opened.file.byteCount, location.isRemote, count != source.positionBytes { throw .truncated(atByte: source.positionBytes) }
        return source.positionBytes
    }

    private static let windowBytes = 4 << 20

    private var noSuchFile: ImageError { location.isRemote ? .cannotReach("no such file") : .cannotOpen(errno: ENOENT) }

    private func copy(_ range: ByteRange, _ storage: Storage) throws(ImageError) -> UInt64 {
        let store = try storage.store(of: location)
        guard let file = try store.status(of: location) else { throw noSuchFile }
        guard let size = file.byteCount, let bytes = range.bytes(of: size) else { throw .usage("--range is not within the file") }
        var next = bytes.lowerBound
        while next < bytes.upperBound {
            let part = try store.read(location, at: next, count: Int(min(UInt64(Self.windowBytes), bytes.upperBound - next)), of: file)
            if part.isEmpty { throw .truncated(atByte: next) }
            try Descriptor.standardOutput.write(part.span.bytes)
            next += UInt64(part.count)
        }
        return next - bytes.lowerBound
    }

    private func list(_ storage: Storage, endsWithNUL: Bool) throws(ImageError) -> UInt64? {
        var text: [UInt8] = []
        // A name is data, but not what a terminal obeys.
        let isShown = !endsWithNUL && isatty(1) == 1
        try storage.store(of: location).list(location) { (file) throws(ImageError) in
            text += (isShown ? Array(Console.printable(file.location.bytes).utf8) : file.location.bytes) + [endsWithNUL ? 0 : UInt8(ascii: "\n")]
            if text.count >= 64 << 10 {
                let waiting = text
                text.removeAll(keepingCapacity: true)
                try Descriptor.standardOutput.write(waiting.span.bytes)
            }
            return true
        }
        try Descriptor.standardOutput.write(text.span.bytes)
        return nil
    }

    private func describe(_ storage: Storage) throws(ImageError) -> UInt64? {
        guard let file = try storage.status(of: location) else { throw noSuchFile }
        var text = "bytes \(file.byteCount.map { String($0) } ?? "unknown")\n"
        if let modified = file.modified { text += "modified \(modified.components.seconds)\n" }
        if let etag = file.etag { text += "etag \(etag)\n" }
        let line = Array(text.utf8)
        try Descriptor.standardOutput.write(line.span.bytes)
        return nil
    }
}

/// What --range says.
struct ByteRange: Equatable {
    /// Nil: so many from the end.
    private let first: UInt64?
    /// The last one's place, or their number; nil: to the end.
    private let last: UInt64?

    /// "0-99", "100-", "-50".
    init?(_ text: String) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }) else { return nil }
        (first, last) = (UInt64(parts[0]), UInt64(parts[1]))
        guard (first != nil) != parts[0].isEmpty, (last != nil) != parts[1].isEmpty else { return nil }
        switch (first, last) {
        case (nil, nil), (nil, 0?): return nil
        case (let first?, let last?) where last < first: return nil
        default: break
        }
    }

    /// Nil where it begins behind the end.
    func bytes(of size: UInt64) -> Range<UInt64>? {
        guard let first else { return size - min(size, last!)..<size }
        guard first < size else { return nil }
        return first..<min(size, last.map { $0 == .max ? $0 : $0 + 1 } ?? size)
    }
}
