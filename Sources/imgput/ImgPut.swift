import FilterSupport
import Glibc
import ImageCore
import Storage

@main
struct ImgPut: FilterCommand {
    static let declaration = CommandDeclaration(
        "imgput", operands: "URL", files: .any, count: 1...1, summary: "Write standard input to a file of a store, whole or not at all.",
        discussion: """
            URL is s3://bucket/key, file:// or a path. The settings of S3 are those of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, \
            AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL. Where nothing comes nothing is written: the filter before has failed.
            """,
        options: [
            .flag("no-clobber", short: "n", "Replace nothing that is there."),
            .flag("verbose", short: "v", "Say how many bytes were written."),
        ])
    static let writesStream = false
    static let endsQuietlyOnBrokenPipe = true

    private let location: Location
    private let mayReplace: Bool
    private let limits: Limits
    private let isVerbose: Bool

    init(_ given: GivenOptions) throws(ImageError) {
        location = try Location(RawArguments.bytes(given.operands[0]))
        (mayReplace, limits, isVerbose) = (!given.flag("no-clobber"), try given.limits(), given.flag("verbose"))
    }

    var writesBinaryToStandardOutput: Bool { false }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        let pool = BufferPool(limits: limits)
        pool.deadline.begin()
        let source = try ByteSource(.standardInput, pool: pool)
        do throws(ImageError) {
            // Before the first byte: who sends for minutes hears at once that it cannot be.
            let sink = try Storage().sink(for: location, mayReplace: mayReplace, synchronizes: true, pool: pool)
            while try source.refill() > 0 {
                try sink.write(source.waiting)
                source.skip(source.waitingCount)
            }
            guard source.positionBytes > 0 else { throw .damaged("nothing came; not written") }
            try sink.commit()
            if isVerbose { console.say("\(source.positionBytes) bytes", subject: location.shown) }
            return .done
        } catch {
            let isOfInput = if case .readFailed = error { true } else { false }
            console.report(error, subject: isOfInput ? Console.standardInput : location.shown)
            return error.status
        }
    }
}
