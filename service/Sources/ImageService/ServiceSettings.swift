import CPlatformShims
import FilterSupport
import ImageCore
import ImageJobs
import Logging
import ServiceRequests

/// What the service is told on its command line.
public struct ServiceSettings: Sendable {
    public static let declaration = CommandDeclaration(
        "imgserve", summary: "Compress pictures over HTTP.",
        discussion: """
            POST /compress takes a picture and answers with a smaller one; options of the filters are names of the query, as in \
            /compress?resize=800&quality=85&format=webp. GET /image/KEY takes it from --storage.
            """,
        options: [
            .value("listen", "address", default: "127.0.0.1:8080", "Where requests come in; :8080 is this machine alone, 0.0.0.0:8080 is everywhere."),
            .number("workers", short: "j", in: 1...256, "Pictures worked on at once, each in a process; the processors there are when it is not said."),
            .number("queue", in: 1...100_000, "Pictures that may wait, 16 for each worker when it is not said; more are answered with 503."),
            .value("max-body", "bytes", default: "8M", "Refuse bodies of more bytes: 413."),
            .value("read-timeout", "time", default: "3s", "A request is to have come whole in this time: 408."),
            .value("write-timeout", "time", default: "5s", "An answer is to be taken in this time."),
            .value("grace", "time", default: "10s", "How long requests may still take after SIGTERM."),
            .directory("storage", "place", "Where GET /image/KEY finds pictures: a directory, or s3://bucket/prefix."),
            .number("cache-mb", in: 0...1 << 20, default: 64, "MiB of answers kept for GET /image/KEY."),
            .number("max-age", in: 0...31_536_000, default: 3600, "Seconds that others may keep them."),
            .file("sign-key-file", "file", "Answer only URLs signed with the key in this file."),
            .flag("access-log", "Log each request on standard error."),
            .flag("verbose", short: "v", "Log more."),
        ])

    let address: SocketAddress
    let port: Int
    let slots: Int
    let queue: Int
    let mostBodyBytes: Int
    let readNanoseconds: UInt64
    let writeNanoseconds: UInt64
    let graceNanoseconds: UInt64
    let storage: String?
    let cacheBytes: Int
    let maxAge: Int
    let signature: URLSignature?
    let logsAccess: Bool
    let level: Logger.Level
    let limits: Limits
    let isSandboxed: Bool

    /// A picture that takes longer is nobody's to wait for.
    private static let seconds = 10.0

    /// Throws `usage`, `cannotOpen` for the key's file.
    public init(_ given: GivenOptions) throws(ImageError) {
        address = try SocketAddress(given.text("listen")!, of: "listen", example: "127.0.0.1:8080")
        port = Int(address.port)!
        slots = try given.number("workers") ?? max(1, Int(imgpipe_processors()))
        queue = try given.number("queue") ?? 16 * slots
        mostBodyBytes = Int(clamping: try given.byteCount("max-body")!)
        readNanoseconds = try given.nanoseconds("read-timeout")!
        writeNanoseconds = try given.nanoseconds("write-timeout")!
        graceNanoseconds = try given.nanoseconds("grace")!
        storage = given.text("storage")
        cacheBytes = try given.number("cache-mb")! << 20
        maxAge = try given.number("max-age")!
        signature = try given.text("sign-key-file").map { (name) throws(ImageError) in try Self.signature(FilePath(argument: name)) }
        logsAccess = given.flag("access-log")
        level = given.flag("verbose") ? .debug : .info
        var limits = try given.limits()
        limits.timeoutSeconds = limits.timeoutSeconds ?? Self.seconds
        self.limits = limits
        isSandboxed = Sandbox(given).isWanted
        guard mostBodyBytes > 0 else { throw .usage("--max-body 0 takes no picture") }
    }

    private static func signature(_ path: FilePath) throws(ImageError) -> URLSignature {
        var key: [UInt8] = []
        do throws(ImageError) {
            let source = try ByteSource(Descriptor.open(reading: path), pool: BufferPool(limits: Limits()))
            while try source.refill() > 0, key.count < 4096 {
                source.waiting.withUnsafeBytes { key += $0 }
                source.skip(source.waitingCount)
            }
        } catch {
            throw .cannotReach("--sign-key-file \(Console.printable(path.bytes)): \(error)")
        }
        let signature = URLSignature(key: key)
        guard signature.isUsable else { throw .usage("--sign-key-file \(Console.printable(path.bytes)) has a key of less than 16 bytes") }
        return signature
    }
}
