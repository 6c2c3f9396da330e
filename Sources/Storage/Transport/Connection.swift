import CCurlShims
import Glibc
import ImageCore

/// How one try of a request has ended.
struct Outcome {
    /// IMGPIPE_DONE and so on.
    var result: Int
    var head: HTTPHead
    /// Of an answer that is none of 2xx, its first bytes.
    var errorBody: [UInt8]
    var curlCode: Int32
    var systemError: Int32
}

/// A kept connection to a server.
///
/// Unchecked: one thread at a time has it, and `stop` may come from any.
final class Connection: @unchecked Sendable {
    private let handle: OpaquePointer

    init() throws(ImageError) {
        if let failure = imgpipe_curl_load() { throw .cannotReach(String(cString: failure)) }
        guard let handle = imgpipe_connection_new() else { throw .outOfMemory }
        self.handle = handle
    }

    deinit { imgpipe_connection_free(handle) }

    /// It is of no use then.
    func stop() { imgpipe_connection_stop(handle) }

    func perform(_ request: HTTPRequest, _ settings: StorageSettings, deadline: Deadline?, to receiver: any AnswerReceiver) -> Outcome {
        let exchange = Exchange(receiver)
        var call = imgpipe_request()
        call.is_head = request.method == "HEAD" ? 1 : 0
        call.most_redirects = request.mostRedirects
        call.connect_milliseconds = Int(min(settings.connectSeconds, 1e6) * 1000)
        call.stall_milliseconds = max(1, Int(min(settings.stallSeconds, 1e6) * 1000))
        call.deadline_nanoseconds = deadline?.nanoseconds ?? .max
        call.context = Unmanaged.passUnretained(exchange).toOpaque()
        call.head = { context, line, count in Connection.exchange(context).take(line: UnsafeRawBufferPointer(start: line, count: count)) ? 0 : 1 }
        call.body_bytes = { context, bytes, count in Connection.exchange(context).take(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1 }

        // An empty value would remove the header; none of ours is.
        let lines = request.headers.map { strdup("\($0.name): \($0.value)") } + [strdup("Expect:"), nil]
        defer { for line in lines { free(line) } }
        var (code, systemError): (Int32, Int) = (0, 0)
        let result = request.method.withCString { method in
            request.url.withCString { url in
                lines.map { $0.map { UnsafePointer($0) } }.withUnsafeBufferPointer { headers in
                    Self.withOptionalCString(request.certificates) { certificates in
                        Self.withOptionalBytes(request.body) { body in
                            (call.method, call.url, call.headers, call.certificates) = (method, url, headers.baseAddress, certificates)
                            (call.body, call.body_count) = (body?.baseAddress, body?.count ?? 0)
                            return imgpipe_connection_perform(handle, &call, &code, &systemError)
                        }
                    }
                }
            }
        }
        // A head without a body.
        if result == IMGPIPE_DONE { exchange.endHead() }
        return Outcome(
            result: exchange.isHeadTooLarge ? IMGPIPE_STRANGE_ANSWER : Int(result), head: exchange.head, errorBody: exchange.errorBody, curlCode: code, systemError: Int32(truncatingIfNeeded: systemError))
    }

    private static func exchange(_ context: UnsafeMutableRawPointer?) -> Exchange {
        Unmanaged<Exchange>.fromOpaque(context!).takeUnretainedValue()
    }

    private static func withOptionalCString<R>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> R) -> R {
        if let text { text.withCString { body($0) } } else { body(nil) }
    }

    private static func withOptionalBytes<R>(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> R) -> R {
        guard let bytes else { return body(nil) }
        // No pointer would be no body.
        if bytes.isEmpty { return withUnsafeBytes(of: 0) { body(UnsafeRawBufferPointer(rebasing: $0[..<0])) } }
        return bytes.withUnsafeBytes { body($0) }
    }
}

/// An answer on its way.
private final class Exchange {
    private let receiver: any AnswerReceiver
    private(set) var head = HTTPHead()
    private(set) var errorBody: [UInt8] = []
    private var headBytes = 0
    private(set) var isHeadTooLarge = false
    private var hasBegun = false

    private static let mostHeadBytes = 256 << 10
    private static let mostErrorBytes = 64 << 10

    init(_ receiver: any AnswerReceiver) { self.receiver = receiver }

    func take(line: UnsafeRawBufferPointer) -> Bool {
        headBytes += line.count
        isHeadTooLarge = headBytes > Self.mostHeadBytes
        if isHeadTooLarge { return false }
        // Trailers.
        if hasBegun { return true }
        let text = String(decoding: line, as: UTF8.self)
        if text.hasPrefix("HTTP/") {
            head = HTTPHead(status: text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0)
        } else if let colon = text.firstIndex(of: ":") {
            let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
            head.headers.append((text[..<colon].lowercased(), String(value)))
        }
        return true
    }

    func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard endHead() else { return false }
        if head.isSuccess { return receiver.receive(bytes) }
        errorBody += bytes.prefix(Self.mostErrorBytes - errorBody.count)
        return true
    }

    @discardableResult
    func endHead() -> Bool {
        if hasBegun { return true }
        hasBegun = true
        return !head.isSuccess || receiver.begin(head)
    }
}
