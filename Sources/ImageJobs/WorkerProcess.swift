import CPlatformShims
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

/// A process that works on pictures, one at a time, in a sandbox: what a damaged picture does to it, it does to nobody else. For one thread.
final class WorkerProcess {
    private let socket: Int32
    private let process: pid_t
    var number: pid_t { process }
    private let limits: Limits
    /// Nothing can be asked of it any more.
    private(set) var isBroken = false

    /// Throws `internalError` where none can be started.
    init(limits: Limits, isSandboxed: Bool) throws(ImageError) {
        self.limits = limits
        var sockets: [Int32] = [-1, -1]
        guard imgpipe_socket_pair(&sockets) == 0 else { throw .internalError("no worker process: \(String(cString: strerror(errno)))") }
        // No secret of ours is in its environment.
        var variables = Limit.allCases.map { "\($0.variable)=\(limits[$0])" }
        if let seconds = limits.timeoutSeconds { variables.append("IMG_TIMEOUT=\(seconds)") }
        if let directory = getenv("TMPDIR") { variables.append("TMPDIR=\(String(cString: directory))") }
        if let name = getenv("IMG_CPU") { variables.append("IMG_CPU=\(String(cString: name))") }
        if !isSandboxed { variables.append("IMG_NO_SANDBOX=1") }
        #if DEBUG
            if let intruder = getenv("IMG_INTRUDER") { variables.append("IMG_INTRUDER=\(String(cString: intruder))") }
        #endif
        process = Self.withCStrings(["imgbatch-worker", WorkerMain.argument]) { arguments in
            Self.withCStrings(variables) { imgpipe_spawn_self(arguments, $0, sockets[1]) }
        }
        let code = errno
        close(sockets[1])
        socket = sockets[0]
        guard process > 0 else {
            close(socket)
            throw .internalError("no worker process: \(String(cString: strerror(code)))")
        }
    }

    deinit {
        close(socket)
        // It ends when it finds the socket closed; one that never looks is not waited for.
        if isBroken { kill(process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    }

    /// As `Pipeline.run`, for the file open as `number`, which stays the caller's.
    func run(
        _ number: Int32, _ recipe: Recipe, as format: EncodedFormat, latest: UInt64?,
        to open: (_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
        let start = Deadline.now
        let milliseconds = latest.map { max(1, ($0 - min($0, start)) / 1_000_000) } ?? 0
        guard WorkerMessage.request(words: recipe.words, format: format, milliseconds: milliseconds).send(to: socket, [number]) else { throw died() }
        // A codec that never looks at the time is not waited for either.
        let mine = limits.timeoutSeconds.map { start + UInt64(min($0, 1e9) * 1e9) }
        let end = [mine, latest].compactMap { $0 }.min().map { $0 + Self.grace }
        var sink: (any ByteSink)?
        // What could not be written: the worker ends its picture before the next one is asked for.
        var refusal: ImageError?
        var byteCount: UInt64 = 0
        while true {
            guard wait(until: end) else {
                isBroken = true
                kill(process, SIGKILL)
                throw .outOfTime(seconds: Double(Deadline.now - start) / 1e9)
            }
            guard let message = WorkerMessage.receive(from: socket)?.message else { throw died() }
            do throws(ImageError) {
                switch message {
                case .size(let width, let height) where sink == nil && refusal == nil: sink = try open(width, height)
                case .bytes(let bytes):
                    // No picture of ours is larger: one that does not end is none.
                    byteCount += UInt64(bytes.count)
                    guard byteCount <= limits.metadata + min(limits.totalPixels, .max / 16) * 8 else { throw died() }
                    if refusal == nil { try sink?.write(bytes.span.bytes) }
                case .report(let report):
                    if let refusal { throw refusal }
                    guard let sink else { throw died() }
                    return (report, sink)
                case .failure(let error): throw refusal ?? error
                case .size, .request: throw died()
                }
            } catch {
                switch message {
                case .size, .bytes: if isBroken { throw error } else { refusal = error }
                default: throw error
                }
            }
        }
    }

    private static let grace: UInt64 = 1_000_000_000

    /// False where the time has come.
    private func wait(until end: UInt64?) -> Bool {
        guard let end else { return true }
        while true {
            let now = Deadline.now
            var request = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, Int32(clamping: end > now ? (end - now + 999_999) / 1_000_000 : 0))
            if ready > 0 || (ready < 0 && errno != EINTR) { return true }
            if ready == 0 && Deadline.now >= end { return false }
        }
    }

    /// It has ended in the middle of a picture, by a signal as a rule; or it says what it should not.
    private func died() -> ImageError {
        isBroken = true
        var information = siginfo_t()
        // Not yet waited for, and soon to be dead if it is not; a process that lives and lies is ended.
        var request = pollfd(fd: socket, events: 0, revents: 0)
        let hasGone = poll(&request, 1, 100) > 0 && Int32(request.revents) & POLLHUP != 0
        if !hasGone { return .internalError("its worker process said what makes no sense") }
        guard waitid(P_PID, id_t(process), &information, Int32(WEXITED | WNOWAIT)) == 0 else { return .internalError("its worker process is gone") }
        let signalled = [CLD_KILLED, CLD_DUMPED].contains { Int32($0) == information.si_code }
        let status = information._sifields._sigchld.si_status
        return .internalError("its worker process \(signalled ? "died of signal \(status) (\(String(cString: strsignal(status)).lowercased()))" : "ended with status \(status)")")
    }

    /// `texts` as C has them, ended by nil, while `body` runs.
    private static func withCStrings<R>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}
