import CCurlShims
import ImageCore

/// Why a request, tried as often as it may be, has brought nothing.
struct TransferFault: Error {
    enum Kind {
        /// There is no such object.
        case missing
        /// The server has said no: 4xx.
        case refused
        /// It is there already, and may not be replaced; or it is another than before.
        case precondition
        /// There is no way to the server.
        case unreachable
        /// The server, or the way to it, has failed in between.
        case broken
        /// Nobody waits for it any more.
        case cancelled
        /// On this side.
        case ours(ImageError)
    }

    let kind: Kind
    let message: String
    /// More than one: an earlier one may have done what was asked, and its answer was lost.
    let tries: Int

    init(_ kind: Kind, _ message: String, tries: Int = 1) {
        (self.kind, self.message, self.tries) = (kind, tries > 1 ? "\(message) after \(tries) tries" : message, tries)
    }

    init(_ error: ImageError) { (kind, message, tries) = (.ours(error), error.description, 1) }

    static let changed = TransferFault(.precondition, "has changed while it was read")

    /// Of what was to be read, and of which nothing has come yet.
    var ofOpening: ImageError {
        switch kind {
        case .ours(let error): error
        case .precondition, .cancelled: .transferFailed(message)
        case .missing, .refused: .cannotReach(message)
        case .unreachable, .broken: .cannotReach(message, mayPass: true)
        }
    }

    var ofReading: ImageError { if case .ours(let error) = kind { error } else { .transferFailed(message) } }

    var ofWriting: ImageError {
        switch kind {
        case .ours(let error): error
        case .missing, .refused, .precondition: .refusedOutput(message)
        case .unreachable: .refusedOutput(message, mayPass: true)
        case .broken, .cancelled: .transferFailed(message)
        }
    }
}

extension TransferFault {
    /// Of an answer that is none of 2xx. `isSigned`: whether there was a signature; nil where none is to be had. `tries`: how many there were.
    init(_ head: HTTPHead, body: [UInt8], isSigned: Bool?, tries: Int) {
        let status = head.status
        var message = Self.names[status].map { "\(status) \($0)" } ?? "\(status)"
        let code = Self.code(body)
        if let code { message += ": \(code)" }
        if let region = head["x-amz-bucket-region"].map(Self.sanitised), [301, 307, 400].contains(status), !region.isEmpty {
            message += " (the bucket is in \(region), see AWS_REGION)"
        } else if let hint = code.flatMap({ Self.hints[$0] }) {
            message += " (\(hint))"
        } else if [401, 403].contains(status) && isSigned == false {
            message += " (no credentials were given)"
        }
        let kind: Kind = switch status {
        case 404, 410: .missing
        case 412: .precondition
        case 200...299, 429, 500...599: .broken
        default: .refused
        }
        self.init(kind, message, tries: tries)
    }

    private static let names = [
        301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
        409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed", 413: "Content Too Large", 416: "Range Not Satisfiable",
        429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
        504: "Gateway Timeout", 507: "Insufficient Storage",
    ]

    private static let hints = [
        "SignatureDoesNotMatch": "wrong secret?", "InvalidAccessKeyId": "unknown access key", "ExpiredToken": "the session token is old",
        "InvalidToken": "wrong session token", "RequestTimeTooSkewed": "the clock is wrong",
    ]

    /// S3's word for the fault. Nothing else of what a server writes is shown: some send back what they were sent.
    private static func code(_ body: [UInt8]) -> String? {
        guard let root = XMLAnswer(body), root.name == "Error", let code = root.text("Code").map(sanitised), !code.isEmpty else { return nil }
        return code
    }

    private static func sanitised(_ text: String) -> String {
        String(decoding: text.utf8.filter { PercentEncoding.isUnreserved($0) }.prefix(64), as: UTF8.self)
    }

    /// Of a request that had no answer.
    init(_ outcome: Outcome, _ settings: StorageSettings, tries: Int) {
        func seconds(_ value: Double) -> String { value == value.rounded() && value < 1e9 ? "\(Int(value))" : "\(value)" }
        let (kind, text): (Kind, String) = switch outcome.result {
        case IMGPIPE_NO_HOST: (.unreachable, "no such host")
        case IMGPIPE_NO_PROXY: (.unreachable, "no such proxy")
        case IMGPIPE_NO_CONNECTION: (.unreachable, outcome.systemError != 0 ? systemMessage(outcome.systemError) : "no connection")
        // libcurl's own limit is that on connecting.
        case IMGPIPE_TIMED_OUT where outcome.curlCode != 0: (.unreachable, "no connection for \(seconds(settings.connectSeconds)) s")
        case IMGPIPE_TIMED_OUT where outcome.head.status == 0: (.broken, "no answer for \(seconds(settings.stallSeconds)) s")
        case IMGPIPE_TIMED_OUT: (.broken, "nothing came for \(seconds(settings.stallSeconds)) s")
        case IMGPIPE_BROKEN: (.broken, "the connection broke")
        case IMGPIPE_NO_TLS: (.unreachable, "no TLS connection")
        case IMGPIPE_UNTRUSTED: (.unreachable, "the server's certificate is not trusted")
        case IMGPIPE_NO_CERTIFICATES: (.unreachable, "the file of trusted certificates cannot be read")
        case IMGPIPE_TOO_MANY_REDIRECTS: (.refused, "too many redirects")
        case IMGPIPE_FORBIDDEN_PROTOCOL: (.refused, "a redirect to what is no http or https")
        case IMGPIPE_BAD_URL: (.refused, "not a URL")
        case IMGPIPE_STRANGE_ANSWER: (.broken, "the server does not speak HTTP")
        case IMGPIPE_REFUSED: (.broken, "an answer that is too large")
        case IMGPIPE_NO_MEMORY: (.ours(.outOfMemory), "out of memory")
        default: (.broken, "libcurl fails with \(outcome.curlCode)")
        }
        self.init(kind, text, tries: tries)
    }
}
