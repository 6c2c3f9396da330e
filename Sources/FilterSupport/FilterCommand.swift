import Glibc
import ImageCore

/// A filter's command line and what it does.
///
/// A wrong option is one line and status 64; where the filter's output is a pixel stream and not a terminal, the stream says so
/// too, so that the last filter of the pipeline ends with the same status and no second message.
public protocol FilterCommand {
    static var declaration: CommandDeclaration { get }

    /// Whether standard output carries a pixel stream.
    static var writesStream: Bool { get }

    /// Whether a reader of standard output that has gone is no failure, as for who talks to servers: SIGPIPE would end it in the middle of a word.
    static var endsQuietlyOnBrokenPipe: Bool { get }

    /// What its output depends on besides its own version: a library's name and version each.
    static var libraries: [String] { get }

    /// Throws `usage` for what the options do not allow.
    init(_ given: GivenOptions) throws(ImageError)

    /// Whether this command line puts pixels or a file on standard output; not so where the output has a name.
    var writesBinaryToStandardOutput: Bool { get }

    /// Does the work; gives the status of the first failure in stream order, and throws for a failure of the run as a whole.
    func filter(_ console: Console) throws(ImageError) -> ExitStatus
}

extension FilterCommand {
    public static func main() { run() }

    /// The whole program.
    public static func run() -> Never {
        // A parent may have it ignored; a filter whose reader has gone ends quietly.
        signal(SIGPIPE, endsQuietlyOnBrokenPipe ? SIG_IGN : SIG_DFL)
        // A file that may not grow is a write that fails, and is said.
        signal(SIGXFSZ, SIG_IGN)
        Descriptor.reserveStandardStreams()
        let console = Console(program: declaration.name)
        var status: ExitStatus
        do throws(ImageError) {
            status = try work(console)
        } catch {
            status = endsQuietlyOnBrokenPipe && error == .writeFailed(errno: EPIPE) ? .done : end(error, console)
        }
        // The last chance to hear that the bytes did not arrive.
        if status == .done, close(1) != 0, errno != EBADF {
            status = end(.writeFailed(errno: errno), console)
        }
        Glibc.exit(Int32(status.rawValue))
    }

    private static func work(_ console: Console) throws(ImageError) -> ExitStatus {
        let given = try GivenOptions(declaration, RawArguments.all)
        switch given.question {
        case .help: return try answer(declaration.help)
        case .version: return try answer((["\(declaration.name) \(Version.text)"] + libraries).joined(separator: "\n") + "\n")
        case .completions: return try answer(declaration.completions(for: try given.choice("completions", Shell.self)!))
        case nil: break
        }
        try VectorOps.check()
        let command = try Self(given)
        try given.checkOperandCount()
        if isatty(1) == 1 && command.writesBinaryToStandardOutput {
            throw .usage("not writing binary data to a terminal; redirect or pipe standard output")
        }
        return try command.filter(console)
    }

    private static func answer(_ text: String) throws(ImageError) -> ExitStatus {
        try Descriptor.standardOutput.write(Array(text.utf8).span.bytes)
        return .done
    }

    public static var endsQuietlyOnBrokenPipe: Bool { false }

    public static var libraries: [String] { [] }

    public var writesBinaryToStandardOutput: Bool { true }

    private static func end(_ error: ImageError, _ console: Console) -> ExitStatus {
        console.report(error, subject: isWriteFailure(error) ? Console.standardOutput : [])
        if writesStream, isatty(1) == 0, !isWriteFailure(error) {
            let writer = StreamWriter(.standardOutput)
            try? writer.fail(StreamFailure(error, name: []))
            try? writer.done()
        }
        return error.status
    }

    /// Then standard output is not to be had, and the stream may have begun.
    private static func isWriteFailure(_ error: ImageError) -> Bool {
        if case .writeFailed = error { true } else { false }
    }
}
