import ArgumentParser
import Glibc
import ImageCore

/// A filter's command: its options are read by swift-argument-parser, its ending is ours.
///
/// A wrong option is one line and status 64; where the filter's output is a pixel stream and not a terminal, the stream says so
/// too, so that the last filter of the pipeline ends with the same status and no second message.
public protocol FilterCommand: ParsableCommand {
    /// Whether standard output carries a pixel stream.
    static var writesStream: Bool { get }

    /// Whether this command line puts pixels or a file on standard output; not so where the output has a name.
    var writesBinaryToStandardOutput: Bool { get }

    /// Does the work; gives the status of the first failure in stream order, and throws for a failure of the run as a whole.
    func filter(_ console: Console) throws(ImageError) -> ExitStatus
}

extension FilterCommand {
    public static func main() {
        // A parent may have it ignored; a filter whose reader has gone ends quietly.
        signal(SIGPIPE, SIG_DFL)
        // A file that may not grow is a write that fails, and is said.
        signal(SIGXFSZ, SIG_IGN)
        Descriptor.reserveStandardStreams()
        let console = Console(program: configuration.commandName ?? "imgpipe")
        var status: ExitStatus
        do {
            let command = try parse(RawArguments.all)
            if isatty(1) == 1 && command.writesBinaryToStandardOutput {
                throw ImageError.usage("not writing binary data to a terminal; redirect or pipe standard output")
            }
            status = try command.filter(console)
        } catch let error as ImageError {
            status = end(error, console)
        } catch {
            // --help and --version come as errors too.
            if exitCode(for: error).isSuccess { exit(withError: error) }
            status = end(.usage("\(usageFault(error)); see \(console.program) --help"), console)
        }
        // The last chance to hear that the bytes did not arrive.
        if status == .done, close(1) != 0, errno != EBADF {
            status = end(.writeFailed(errno: errno), console)
        }
        Glibc.exit(Int32(status.rawValue))
    }

    public var writesBinaryToStandardOutput: Bool { true }

    /// The parser's message as one line of our kind. It lists the values of an option on lines of their own.
    private static func usageFault(_ error: any Error) -> String {
        let lines = message(for: error).split(separator: "\n").map { $0.drop { $0 == " " || $0 == "-" } }
        let text = lines.first ?? "wrong options"
        let sentences = text.prefix(1).lowercased() + text.dropFirst().reversed().drop { $0 == "." }.reversed()
        guard lines.count > 1 else { return sentences }
        return sentences.replacing(". Please provide one of the following:", with: "; it is one of ") + lines.dropFirst().joined(separator: ", ")
    }

    private static func end(_ error: ImageError, _ console: Console) -> ExitStatus {
        console.report(error, subject: isWriteFailure(error) ? Array("standard output".utf8) : [])
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

/// The limits, as options that every filter has; an environment variable each where the option is not given.
public struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Refuse pictures of more pixels.", valueName: "n")) var maxPixels: Count?
    @Option(help: ArgumentHelp("Refuse more pixels over all frames of a picture.", valueName: "n")) var maxTotalPixels: Count?
    @Option(help: ArgumentHelp("Refuse pictures of more frames.", valueName: "n")) var maxFrames: Count?
    @Option(help: ArgumentHelp("Refuse pictures with more bytes of metadata.", valueName: "bytes")) var maxMetadata: Count?
    @Option(help: ArgumentHelp("Refuse JPEGs of more scans.", valueName: "n")) var maxScans: Count?
    @Option(help: ArgumentHelp("Refuse what takes more memory.", valueName: "bytes")) var maxMemory: Count?

    public init() {}

    /// The limits in force. Throws `usage` for a variable that is no number.
    public func limits() throws(ImageError) -> Limits {
        var limits = Limits()
        let given: [Limit: Count?] = [
            .pixels: maxPixels, .totalPixels: maxTotalPixels, .frames: maxFrames, .metadata: maxMetadata, .scans: maxScans,
            .memory: maxMemory,
        ]
        for limit in Limit.allCases {
            if let count = given[limit] ?? nil {
                limits[limit] = count.value
            } else if let text = getenv(limit.variable).map({ String(cString: $0) }) {
                guard let count = Count(argument: text) else {
                    throw .usage("\(limit.variable): \(Console.printable(Array(text.utf8))) is no number")
                }
                limits[limit] = count.value
            }
        }
        return limits
    }
}

/// A number, with K, M or G for 1024, its square and its cube.
public struct Count: ExpressibleByArgument, Sendable {
    public let value: UInt64

    public init?(argument: String) {
        let factors: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30]
        let factor = argument.last.flatMap { factors[Character($0.uppercased())] }
        let digits = factor == nil ? argument[...] : argument.dropLast()
        guard let number = UInt64(digits) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor ?? 1)
        if overflow { return nil }
        value = product
    }
}
