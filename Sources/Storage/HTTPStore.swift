import ImageCore

/// Files behind URLs, to be read.
final class HTTPStore: RemoteStore {
    let transport: Transport
    var isSigned: Bool? { nil }

    private static let mostRedirects: Int32 = 5

    init(_ settings: StorageSettings) { transport = Transport(settings) }

    func request(_ method: String, _ location: Location, headers: [HTTPHeader], query: [(String, String)], body: [UInt8]?, date: Int64) -> HTTPRequest {
        guard case .http(let url) = location else { preconditionFailure("no URL") }
        return HTTPRequest(
            method: method, url: PercentEncoding.encode(strange: url), headers: headers, body: body, mostRedirects: Self.mostRedirects,
            certificates: transport.settings.httpCertificates)
    }

    func list(_ prefix: Location, _ each: (ListedFile) throws(ImageError) -> Bool) throws(ImageError) {
        throw .usage("only s3:// and directories can be listed")
    }

    func sink(for location: Location, mayReplace: Bool, synchronizes: Bool, pool: BufferPool) throws(ImageError) -> any ByteSink {
        throw .usage("http and https are for reading; write to s3://bucket/key or a path")
    }
}
