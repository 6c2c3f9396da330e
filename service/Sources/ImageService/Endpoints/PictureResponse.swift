import HTTPTypes
import HummingbirdCore
import ImageCore
import ServiceRequests

extension HTTPField.Name {
    static let priority = HTTPField.Name("X-Priority")!
    static let lifetime = HTTPField.Name("X-TTL-Ms")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let originalSize = HTTPField.Name("X-Original-Size")!
    static let compressedSize = HTTPField.Name("X-Compressed-Size")!
    static let serverTiming = HTTPField.Name("Server-Timing")!
    static let warning = HTTPField.Name("Warning")!
}

extension Response {
    /// A picture, with what is known of how it was made.
    init(_ picture: Picture, of wish: Wish) {
        self.init(status: .ok, body: ResponseBody(byteBuffer: picture.bytes))
        headers[.contentType] = picture.format.mediaType
        headers[.eTag] = picture.etag
        headers[.xContentTypeOptions] = "nosniff"
        headers[.originalSize] = "\(picture.inputBytes)"
        headers[.compressedSize] = "\(picture.bytes.readableBytes)"
        if wish.isNegotiated { headers[.vary] = "Accept" }
        let durations = picture.report.durations
        let stages = [
            ("read", picture.readNanoseconds), ("queue", picture.queueNanoseconds), ("decode", durations.decode), ("resize", durations.resize),
            ("encode", durations.encode),
        ]
        // Milliseconds, to a hundredth.
        headers[.serverTiming] = stages.map { "\($0);dur=\(Double(($1 + 5000) / 10000) / 100)" }.joined(separator: ", ")
        for warning in picture.report.warnings { headers.append(HTTPField(name: .warning, value: "199 imgserve \"\(Self.quoted(warning))\"")) }
    }

    /// As a quoted string may have it: a stranger's file may have put its words in.
    private static func quoted(_ text: String) -> String {
        String(decoding: text.utf8.map { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }

    /// Why there is none.
    init(_ fault: ServiceFault) {
        self.init(status: HTTPResponse.Status(code: fault.status.rawValue), body: ResponseBody(byteBuffer: .init(bytes: fault.body)))
        headers[.contentType] = "application/json"
        headers[.xContentTypeOptions] = "nosniff"
        headers[.cacheControl] = "no-store"
        if let allow = fault.allow { headers[.allow] = allow }
        if let seconds = fault.retryAfter { headers[.retryAfter] = "\(seconds)" }
    }

    static func text(_ text: String, _ type: String = "text/plain; charset=utf-8", status: HTTPResponse.Status = .ok) -> Response {
        var response = Response(status: status, body: ResponseBody(byteBuffer: .init(string: text)))
        response.headers[.contentType] = type
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.cacheControl] = "no-store"
        return response
    }
}
