import Glibc

/// What signs requests. No part of it goes into a message.
public struct Credentials: Sendable {
    public let accessKey: String
    let secret: String
    /// Of temporary ones.
    let sessionToken: String?

    public init(accessKey: String, secret: String, sessionToken: String? = nil) {
        (self.accessKey, self.secret, self.sessionToken) = (accessKey, secret, sessionToken)
    }
}

extension Credentials: CustomStringConvertible, CustomReflectable {
    public var description: String { "credentials" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// AWS Signature Version 4 in a header, as the Amazon S3 API reference has it ("Signature Calculations for the Authorization Header:
/// Transferring Payload in a Single Chunk"). Our own, because libcurl 7.88's neither sorts nor encodes nor hashes.
struct S3Signer: Sendable {
    let credentials: Credentials
    let region: String

    /// `path` and `query` as they stand in the URL, encoded, the query sorted. `headers`: all that are to be signed, host and
    /// x-amz-content-sha256 among them; names in any case. `date`: seconds since 1970. Gives those that are to be added.
    func sign(
        method: String, path: String, query: String, headers: [HTTPHeader], payloadHash: String, date: Int64
    ) -> [HTTPHeader] {
        let time = Self.timestamp(date)
        var added = [HTTPHeader("x-amz-date", time)]
        if let token = credentials.sessionToken { added.append(HTTPHeader("x-amz-security-token", token)) }
        let signed = (headers + added).map { ($0.name.lowercased(), Self.folded($0.value)) }.sorted { Array($0.0.utf8).lexicographicallyPrecedes($1.0.utf8) }
        let names = signed.map(\.0).joined(separator: ";")
        let canonical = [method, path, query, signed.map { "\($0.0):\($0.1)\n" }.joined(), names, payloadHash].joined(separator: "\n")
        let scope = "\(time.prefix(8))/\(region)/s3/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Digest.hex(Digest.sha256(canonical)))"
        var key = Array("AWS4\(credentials.secret)".utf8)
        for part in [String(time.prefix(8)), region, "s3", "aws4_request"] { key = Digest.hmac(key: key, part) }
        let signature = Digest.hex(Digest.hmac(key: key, text))
        added.append(
            HTTPHeader("Authorization", "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope),SignedHeaders=\(names),Signature=\(signature)"))
        return added
    }

    /// "20130524T000000Z".
    static func timestamp(_ date: Int64) -> String {
        var (seconds, fields) = (time_t(date), tm())
        gmtime_r(&seconds, &fields)
        func two(_ value: Int32) -> String { (value < 10 ? "0" : "") + String(value) }
        return "\(fields.tm_year + 1900)\(two(fields.tm_mon + 1))\(two(fields.tm_mday))T\(two(fields.tm_hour))\(two(fields.tm_min))\(two(fields.tm_sec))Z"
    }

    /// Without spaces around it, and one for several.
    private static func folded(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }
}
