import Glibc
import Storage

/// Signed URLs: who has the key says which pictures and sizes may be asked for.
///
/// The signature is the query's `sign`: HMAC-SHA256 in hexadecimal (RFC 2104) of the path as it stands in the URL, a question mark, and the
/// other names and values, each as in the URL, sorted as bytes and joined by &. `expires`, seconds since 1970, is one of them where it stands.
public struct URLSignature: Sendable {
    private let key: [UInt8]

    /// `key`: the file's bytes, without the line's end that editors add.
    public init(key: [UInt8]) {
        var key = key
        while let last = key.last, last == 0x0a || last == 0x0d { key.removeLast() }
        self.key = key
    }

    package var isUsable: Bool { key.count >= 16 }

    /// For the URL's path and its query without `sign`.
    public func sign(path: String, query: String) -> String {
        let pairs = query.utf8.split(separator: UInt8(ascii: "&")).map { Array($0) }.sorted { $0.lexicographicallyPrecedes($1) }
        return Digest.hex(Digest.hmac(key: key, path + "?" + String(decoding: Array(pairs.joined(separator: [UInt8(ascii: "&")])), as: UTF8.self)))
    }

    /// Throws 403 where the signature is missing, wrong or out of time. `now`: seconds since 1970.
    package func check(path: String, query: String?, now: Int = time(nil)) throws(ServiceFault) {
        func refused(_ detail: String) -> ServiceFault { ServiceFault(.forbidden, "signature", detail) }
        let pairs = (query ?? "").split(separator: "&", omittingEmptySubsequences: true)
        let signatures = pairs.filter { $0.hasPrefix("sign=") }
        guard signatures.count == 1 else { throw refused("a URL without a signature (sign)") }
        let rest = pairs.filter { !$0.hasPrefix("sign=") }
        let expected = sign(path: path, query: rest.joined(separator: "&"))
        guard Self.isEqual(Array(expected.utf8), Array(signatures[0].dropFirst(5).utf8)) else { throw refused("a signature that is not this URL's") }
        for pair in rest where pair.hasPrefix("expires=") {
            guard let end = Int(pair.dropFirst(8)) else { throw refused("expires is no number of seconds") }
            guard now <= end else { throw refused("a URL whose time is over (expires)") }
        }
    }

    /// In a time that does not tell where they differ.
    private static func isEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
