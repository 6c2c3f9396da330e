import CPlatformShims
import FilterSupport
import Glibc
import ImageCodecs
import ImageCore

/// A process that works on pictures, one at a time, in a sandbox: what a damaged picture does to it, it does to nobody else. For one thread.
final class WorkerProcess {
    private var socket: Int32
    private let process: pid_t
    var number: pid_t { process }
    private let limits: Limits
    /// Nothing can be asked of it any more.
    private(set) var isBroken = false
    /// When it has to be gone.
    private var lastCall: UInt64 = 0

    /// Throws `internalError` where none can be started.
    init(limits: Limits, isSandboxed: Bool) throws(ImageError) {
        self.limits = limits
        var sockets: [Int32] = [-1, -1]
        guard imgpipe_socket_pair(&sockets) == 0 else { throw .internalError("no worker process: \(String(cString: strerror(errno)))") }
        // No secret of ours is in its environment; and what a picture makes it write is for no terminal.
        var variables = Limit.allCases.map { "\($0.variable)=\(limits[$0])" }
        if let seconds = limits.timeoutSeconds { variables.append("IMG_TIMEOUT=\(seconds)") }
        if let directory = getenv("TMPDIR") { variables.append("TMPDIR=\(String(cString: directory))") }
        if let name = getenv("IMG_CPU") { variables.append("IMG_CPU=\(String(cString: name))") }
        if !isSandboxed { variables.append("IMG_NO_SANDBOX=1") }
        var isSilent = isSandboxed
        #if DEBUG
            if let intruder = getenv("IMG_INTRUDER") {
                variables.append("IMG_INTRUDER=\(String(cString: intruder))")
                isSilent = false
            }
        #endif
        process = Self.withCStrings(["imgpipe-worker", WorkerMain.argument]) { arguments in
            Self.withCStrings(variables) { imgpipe_spawn_self(arguments, $0, sockets[1], isSilent ? 1 : 0) }
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
        hangUp()
        // It ends when it finds the socket closed; one that never looks, or is stopped, is not waited for.
        let end = isBroken ? 0 : lastCall
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 {
            if Deadline.now >= end {
                kill(process, SIGKILL)
                while waitpid(process, &status, 0) < 0 && errno == EINTR {}
                return
            }
            usleep(1000)
        }
    }

    /// It will be asked for nothing more, and may end.
    func hangUp() {
        guard socket >= 0 else { return }
        close(socket)
        socket = -1
        lastCall = Deadline.now + Self.grace
    }

    /// Whether a picture may be given to it: one that has ended since the last one, or says something without being asked, is broken.
    var isReady: Bool {
        var request = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        if poll(&request, 1, 0) != 0 { isBroken = true }
        return !isBroken
    }

    /// As `Pipeline.run`, for the file open as `number`, which stays the caller's.
    func run(
        _ number: Int32, _ recipe: Recipe, as format: EncodedFormat, latest: UInt64?,
        to open: (_ width: UInt32, _ height: UInt32) throws(ImageError) -> any ByteSink
    ) throws(ImageError) -> (report: Pipeline.Report, sink: any ByteSink) {
        let start = Deadline.now
        let milliseconds = latest.map { max(1, ($0 - min($0, start)) / 1_000_000) } ?? 0
        let request = WorkerMessage.request(words: recipe.words, format: format, milliseconds: milliseconds)
        guard request.send(to: socket, [number], milliseconds: Self.sendMilliseconds) else { throw died() }
        // A codec that never looks at the time is not waited for either.
        let mine = limits.timeoutSeconds.map { start + UInt64(min($0, 1e9) * 1e9) }
        let end = [mine, latest].compactMap { $0 }.min().map { $0 + Self.grace }
        var answer = WorkerAnswer(limits, format)
        var sink: (any ByteSink)?
        // What could not be written: the worker ends its picture before the next one is asked for.
        var refusal: ImageError?
        while true {
            guard wait(until: end ?? min(Deadline.now + Self.longestSilence, start + Self.longestPicture)) else {
                isBroken = true
                kill(process, SIGKILL)
                throw .outOfTime(seconds: (Double(Deadline.now - start) / 1e9).rounded())
            }
            guard let (message, stray) = WorkerMessage.receive(from: socket) else { throw died() }
            if let stray { close(stray) }
            switch message {
            case .size(let width, let height):
                guard answer.takes(width: width, height: height) else { throw died() }
                do throws(ImageError) { sink = try open(width, height) } catch { refusal = error }
            case .bytes(let bytes):
                guard answer.takes(bytes) else { throw died() }
                if refusal == nil { do throws(ImageError) { try sink!.write(bytes.span.bytes) } catch { refusal = error } }
            case .report(let report):
                guard let report = answer.report(report, nanoseconds: Deadline.now - start) else { throw died() }
                if let refusal { throw refusal }
                return (report, sink!)
            case .failure(let error):
                guard WorkerAnswer.isStatus(error.status) else { throw died() }
                // What it lacks another one may get: a temporary file, say, can only be opened at the start.
                if error.mayPass { isBroken = true }
                throw refusal ?? error
            case .request: throw died()
            }
        }
    }

    private static let grace: UInt64 = 1_000_000_000
    /// Where nobody has said how long a picture may take: the slowest search of the largest picture says something within that.
    private static let longestSilence: UInt64 = 600_000_000_000
    private static let longestPicture: UInt64 = 6 * longestSilence
    private static let sendMilliseconds: Int32 = 1000


    /// False where the time has come.
    private func wait(until end: UInt64) -> Bool {
        while true {
            let now = Deadline.now
            // Though there may be a packet: one who always has one never ends.
            if now >= end { return false }
            var request = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, Int32(clamping: (end - now + 999_999) / 1_000_000))
            if ready > 0 || (ready < 0 && errno != EINTR) { return true }
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
        // One that has closed its socket and lives is not waited for.
        let end = Deadline.now + 100_000_000
        while true {
            guard waitid(P_PID, id_t(process), &information, Int32(WEXITED | WNOWAIT | WNOHANG)) == 0 else { return .internalError("its worker process is gone") }
            if information._sifields._sigchld.si_pid != 0 { break }
            if Deadline.now >= end { return .internalError("its worker process said what makes no sense") }
            usleep(1000)
        }
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
