import Glibc

/// What a filter says by its exit status: the numbers of sysexits.h that imgpipe(7) names, and whatever an earlier filter has said.
public struct ExitStatus: RawRepresentable, Equatable, Sendable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// All was done.
    public static let done = ExitStatus(rawValue: 0)
    /// A quality floor is not met, or a target cannot be reached.
    public static let answerIsNo = ExitStatus(rawValue: 1)
    /// The command line asks for what cannot be.
    public static let usage = ExitStatus(rawValue: 64)
    /// The data is damaged, unsupported, over a limit or out of time.
    public static let data = ExitStatus(rawValue: 65)
    /// An input is not there, or may not be read.
    public static let cannotOpenInput = ExitStatus(rawValue: 66)
    /// A bug of ours.
    public static let internalError = ExitStatus(rawValue: 70)
    /// An output's name is taken, or cannot be made.
    public static let cannotCreateOutput = ExitStatus(rawValue: 73)
    /// Bytes did not come, or did not go out.
    public static let readOrWriteFailed = ExitStatus(rawValue: 74)
}

/// Why a picture, or a whole run, could not be done: the case tells who is to blame, its values say how much.
public enum ImageError: Error, Equatable, Sendable {
    /// The input ended before its format says it is complete. `atByte` is how many bytes there were.
    case truncated(atByte: UInt64)
    /// The input breaks its format's rules. `atByte`: about where the reader stood, when that helps to find it.
    case damaged(String, atByte: UInt64? = nil)
    /// A legal input that this program does not take.
    case unsupported(String)
    /// `value` of `limit` was asked for, `maximum` is allowed.
    case overLimit(Limit, value: UInt64, maximum: UInt64)
    /// The command line asks for what cannot be.
    case usage(String)
    /// An input that open(2) refuses.
    case cannotOpen(errno: Int32)
    /// An input of a store or a server that is refused, is not there, or has no way to it; and why.
    case cannotReach(String, mayPass: Bool = false)
    /// An output that open(2), or what gives it its name, refuses.
    case cannotCreate(errno: Int32)
    /// read(2) has failed.
    case readFailed(errno: Int32)
    /// write(2), or what comes after it (fsync, close), has failed: a full disk among others.
    case writeFailed(errno: Int32)
    /// Bytes from or to a store or a server that broke off; and how.
    case transferFailed(String)
    /// A temporary file could not be made or filled.
    case temporaryFile(errno: Int32)
    /// The system, or a codec library, has no memory for it, though the limits allow that.
    case outOfMemory
    /// The system gives no further thread.
    case noThread(errno: Int32)
    /// A picture took longer than it may.
    case outOfTime(seconds: Double)
    /// The output may not take this name: it is taken, or leaves its directory; or a server has refused it.
    case refusedOutput(String, mayPass: Bool = false)
    /// A quality floor or a size that no encoding reaches.
    case notReached(String)
    /// The filter before this one, or a process that worked for this one, has failed this picture.
    case upstream(StreamFailure, mayPass: Bool = false)
    /// A bug of ours.
    case internalError(String)

    /// What a filter that fails so ends with.
    public var status: ExitStatus {
        switch self {
        case .truncated, .damaged, .unsupported, .overLimit, .outOfMemory, .noThread, .outOfTime: .data
        case .usage: .usage
        case .notReached: .answerIsNo
        case .cannotOpen, .cannotReach: .cannotOpenInput
        case .cannotCreate, .refusedOutput: .cannotCreateOutput
        case .readFailed, .writeFailed, .transferFailed, .temporaryFile: .readOrWriteFailed
        case .upstream(let failure, _): ExitStatus(rawValue: failure.status)
        case .internalError: .internalError
        }
    }
}

extension ImageError {
    /// Whether the same may well succeed a while later: what the system or a server has refused, not what a picture is.
    package var mayPass: Bool {
        switch self {
        case .readFailed, .writeFailed, .temporaryFile, .transferFailed, .internalError, .outOfMemory, .noThread: true
        case .cannotOpen(let code), .cannotCreate(let code): [EMFILE, ENFILE, ENOSPC, EDQUOT, EAGAIN, EIO, ESTALE, ETIMEDOUT, ENOMEM].contains(code)
        case .cannotReach(_, let mayPass), .refusedOutput(_, let mayPass), .upstream(_, let mayPass): mayPass
        default: false
        }
    }
}

extension ImageError: CustomStringConvertible {
    /// The fault and its place in one line, without program and file.
    public var description: String {
        switch self {
        case .truncated(let byte): "truncated at byte \(byte)"
        case .damaged(let fault, .some(let byte)): "\(fault) at byte \(byte)"
        case .damaged(let fault, nil), .unsupported(let fault), .usage(let fault), .refusedOutput(let fault, _), .notReached(let fault), .cannotReach(let fault, _),
            .transferFailed(let fault):
            fault
        case .overLimit(let limit, let value, let maximum):
            "\(value) \(limit.noun), over the limit of \(maximum) (\(limit.option))"
        case .cannotOpen(let code): systemMessage(code)
        case .cannotCreate(let code): "cannot create: \(systemMessage(code))"
        case .readFailed(let code): "read failed: \(systemMessage(code))"
        case .writeFailed(let code): "write failed: \(systemMessage(code))"
        case .temporaryFile(let code): "temporary file: \(systemMessage(code))"
        case .outOfMemory: "out of memory"
        case .noThread(let code): "cannot start a thread: \(systemMessage(code))"
        case .outOfTime(let seconds): "not done in \(seconds == seconds.rounded() && seconds < 1e9 ? "\(Int(seconds))" : "\(seconds)") seconds (--timeout)"
        case .upstream(let failure, _): failure.message
        case .internalError(let fault): "internal error: \(fault)"
        }
    }
}

/// The C library's text for an errno, its first letter lowered as in all our messages.
package func systemMessage(_ code: Int32) -> String {
    let text = String(cString: strerror(code))
    return text.prefix(1).lowercased() + text.dropFirst()
}
