import Glibc

/// What ends a push: the body's fault, or the receiver's error.
public enum MultipartError<E: Error>: Error {
    case fault(MultipartParser.Fault)
    case receiver(E)
}

/// multipart/form-data, as it comes: RFC 7578, with the grammar of RFC 2046, section 5.1. For untrusted bytes.
///
/// Bytes are pushed in parts of any size, and what is found goes to the receiver: of a part its name, then its content in pieces.
/// What is kept is bounded: a part's header, and the few bytes that may begin a boundary. CRLF ends lines; a preamble and an epilogue are passed
/// over; transport padding behind a boundary is taken.
public struct MultipartParser {
    /// What is wrong with a body, or a content type.
    public struct Fault: Error, Equatable, Sendable {
        public let detail: String
    }

    public struct Limits: Sendable {
        public var parts = 16
        /// Of one part, its names and values.
        public var headerBytes = 8 << 10
        public var preambleBytes = 8 << 10

        public init() {}
    }

    /// What is found, in the order of the body.
    public enum Event {
        /// A part begins. Names as they stand; nil where there is none.
        case part(name: [UInt8]?, fileName: [UInt8]?)
        /// More of its content; empty never.
        case content(UnsafeRawBufferPointer)
        case partEnd
    }

    private enum Stage { case preamble, boundaryEnd, headers, content, epilogue }

    /// CRLF and the two hyphens, and the boundary.
    private let delimiter: [UInt8]
    private let limits: Limits
    private var stage = Stage.preamble
    /// Bytes of the delimiter that have come.
    private var matched = 2
    /// Those of them that nobody has sent as such: the end of the line before, or the start of the body.
    private var lent = 2
    /// What stands behind a boundary, or a part's header so far.
    private var line: [UInt8] = []
    private var preambleBytes = 0
    private var parts = 0

    /// `boundary`: as the content type has it, 1 to 70 bytes.
    public init(boundary: [UInt8], limits: Limits = Limits()) {
        delimiter = Array("\r\n--".utf8) + boundary
        self.limits = limits
    }

    /// The boundary of a content type that is multipart/form-data; nil for another type. Throws where it has none.
    public static func boundary(of contentType: String) throws(Fault) -> [UInt8]? {
        let type = contentType.prefix { $0 != ";" }
        guard type.trimmed.lowercased() == "multipart/form-data" else { return nil }
        guard let value = HeaderValue.parameter("boundary", of: Array(contentType.utf8)) else { throw Fault(detail: "multipart/form-data without a boundary") }
        guard (1...70).contains(value.count), value.allSatisfy({ (0x20...0x7e).contains($0) }), value.last != 0x20 else {
            throw Fault(detail: "a boundary that is none: 1 to 70 characters")
        }
        return value
    }

    /// Takes more of the body.
    public mutating func push<E: Error>(_ bytes: UnsafeRawBufferPointer, _ receive: (Event) throws(E) -> Void) throws(MultipartError<E>) {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch stage {
            case .preamble: do throws(Fault) { try passPreamble(&rest) } catch { throw .fault(error) }
            case .boundaryEnd: do throws(Fault) { try endBoundary(&rest) } catch { throw .fault(error) }
            case .headers: try takeHeaders(&rest, receive)
            case .content: try takeContent(&rest, receive)
            case .epilogue: rest = rest.suffix(0)
            }
        }
    }

    /// The body has ended. Throws where its last boundary has not come.
    public func end() throws(Fault) {
        guard stage == .epilogue else { throw Fault(detail: parts == 0 ? "no part in the body" : "the body ends within a part") }
        if parts == 0 { throw Fault(detail: "no part in the body") }
    }

    // MARK: Stages

    private mutating func passPreamble(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Fault) {
        let count = rest.count
        let isFound = find(&rest) { _ in }
        preambleBytes += count - rest.count
        if preambleBytes > limits.preambleBytes + delimiter.count { throw Fault(detail: "no boundary in the first \(limits.preambleBytes) bytes of the body") }
        if isFound { beginBoundaryEnd() }
    }

    private mutating func beginBoundaryEnd() {
        stage = .boundaryEnd
        line.removeAll(keepingCapacity: true)
    }

    /// Behind a boundary: two hyphens, and that was the last; or a line's end, with blanks before it.
    private mutating func endBoundary(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Fault) {
        while let byte = rest.popFirst() {
            line.append(byte)
            if line.elementsEqual("--".utf8) {
                stage = .epilogue
                return
            }
            if line.suffix(2).elementsEqual("\r\n".utf8) {
                parts += 1
                guard parts <= limits.parts else { throw Fault(detail: "more than \(limits.parts) parts") }
                stage = .headers
                line.removeAll(keepingCapacity: true)
                return
            }
            let isPadding = byte == 0x20 || byte == 0x09 || byte == 0x0d || (byte == 0x2d && line.count == 1)
            guard isPadding, line.count <= 70 else { throw Fault(detail: "a boundary with other bytes behind it") }
        }
    }

    private mutating func takeHeaders<E: Error>(
        _ rest: inout Slice<UnsafeRawBufferPointer>, _ receive: (Event) throws(E) -> Void
    ) throws(MultipartError<E>) {
        while let byte = rest.popFirst() {
            line.append(byte)
            guard line.count <= limits.headerBytes else { throw .fault(Fault(detail: "a part's header of more than \(limits.headerBytes) bytes")) }
            guard byte == 0x0a, line.elementsEqual("\r\n".utf8) || line.suffix(4).elementsEqual("\r\n\r\n".utf8) else { continue }
            let name: [UInt8]?
            let fileName: [UInt8]?
            do throws(Fault) { (name, fileName) = try Self.names(line) } catch { throw .fault(error) }
            stage = .content
            // The CRLF behind the header may begin a boundary: the content is empty then.
            (matched, lent) = (2, 2)
            do throws(E) { try receive(.part(name: name, fileName: fileName)) } catch { throw .receiver(error) }
            return
        }
    }

    private mutating func takeContent<E: Error>(
        _ rest: inout Slice<UnsafeRawBufferPointer>, _ receive: (Event) throws(E) -> Void
    ) throws(MultipartError<E>) {
        var failure: E?
        let isFound = find(&rest) { piece in
            guard failure == nil, !piece.isEmpty else { return }
            do throws(E) { try receive(.content(piece)) } catch { failure = error }
        }
        if let failure { throw .receiver(failure) }
        if isFound {
            beginBoundaryEnd()
            do throws(E) { try receive(.partEnd) } catch { throw .receiver(error) }
        }
    }

    /// Takes bytes to the end of the next delimiter, and tells whether it has come; `pass` gets those before it.
    ///
    /// A delimiter has CR only at its start (a boundary has none), so after a mismatch the next try begins with that byte or behind it.
    private mutating func find(_ rest: inout Slice<UnsafeRawBufferPointer>, _ pass: (UnsafeRawBufferPointer) -> Void) -> Bool {
        while !rest.isEmpty {
            if matched == 0 {
                let start = Self.firstCR(rest)
                pass(UnsafeRawBufferPointer(rebasing: rest[..<start]))
                rest = rest[start...]
                if rest.isEmpty { return false }
            }
            while matched < delimiter.count, let byte = rest.first, byte == delimiter[matched] {
                matched += 1
                rest = rest.dropFirst()
            }
            if matched == delimiter.count {
                (matched, lent) = (0, 0)
                return true
            }
            if rest.isEmpty { return false }
            // What looked like a delimiter and is none is content, but for a CRLF that was somebody else's.
            delimiter.withUnsafeBytes { pass(UnsafeRawBufferPointer(rebasing: $0[lent..<matched])) }
            (matched, lent) = (0, 0)
        }
        return false
    }

    private static func firstCR(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        let all = UnsafeRawBufferPointer(rebasing: bytes)
        guard let start = all.baseAddress, let found = memchr(start, 0x0d, all.count) else { return bytes.endIndex }
        return bytes.startIndex + (UnsafeRawPointer(found) - start)
    }

    /// Of a part's Content-Disposition.
    private static func names(_ header: [UInt8]) throws(Fault) -> (name: [UInt8]?, fileName: [UInt8]?) {
        for line in header.split(separator: 0x0a) {
            let line = line.last == 0x0d ? line.dropLast() : line
            guard !line.isEmpty else { continue }
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { throw Fault(detail: "a line of a part's header without a colon") }
            guard String(decoding: line[..<colon], as: UTF8.self).lowercased() == "content-disposition" else { continue }
            let value = Array(line[(colon + 1)...])
            guard String(decoding: value.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self).trimmed.lowercased() == "form-data" else { continue }
            return (HeaderValue.parameter("name", of: value), HeaderValue.parameter("filename", of: value))
        }
        return (nil, nil)
    }
}
