import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import ImageCore
import ImageJobs
import Logging
import NIOHTTP1
import ServiceRequests
import Synchronization

/// What Hummingbird hands along with a request.
struct Exchange: InitializableFromSource, Sendable {
    init(source: ApplicationRequestContextSource) {}
}

/// Finds who answers a request, and tells of the answer: a line of the log, metrics, the request's number.
final class Responder: HTTPResponder {
    private let compress: CompressEndpoint
    private let image: ImageEndpoint?
    private let signature: URLSignature?
    private let metrics: ServiceMetrics
    private let logger: Logger
    private let logsAccess: Bool
    private let page = Page()
    private let start = UInt64.random(in: 0 ... .max)
    private let number = Atomic<UInt64>(0)

    init(_ compress: CompressEndpoint, _ image: ImageEndpoint?, _ signature: URLSignature?, _ metrics: ServiceMetrics, _ logger: Logger, logsAccess: Bool) {
        (self.compress, self.image, self.signature) = (compress, image, signature)
        (self.metrics, self.logger, self.logsAccess) = (metrics, logger, logsAccess)
    }

    var hasRemotePictures: Bool { image?.store.isRemote ?? false }

    func respond(to request: Request, context: Exchange) async throws -> Response {
        let connection = Connection.current
        let begun = connection?.requestStart ?? Deadline.now
        let identifier = self.identifier(of: request)
        let target = Target(request.head.path ?? "")
        let endpoint = target.endpoint
        let refusal = connection?.takeRefusal()
        metrics.begin()
        var response: Response
        var fault: ServiceFault?
        do {
            if let refusal { throw refusal }
            response = try await answer(request, target, connection)
        } catch let found as ServiceFault {
            (response, fault) = (Response(found), found)
        } catch let error as HTTPParserError {
            // Hummingbird answers what is no HTTP.
            metrics.end(endpoint, status: 400, nanoseconds: Deadline.now - begun)
            throw error
        } catch {
            let found = connection?.isGone ?? false ? ServiceFault.gone : ServiceFault.request("the body broke off")
            (response, fault) = (Response(found), found)
        }
        response.headers[.requestID] = identifier
        let length = response.body.contentLength ?? 0
        if request.method == .head { response = response.createHeadResponse() }
        let nanoseconds = Deadline.now - begun
        metrics.end(endpoint, status: response.status.code, nanoseconds: nanoseconds)
        report(request, target, response, fault, length, nanoseconds, identifier)
        return response
    }

    private func answer(_ request: Request, _ target: Target, _ connection: Connection?) async throws -> Response {
        switch target.endpoint {
        case .compress:
            guard request.method == .post else { throw ServiceFault.method("POST") }
            let query = try checked(target)
            return try await compress.answer(request, query, connection)
        case .image:
            guard let image else { throw ServiceFault.notFound }
            try expect(request, .get)
            let query = try checked(target)
            return try await image.answer(request, target.path.dropFirst(Target.imagePrefix.count), query, connection)
        case .page:
            try expect(request, .get)
            var response = Response.text(page.html, "text/html; charset=utf-8")
            response.headers[.contentSecurityPolicy] = page.policy
            return response
        case .metrics:
            try expect(request, .get)
            let text = metrics.exposition(
                compress.queue, cache: image?.statistics, bodyBytes: compress.body.budget.heldBytes + (image?.store.heldBytes ?? 0), isReady: isReady)
            return .text(String(decoding: text, as: UTF8.self), "text/plain; version=0.0.4; charset=utf-8")
        case .health:
            try expect(request, .get)
            if target.path == "/healthz" { return .text("ok\n") }
            return isReady ? .text("ready\n") : .text(metrics.isDraining ? "draining\n" : "full\n", status: .serviceUnavailable)
        case .other: throw ServiceFault.notFound
        }
    }

    /// However the store is: a cluster whose store is slow still takes what is posted.
    private var isReady: Bool { !metrics.isDraining && !compress.queue.isFull }

    private func expect(_ request: Request, _ method: HTTPRequest.Method) throws(ServiceFault) {
        guard request.method == method || request.method == .head else { throw .method("GET, HEAD") }
    }

    /// The query, without what a signature has of it.
    private func checked(_ target: Target) throws(ServiceFault) -> Query {
        try signature?.check(path: String(target.path), query: target.query.map { String($0) })
        var query = try Query(target.query.map { String($0) })
        if signature != nil {
            _ = query.take("sign")
            _ = query.take("expires")
        }
        return query
    }

    // MARK: What is told

    /// The client's own, where it is short and plain; else one that no other request of this process has.
    private func identifier(of request: Request) -> String {
        if let given = request.headers[.requestID], (1...64).contains(given.utf8.count), given.utf8.allSatisfy(Self.mayBeInIdentifier) { return given }
        let own = start &+ number.wrappingAdd(1, ordering: .relaxed).newValue &* 0x9e37_79b9_7f4a_7c15
        let digits = String(own, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func mayBeInIdentifier(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    private func report(
        _ request: Request, _ target: Target, _ response: Response, _ fault: ServiceFault?, _ length: Int, _ nanoseconds: UInt64, _ identifier: String
    ) {
        let isOurs = response.status.code >= 500 && ![503, 504].contains(response.status.code)
        guard logsAccess || isOurs else { return }
        var metadata: Logger.Metadata = [
            "request": .string(identifier), "method": .string(request.method.rawValue), "path": .string(String(target.path)),
            "status": .stringConvertible(response.status.code), "bytes": .stringConvertible(length),
            "ms": .stringConvertible(Double(nanoseconds / 1000) / 1000),
        ]
        if let fault {
            metadata["error"] = .string(fault.word)
            // Of others' faults it has words of theirs, from the query or the picture.
            if isOurs { metadata["detail"] = .string(fault.detail) }
        }
        logger.log(level: isOurs ? .error : .info, "request", metadata: metadata)
    }
}

/// What a request names: its path and query as they stand.
struct Target {
    static let imagePrefix = "/image/"
    let path: Substring
    let query: Substring?

    init(_ text: String) {
        let mark = text.firstIndex(of: "?")
        path = text[..<(mark ?? text.endIndex)]
        query = mark.map { text[text.index(after: $0)...] }
    }

    var endpoint: ServiceMetrics.Endpoint {
        switch path {
        case "/compress": .compress
        case "/": .page
        case "/metrics": .metrics
        case "/healthz", "/readyz": .health
        default: path.hasPrefix(Self.imagePrefix) ? .image : .other
        }
    }
}
