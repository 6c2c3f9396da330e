import ImageCore

/// An address to listen at: "127.0.0.1:9464", ":9464" (the same), "[::1]:9464".
public struct SocketAddress: Sendable {
    public let host: String
    public let port: String

    /// `option`: whose value `text` is; `example`: one as it may be. Throws `usage`.
    public init(_ text: String, of option: String, example: String) throws(ImageError) {
        guard let colon = text.lastIndex(of: ":"), UInt16(text[text.index(after: colon)...]) != nil else {
            throw .usage("--\(option) \(Console.printable(Array(text.utf8))) is no address with a port, as \(example)")
        }
        port = String(text[text.index(after: colon)...])
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        // Nobody else is let in unless that is said.
        self.host = host.isEmpty ? "127.0.0.1" : String(host)
    }
}
