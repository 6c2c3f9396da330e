struct HTTPHeader: Sendable {
    let name: String
    let value: String

    init(_ name: String, _ value: String) { (self.name, self.value) = (name, value) }
}

/// One try of a request, ready to go.
struct HTTPRequest {
    var method: String
    /// Encoded.
    var url: String
    var headers: [HTTPHeader] = []
    /// Nil: none.
    var body: [UInt8]?
    /// 0 where a signature would go to a host that it is not for.
    var mostRedirects: Int32 = 0
    /// A file of certificates in PEM; nil for the system's.
    var certificates: String?
}

/// An answer without its body.
struct HTTPHead {
    var status = 0
    /// Names of lower case.
    var headers: [(name: String, value: String)] = []

    subscript(_ name: String) -> String? { headers.last { $0.name == name }?.value }

    var isSuccess: Bool { (200...299).contains(status) }

    /// Of the body as it comes; nil where it is not said.
    var contentLength: UInt64? { self["content-length"].flatMap { UInt64($0) } }

    /// Of "bytes 0-99/1234", and of "bytes */1234", where nothing can be had. Nil for what is none.
    var contentRange: (first: UInt64, last: UInt64, total: UInt64)? {
        guard let text = self["content-range"], text.hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst(6).split(separator: "/")
        guard parts.count == 2, let total = UInt64(parts[1]) else { return nil }
        if parts[0] == "*" { return (total, total, total) }
        let ends = parts[0].split(separator: "-")
        guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), first <= last, last < total else { return nil }
        return (first, last, total)
    }
}

/// Who gets an answer of 2xx.
protocol AnswerReceiver: AnyObject {
    /// The head is whole. False: nothing more of it is wanted.
    func begin(_ head: HTTPHead) -> Bool
    /// Of the body. False: no more of it is wanted.
    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool
}

/// For answers that are small, or of no interest.
final class CollectedAnswer: AnswerReceiver {
    private(set) var body: [UInt8] = []
    private let mostBytes: Int
    private(set) var isTooLarge = false

    init(mostBytes: Int = 1 << 20) { self.mostBytes = mostBytes }

    func begin(_ head: HTTPHead) -> Bool {
        (body, isTooLarge) = ([], false)
        return true
    }

    func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        isTooLarge = bytes.count > mostBytes - body.count
        if !isTooLarge { body += bytes }
        return !isTooLarge
    }
}
