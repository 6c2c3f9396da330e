import ImageCore

/// Where buckets are, and how a URL names one.
struct S3Endpoint: Sendable {
    /// "https" or "http".
    let scheme: String
    /// With the port, where that is not the scheme's own.
    let host: String
    /// Before the bucket; empty or begins with a slash.
    let basePath: String
    private let usesPaths: Bool

    /// Throws `usage` for an AWS_ENDPOINT_URL that is no URL of a server.
    init(_ settings: StorageSettings) throws(ImageError) {
        let amazon = "s3.\(settings.region).amazonaws.com\(settings.region.hasPrefix("cn-") ? ".cn" : "")"
        guard let text = settings.endpoint else {
            (scheme, host, basePath, usesPaths) = ("https", amazon, "", settings.usesPaths ?? false)
            return
        }
        let parts = text.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[1].isEmpty, ["http:", "https:"].contains(parts[0].lowercased()), !parts[2].isEmpty,
            parts[2].utf8.allSatisfy({ PercentEncoding.isUnreserved($0) || [UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains($0) }),
            parts.count == 3 || !parts[3].contains("?") && !parts[3].contains("#")
        else { throw .usage("AWS_ENDPOINT_URL is no URL of a server: http://host:port or https://host") }
        scheme = String(parts[0].dropLast().lowercased())
        let port = scheme == "https" ? ":443" : ":80"
        let authority = parts[2].lowercased()
        host = authority.hasSuffix(port) ? String(authority.dropLast(port.count)) : authority
        var path = parts.count == 4 ? "/" + parts[3] : ""
        while path.hasSuffix("/") { path.removeLast() }
        basePath = PercentEncoding.encode(PercentEncoding.decode(Array(path.utf8)), keepsSlash: true)
        usesPaths = settings.usesPaths ?? !(host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn"))
    }

    /// The host, and the path encoded. A bucket with a dot has no name that its certificate covers.
    func place(bucket: String, key: [UInt8]) -> (host: String, path: String) {
        let key = PercentEncoding.encode(key, keepsSlash: true)
        return usesPaths || bucket.contains(".") || bucket.contains("_")
            ? (host, "\(basePath)/\(bucket)\(key.isEmpty ? "" : "/")\(key)") : ("\(bucket).\(host)", "\(basePath)/\(key)")
    }
}
