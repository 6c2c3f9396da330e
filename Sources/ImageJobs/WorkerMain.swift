import CPlatformShims
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

/// The program of a worker process: pictures come in, one after the other, and go out, in the sandbox of the filters.
public enum WorkerMain {
    private static let socket: Int32 = 3
    static let argument = "--worker-on-descriptor-3"

    /// Whether this process is to be one: asked before the command line is looked at.
    public static var isAsked: Bool { CommandLine.argc == 2 && CommandLine.unsafeArgv[1].map { strcmp($0, argument) == 0 } ?? false }

    /// Until nobody sends pictures any more.
    public static func run(program: String) -> Never {
        // Where the other side has gone a packet cannot be sent, and that is the end.
        signal(SIGPIPE, SIG_IGN)
        // An encoder that is long at work never looks at its socket.
        imgpipe_exit_on_hangup(socket)
        let isSandboxed = getenv("IMG_NO_SANDBOX").map { $0.pointee == 0 } ?? true
        guard let limits = try? GivenOptions(CommandDeclaration(program, summary: "", discussion: "", options: []), []).limits() else { exit(70) }
        Sandbox(isWanted: isSandboxed).enter(Console(program: program), wholes: 1, receivesFiles: true)
        let pipeline = Pipeline(limits: limits)
        var recent = RecentRecipes(most: 4)
        while case (.request(let words, let format, let milliseconds), let number?)? = WorkerMessage.receive(from: socket) {
            let answer: WorkerMessage
            do throws(ImageError) {
                let recipe: Recipe
                if let known = try recent.recipe(words) {
                    recipe = known
                } else {
                    recipe = try Recipe(words: words, limits: limits)
                    recent.add(recipe, of: words)
                }
                let source = try ByteSource(Descriptor(handed: number), pool: pipeline.pool)
                let latest = milliseconds == 0 ? nil : Deadline.now + milliseconds * 1_000_000
                let (report, sink) = try pipeline.run(source, recipe, as: format, latest: latest) { width, height throws(ImageError) in
                    guard WorkerMessage.size(width: width, height: height).send(to: socket) else { exit(0) }
                    return MessageSink(socket)
                }
                try sink.commit()
                answer = .report(report)
            } catch {
                answer = .failure(error)
            }
            guard answer.send(to: socket) else { exit(0) }
        }
        exit(0)
    }
}

/// Bytes that go out in packets.
private final class MessageSink: ByteSink {
    private let socket: Int32
    private var waiting: [UInt8] = []

    init(_ socket: Int32) { self.socket = socket }

    func write(_ bytes: RawSpan) throws(ImageError) {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = rest.prefix(WorkerMessage.mostBytes - waiting.count)
                waiting += part
                rest = rest.dropFirst(part.count)
                if waiting.count == WorkerMessage.mostBytes { send() }
            }
        }
    }

    private func send() {
        guard WorkerMessage.bytes(waiting).send(to: socket) else { exit(0) }
        waiting.removeAll(keepingCapacity: true)
    }

    func commit() { if !waiting.isEmpty { send() } }
    func reset() throws(ImageError) { throw .internalError("bytes that are on their way cannot be taken back") }
}
