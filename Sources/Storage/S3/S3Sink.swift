import ImageCore

/// An object on its way: in memory until it is whole, and beyond that sent in parts, which become the object at `commit`.
final class S3Sink: ByteSink {
    private let store: S3Store
    private let location: Location
    private let mayReplace: Bool
    private var bytes: [UInt8] = []
    private var type: String?
    /// Of the parts that were sent.
    private var upload: (id: String, etags: [String])?
    private var byteCount: UInt64 = 0
    private var isDone = false

    private let terms: Transport.Terms

    init(_ store: S3Store, _ location: Location, mayReplace: Bool, _ terms: Transport.Terms) {
        (self.store, self.location, self.mayReplace, self.terms) = (store, location, mayReplace, terms)
    }

    deinit { abandon() }

    private var settings: StorageSettings { store.transport.settings }

    func write(_ more: RawSpan) throws(ImageError) {
        more.withUnsafeBytes { bytes.append(contentsOf: $0) }
        byteCount += UInt64(more.byteCount)
        do throws(TransferFault) {
            if upload == nil && bytes.count > settings.singlePutBytes { try beginUpload() }
            // One is kept back: the last may be of any size, but not none.
            while upload != nil && bytes.count > partBytes { try sendPart(partBytes) }
        } catch {
            throw error.ofWriting
        }
    }

    func reset() {
        abandon()
        (bytes, byteCount, type) = ([], 0, nil)
    }

    func commit() throws(ImageError) {
        do throws(TransferFault) {
            if upload == nil { try put() } else { try complete() }
        } catch {
            if case .precondition = error.kind, !mayReplace { throw .refusedOutput("file exists") }
            throw error.ofWriting
        }
        isDone = true
        bytes = []
    }

    // MARK: At once

    private var conditions: [HTTPHeader] { mayReplace ? [] : [HTTPHeader("If-None-Match", "*")] }

    private func put() throws(TransferFault) {
        noteType()
        let headers = [HTTPHeader("Content-Type", type!)]
        do throws(TransferFault) {
            _ = try store.ask("PUT", location, headers: headers + conditions, body: bytes, terms)
        } catch {
            // A try whose answer was lost may have made what the next one met.
            if case .precondition = error.kind, error.tries > 1, try isOurs() { return }
            // The store does not know the condition; that nothing is there was seen before.
            guard !mayReplace, error.message.hasPrefix("501") else { throw error }
            _ = try store.ask("PUT", location, headers: headers, body: bytes, terms)
        }
    }

    private func isOurs() throws(TransferFault) -> Bool {
        let head = try store.ask("HEAD", location, terms)
        let digest = Digest.hex(Digest.md5(bytes.span.bytes))
        return head["etag"] == "\"\(digest)\"" && head.contentLength == byteCount
    }

    /// By the first bytes: a browser shows what it knows the type of.
    private func noteType() {
        guard type == nil else { return }
        let head = Array(bytes.prefix(FileSignature.headBytes))
        type = switch FileSignature(head.span.bytes) {
        case .jpeg: "image/jpeg"
        case .png: "image/png"
        case .webp: "image/webp"
        case .pnm: "image/x-portable-anymap"
        default: "application/octet-stream"
        }
    }

    // MARK: In parts

    /// S3 takes 10000 of them: the first thousand are as the settings say, then they are four times as large.
    private var partBytes: Int { (upload?.etags.count ?? 0) < 1000 ? settings.partBytes : 4 * settings.partBytes }

    private func beginUpload() throws(TransferFault) {
        noteType()
        let answer = CollectedAnswer()
        _ = try store.ask("POST", location, headers: [HTTPHeader("Content-Type", type!)], query: [("uploads", "")], body: [], to: answer, terms)
        guard let id = XMLAnswer(answer.body)?.text("UploadId"), !id.isEmpty else { throw TransferFault(.broken, "an upload without a name") }
        upload = (id, [])
    }

    private func sendPart(_ count: Int) throws(TransferFault) {
        guard let (id, etags) = upload else { return }
        let part = Array(bytes.prefix(count))
        let head = try store.ask("PUT", location, query: [("partNumber", String(etags.count + 1)), ("uploadId", id)], body: part, terms)
        guard let etag = head["etag"], !etag.isEmpty else { throw TransferFault(.broken, "a part without an etag") }
        upload!.etags.append(etag)
        bytes.removeFirst(part.count)
    }

    private func complete() throws(TransferFault) {
        try sendPart(bytes.count)
        guard let (id, etags) = upload else { return }
        let parts = etags.enumerated().map { "<Part><PartNumber>\($0.offset + 1)</PartNumber><ETag>\(Self.escaped($0.element))</ETag></Part>" }
        let text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(parts.joined())</CompleteMultipartUpload>"
        let answer = CollectedAnswer()
        do throws(TransferFault) {
            let head = try store.ask(
                "POST", location, headers: [HTTPHeader("Content-Type", "application/xml")] + conditions, query: [("uploadId", id)], body: Array(text.utf8),
                to: answer, terms)
            // S3 begins its answer before it knows.
            guard XMLAnswer(answer.body)?.name == "CompleteMultipartUploadResult" else {
                throw TransferFault(head, body: answer.body, isSigned: true, tries: 1)
            }
        } catch {
            // Done by a try whose answer was lost.
            if case .missing = error.kind, error.tries > 1, case let head? = try? store.ask("HEAD", location), head.contentLength == byteCount,
                head["etag"]?.hasSuffix("-\(etags.count)\"") ?? false
            {
                return
            }
            throw error
        }
    }

    private static func escaped(_ text: String) -> String {
        let parts = text.map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            default: String(character)
            }
        }
        return parts.joined()
    }

    /// Parts that nobody completes would be paid for.
    private func abandon() {
        if let upload, !isDone { _ = try? store.ask("DELETE", location, query: [("uploadId", upload.id)]) }
        upload = nil
    }
}
