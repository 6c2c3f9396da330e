import FilterSupport
import ImageCore
import Storage

/// What became of a job.
public struct JobResult: Sendable {
    public enum Status: String, Sendable, CaseIterable { case done, failed, expired, skipped }

    public let job: Job.Identifier?
    /// The job's place in the input, from 1.
    public let number: Int
    public let priority: Int
    /// Without what a URL has of passwords and signatures.
    public var input: FilePath?
    public var output: FilePath?
    public var status: Status
    /// Why it was skipped.
    public var reason: String?
    public var error: ImageError?
    public var report = Pipeline.Report()
    /// Nanoseconds: of opening the input, of making the output take its name, of all from its start.
    public var readNanoseconds: UInt64 = 0
    public var writeNanoseconds: UInt64 = 0
    public var nanoseconds: UInt64 = 0
    /// Of the compressed input, where that is a file.
    public var inputBytes: UInt64 = 0
    /// It is not the answer yet: the job will be done once more.
    public var isRetried = false

    public init(_ job: Job, _ status: Status) {
        (self.job, number, priority, self.status) = (job.id, job.number, job.priority, status)
        (input, output) = (Self.shown(job.input), job.output.map(Self.shown))
    }

    /// Of a picture that was asked for without a job, as by a service.
    public init(_ status: Status, priority: Int) { (job, number, self.priority, input, output, self.status) = (nil, 0, priority, nil, nil, status) }

    /// Of a line that is no job.
    public init(fault: ImageError, id: Job.Identifier?, number: Int, input: FilePath?, output: FilePath? = nil) {
        (job, self.number, priority, self.input, self.output, status, error) = (id, number, Job.lastPriority, input.map(Self.shown), output.map(Self.shown), .failed, fault)
    }

    /// A name without secrets; of a scheme that is none of ours, nothing behind "://".
    private static func shown(_ path: FilePath) -> FilePath {
        if let location = try? Location(path.bytes), location.isRemote { return FilePath(location.shown) }
        let text = String(decoding: path.bytes, as: UTF8.self)
        return text.firstRange(of: "://").map { FilePath(String(text[..<$0.upperBound]) + "***") } ?? path
    }

    /// A line of JSON, with its end. Bytes of names that are no UTF-8 are replaced (U+FFFD).
    public var line: [UInt8] {
        var members: [(String, JSONValue)] = []
        members.append(("id", job.map { $0.json } ?? .null))
        members.append(("status", .text(status.rawValue)))
        if let input { members.append(("in", .text(String(decoding: input.bytes, as: UTF8.self)))) }
        if let output { members.append(("out", .text(String(decoding: output.bytes, as: UTF8.self)))) }
        if status == .done {
            members.append(("bytes", .integer(UInt64(report.byteCount))))
            members.append(("width", .integer(UInt64(report.width))))
            members.append(("height", .integer(UInt64(report.height))))
        }
        if let found = report.found { members.append(("found", .text(found))) }
        if status == .done || status == .failed { members.append(("ms", .number(Double(nanoseconds / 1000) / 1000))) }
        if let reason { members.append(("reason", .text(reason))) }
        if !report.warnings.isEmpty { members.append(("warnings", .list(report.warnings.map { .text($0) }))) }
        if let error, status == .failed {
            members.append(("error", .text(error.description)))
            members.append(("exit", .integer(UInt64(error.status.rawValue))))
        }
        var bytes: [UInt8] = []
        JSONValue.object(members).write(to: &bytes)
        return bytes + [0x0a]
    }
}
