import Glibc
import ImageCore

/// How stores are reached. The defaults are measured (docs/measurements.md) or those of AWS' own programs.
public struct StorageSettings: Sendable {
    public var connectSeconds = 10.0
    /// So long nothing may come and nothing go.
    public var stallSeconds = 30.0
    /// Of one request, the first among them.
    public var tries = 4
    /// Before the second try; twice as long each time.
    public var backoffSeconds = 0.2
    /// What a server may ask for (Retry-After) too.
    public var mostBackoffSeconds = 10.0

    /// What the first request asks for: a file up to this size takes no other.
    public var firstBytes = 1 << 20
    /// From this size on a file is read ahead by ranges, and is a pipe; below it is in memory.
    public var readAheadBytes: UInt64 = 16 << 20
    /// Of one such range; two are held.
    public var windowBytes = 4 << 20

    /// Beyond it an object is sent in parts.
    public var singlePutBytes = 64 << 20
    public var partBytes = 16 << 20

    public var credentials: Credentials?
    public var region = "us-east-1"
    /// Nil: Amazon's, of the region.
    public var endpoint: String?
    /// `AWS_S3_ADDRESSING_STYLE`; nil: as the endpoint's host suggests.
    public var usesPaths: Bool?
    /// PEM files; nil for the system's.
    public var s3Certificates: String?
    public var httpCertificates: String?

    public init() {}

    /// What the environment says. Throws `usage` for what is none of the values that a variable can have.
    public init(environment variable: (String) -> String?) throws(ImageError) {
        func first(_ names: String...) -> String? { names.compactMap { variable($0) }.first { !$0.isEmpty } }
        if let text = first("IMG_STORAGE_TIMEOUT") {
            guard let seconds = Double(text), seconds.isFinite, seconds > 0 else { throw .usage("IMG_STORAGE_TIMEOUT is no number of seconds") }
            stallSeconds = seconds
            connectSeconds = min(connectSeconds, seconds)
        }
        region = first("AWS_REGION", "AWS_DEFAULT_REGION") ?? region
        guard region.utf8.allSatisfy({ PercentEncoding.isUnreserved($0) }) else { throw .usage("AWS_REGION is no name of a region") }
        endpoint = first("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        switch first("AWS_S3_ADDRESSING_STYLE") {
        case nil, "auto": break
        case "path": usesPaths = true
        case "virtual": usesPaths = false
        default: throw .usage("AWS_S3_ADDRESSING_STYLE is none of auto, path, virtual")
        }
        httpCertificates = first("CURL_CA_BUNDLE", "SSL_CERT_FILE")
        s3Certificates = first("AWS_CA_BUNDLE") ?? httpCertificates
        if let accessKey = first("AWS_ACCESS_KEY_ID"), let secret = first("AWS_SECRET_ACCESS_KEY") {
            credentials = Credentials(accessKey: accessKey, secret: secret, sessionToken: first("AWS_SESSION_TOKEN"))
        } else if let path = first("AWS_SHARED_CREDENTIALS_FILE") ?? first("HOME").map({ $0 + "/.aws/credentials" }) {
            credentials = CredentialsFile.credentials(of: first("AWS_PROFILE") ?? "default", in: FilePath(path))
        }
        if let credentials, !credentials.isSendable { throw .usage("the AWS credentials have characters that no header may have") }
    }

    @Sendable public static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Credentials {
    /// They become part of headers.
    fileprivate var isSendable: Bool { (accessKey + (sessionToken ?? "")).utf8.allSatisfy { (0x21...0x7e).contains($0) } }
}

/// The file that AWS' programs share: sections, and `name = value` in them.
enum CredentialsFile {
    private static let mostBytes = 1 << 20

    /// Nil where there are none, or the file cannot be read.
    static func credentials(of profile: String, in path: FilePath) -> Credentials? {
        guard let text = content(path) else { return nil }
        var (section, values): (Substring, [String: String]) = ("", [:])
        for line in text.split(whereSeparator: \.isNewline).map(trimmed) where !line.hasPrefix("#") && !line.hasPrefix(";") {
            if line.hasPrefix("["), let end = line.firstIndex(of: "]") {
                section = trimmed(line[line.index(after: line.startIndex)..<end])
            } else if section == profile, let equals = line.firstIndex(of: "=") {
                values[trimmed(line[..<equals]).lowercased()] = String(trimmed(line[line.index(after: equals)...]))
            }
        }
        guard let accessKey = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else { return nil }
        return Credentials(accessKey: accessKey, secret: secret, sessionToken: values["aws_session_token"])
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text.drop { $0.isWhitespace }
    }

    private static func content(_ path: FilePath) -> String? {
        do throws(ImageError) {
            let descriptor = try Descriptor.open(reading: path)
            guard descriptor.kind == S_IFREG else { return nil }
            let source = try ByteSource(descriptor, pool: BufferPool(limitBytes: mostBytes))
            var bytes: [UInt8] = []
            while bytes.count < mostBytes, try source.refill() > 0 {
                bytes += source.window
                source.skip(source.waitingCount)
            }
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            return nil
        }
    }
}
