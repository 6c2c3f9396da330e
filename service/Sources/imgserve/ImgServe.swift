import FilterSupport
import Glibc
import ImageCodecs
import ImageCore
import ImageJobs
import ImageService

@main
struct ImgServe: FilterCommand {
    static let declaration = ServiceSettings.declaration
    static let writesStream = false
    static var libraries: [String] { CodecLibraries.versions }
    static let endsQuietlyOnBrokenPipe = true
    let writesBinaryToStandardOutput = false

    private let settings: ServiceSettings

    /// A process that works for another one has no command line.
    static func main() {
        if WorkerMain.isAsked {
            // Who answers goes first: health is asked for while all processors work.
            _ = nice(5)
            WorkerMain.run(program: declaration.name)
        }
        run()
    }

    init(_ given: GivenOptions) throws(ImageError) { settings = try ServiceSettings(given) }

    func filter(_ console: Console) throws(ImageError) -> ExitStatus {
        try Service(settings).run(console)
        return .done
    }
}
