import ImageCore

/// What every filter that reads a pixel stream does: picture by picture, failures passed on, the first one's status kept.
public final class StreamFilter {
    private let console: Console
    private let reader: StreamReader
    private let deadline: Deadline
    private var firstFailure: ExitStatus?
    /// Pictures so far, failed ones among them.
    private var count = 0

    public convenience init(_ console: Console, limits: Limits, pool: BufferPool) throws(ImageError) {
        self.init(console, try ByteSource(.standardInput, pool: pool), limits: limits, deadline: pool.deadline)
    }

    /// `source`: standard input, of which nothing was taken yet.
    public init(_ console: Console, _ source: ByteSource, limits: Limits, deadline: Deadline) {
        (self.console, self.deadline) = (console, deadline)
        reader = StreamReader(source, limits: limits)
    }

    /// The status so far.
    public var status: ExitStatus { firstFailure ?? .done }

    /// A failure of the run beside its pictures: it counts where none was before it.
    public func note(_ status: ExitStatus) {
        if firstFailure == nil { firstFailure = status }
    }

    /// Calls `picture` for each picture of standard input, and `failed` for each that failed, here or before, when that was
    /// reported and noted. `failed` is told too of a stream that breaks, which ends the run.
    ///
    /// `number` counts from 1 in the order of the stream, failed pictures too. `picture` may leave rows unread. Its errors concern
    /// that picture; what `failed` throws ends the run, and so does a failure to write where `writesOutput` says that standard
    /// output is what is written.
    public func run(
        writesOutput: Bool,
        picture: (_ source: any RowSource, _ name: [UInt8], _ number: Int) throws(ImageError) -> Void,
        failed: (StreamFailure) throws(ImageError) -> Void
    ) throws(ImageError) {
        while true {
            count += 1
            // The next picture's time begins when it comes.
            deadline.clear()
            do throws(ImageError) {
                switch try reader.next() {
                case nil: return
                case .failure(let failure): throw .upstream(failure)
                case .picture:
                    deadline.begin()
                    try picture(reader, name, count)
                }
            } catch {
                deadline.clear()
                if case .writeFailed = error, writesOutput { throw error }
                let isNamed = !reader.isBroken && !name.isEmpty
                console.report(error, subject: isNamed ? name : Console.standardInput)
                note(error.status)
                try failed(StreamFailure(error, name: name))
                if reader.isBroken { return }
            }
        }
    }

    /// Of the picture that the reader stands at.
    private var name: [UInt8] { reader.metadata[.name] ?? [] }
}
