import Glibc
import ImageCore

/// Objects of Amazon S3 and of what speaks its protocol.
final class S3Store: RemoteStore {
    let transport: Transport
    private let endpoint: S3Endpoint
    private let signer: S3Signer?

    var isSigned: Bool? { signer != nil }

    /// Throws `usage` where the endpoint is none.
    init(_ settings: StorageSettings) throws(ImageError) {
        transport = Transport(settings)
        endpoint = try S3Endpoint(settings)
        signer = settings.credentials.map { S3Signer(credentials: $0, region: settings.region) }
    }

    private static let hashOfNothing = Digest.hex(Digest.sha256(""))

    func request(_ method: String, _ location: Location, headers: [HTTPHeader], query: [(String, String)], body: [UInt8]?, date: Int64) -> HTTPRequest {
        guard case .s3(let bucket, let key) = location else { preconditionFailure("no object of S3") }
        let (host, path) = endpoint.place(bucket: bucket, key: key)
        let pairs = query.map { (PercentEncoding.encode($0.0.utf8), PercentEncoding.encode($0.1.utf8)) }
        let text = pairs.sorted { $0.0 == $1.0 ? $0.1 < $1.1 : $0.0 < $1.0 }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
        let hash = if let body { Digest.hex(Digest.sha256(body.span.bytes)) } else { Self.hashOfNothing }
        var all = [HTTPHeader("Host", host), HTTPHeader("x-amz-content-sha256", hash)] + headers
        if let signer { all += signer.sign(method: method, path: path, query: text, headers: all, payloadHash: hash, date: date) }
        return HTTPRequest(
            method: method, url: "\(endpoint.scheme)://\(host)\(path)\(text.isEmpty ? "" : "?")\(text)", headers: all, body: body,
            certificates: transport.settings.s3Certificates)
    }

    // MARK: Lists

    private static let mostPageBytes = 32 << 20

    func list(_ prefix: Location, _ each: (ListedFile) throws(ImageError) -> Bool) throws(ImageError) {
        guard case .s3(let bucket, let start) = prefix else { preconditionFailure("no bucket of S3") }
        let text = String(decoding: start, as: UTF8.self)
        guard Array(text.utf8) == start else { throw .usage("keys of S3 are UTF-8") }
        // Of some keys XML can tell only when they are encoded, and stores do not agree on how; so only when it must be.
        var (isEncoded, token): (Bool, String?) = (false, nil)
        while true {
            var query = [("list-type", "2"), ("prefix", text)]
            if let token { query.append(("continuation-token", token)) }
            if isEncoded { query.append(("encoding-type", "url")) }
            let answer = CollectedAnswer(mostBytes: Self.mostPageBytes)
            do throws(TransferFault) {
                _ = try ask("GET", .s3(bucket: bucket, key: []), query: query, to: answer)
            } catch {
                throw error.ofOpening
            }
            guard !answer.isTooLarge, let root = XMLAnswer(answer.body), root.name == "ListBucketResult" else {
                if isEncoded || answer.isTooLarge { throw .transferFailed("a list that cannot be read") }
                isEncoded = true
                continue
            }
            let isDecoded = root.text("EncodingType") == "url"
            for object in root.children where object.name == "Contents" {
                guard let text = object.text("Key"), !text.isEmpty else { throw .transferFailed("a list with an object that has no key") }
                let key = isDecoded ? PercentEncoding.decode(Array(text.utf8), plusIsSpace: true) : Array(text.utf8)
                let file = StoredFile(
                    byteCount: object.text("Size").flatMap { UInt64($0) }, modified: object.text("LastModified").flatMap(Self.time), etag: object.text("ETag"))
                guard try each(ListedFile(.s3(bucket: bucket, key: key), file)) else { return }
            }
            guard root.text("IsTruncated") == "true" else { return }
            // Without an end otherwise.
            guard let next = root.text("NextContinuationToken"), !next.isEmpty, next != token else { throw .transferFailed("a list that does not go on") }
            token = next
        }
    }

    /// Of "2009-10-12T17:50:30.000Z".
    private static func time(_ text: String) -> Duration? {
        let numbers = text.utf8.split { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }.prefix(6).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
        guard numbers.count == 6, (1970...9999).contains(numbers[0]) else { return nil }
        var fields = tm()
        (fields.tm_year, fields.tm_mon, fields.tm_mday) = (numbers[0] - 1900, numbers[1] - 1, numbers[2])
        (fields.tm_hour, fields.tm_min, fields.tm_sec) = (numbers[3], numbers[4], numbers[5])
        return .seconds(timegm(&fields))
    }

    // MARK: Writing

    func sink(for location: Location, mayReplace: Bool, synchronizes: Bool, pool: BufferPool) throws(ImageError) -> any ByteSink {
        guard case .s3(_, let key) = location, !key.isEmpty else { throw .usage("s3://bucket/key needs a key") }
        if !mayReplace {
            do throws(TransferFault) {
                if try ask("HEAD", location, Transport.Terms(deadline: pool.deadline), accepted: [404]).isSuccess { throw TransferFault(.precondition, "file exists") }
            } catch {
                throw error.ofWriting
            }
        }
        return S3Sink(self, location, mayReplace: mayReplace, Transport.Terms(deadline: pool.deadline))
    }
}
