import FilterSupport
import Glibc
import ImageCore

/// Why a request has no picture: a status of HTTP, a word for programs, a line for people.
package struct ServiceFault: Error, Sendable {
    /// Those of HTTP that there are here; RFC 9110, but for the last.
    package enum Status: Int, Sendable {
        case badRequest = 400, forbidden = 403, notFound = 404, methodNotAllowed = 405, requestTimeout = 408, contentTooLarge = 413
        case unsupportedMediaType = 415, unprocessableContent = 422, internalServerError = 500, notImplemented = 501, badGateway = 502
        case serviceUnavailable = 503, gatewayTimeout = 504
        /// Client Closed Request, as nginx logs it.
        case clientClosedRequest = 499
    }

    package let status: Status
    /// The same for the same kind of fault.
    package let word: String
    package let detail: String
    package let allow: String?
    /// Seconds after which it may go better.
    package let retryAfter: Int?

    package init(_ status: Status, _ word: String, _ detail: String, allow: String? = nil, retryAfter: Int? = nil) {
        (self.status, self.word, self.detail, self.allow, self.retryAfter) = (status, word, detail, allow, retryAfter)
    }

    /// Of a query or a header, as the command line would say it.
    package static func usage(_ detail: String) -> ServiceFault { ServiceFault(.badRequest, "usage", detail) }
    /// Of the request as a message.
    package static func request(_ detail: String) -> ServiceFault { ServiceFault(.badRequest, "request", detail) }

    package static let notFound = ServiceFault(.notFound, "not_found", "there is nothing of this name")
    package static let full = ServiceFault(.serviceUnavailable, "full", "too many pictures wait; come again", retryAfter: 1)
    package static let expired = ServiceFault(.serviceUnavailable, "expired", "its time (X-TTL-Ms) was over before it was done", retryAfter: 1)
    /// What was to be read is another than it was a moment ago.
    package static let changed = ServiceFault(.serviceUnavailable, "changed", "the picture has changed while it was read; come again", retryAfter: 1)
    package static let readTimeout = ServiceFault(.requestTimeout, "read_timeout", "the request did not come whole in its time (--read-timeout)")
    /// Nobody reads it.
    package static let gone = ServiceFault(.clientClosedRequest, "gone", "the client has left")

    package var isExpired: Bool { word == Self.expired.word }
    package var isOfChange: Bool { word == Self.changed.word }

    package static func tooLarge(_ most: Int) -> ServiceFault {
        ServiceFault(.contentTooLarge, "too_large", "a body of more than \(most) bytes (--max-body)")
    }

    package static func method(_ allowed: String) -> ServiceFault {
        ServiceFault(.methodNotAllowed, "method", "here is only \(allowed)", allow: allowed)
    }

    /// Of a picture. The client is to blame for what it has sent (422), and the service for what it lacks.
    package init(_ error: ImageError) {
        let detail = error.description
        switch error {
        case .usage: self.init(.badRequest, "usage", detail)
        case .truncated, .damaged: self.init(.unprocessableContent, "damaged", detail)
        case .unsupported: self.init(.unprocessableContent, "unsupported", detail)
        case .overLimit: self.init(.unprocessableContent, "limit", detail)
        case .notReached: self.init(.unprocessableContent, "not_reached", detail)
        case .outOfTime: self.init(.gatewayTimeout, "timeout", detail)
        case .outOfMemory, .temporaryFile: self.init(.serviceUnavailable, "memory", detail, retryAfter: 1)
        case .cannotOpen(let code) where [ENOENT, ENOTDIR, EISDIR, ENAMETOOLONG].contains(code): self = .notFound
        // A link or a path that leads out of the storage, and a file that is not for us.
        case .cannotOpen(let code) where [EXDEV, ELOOP, EACCES, EPERM].contains(code): self.init(.forbidden, "path", "this is not given out")
        case .cannotOpen, .cannotReach, .readFailed, .transferFailed: self.init(.badGateway, "storage", detail)
        // What it lacks now and may have the next time: a file of its own, say.
        case .upstream(_, mayPass: true): self.init(.serviceUnavailable, "memory", detail, retryAfter: 1)
        // What a worker has said and has no kind of its own is a limit of the picture.
        case .upstream(let failure, _) where ExitStatus(rawValue: failure.status) == .data: self.init(.unprocessableContent, "limit", detail)
        case .upstream(let failure, _) where ExitStatus(rawValue: failure.status) == .usage: self.init(.badRequest, "usage", detail)
        default: self.init(.internalServerError, "internal", detail)
        }
    }

    /// One line of JSON.
    package var body: [UInt8] {
        var bytes: [UInt8] = []
        JSONValue.object([("error", .text(word)), ("detail", .text(detail))]).write(to: &bytes)
        return bytes + [UInt8(ascii: "\n")]
    }
}
