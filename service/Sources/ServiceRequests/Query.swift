import Multipart
import Storage

/// Names and values of a URL's query, as forms write them.
package struct Query: Sendable {
    package private(set) var pairs: [(name: String, value: String)] = []

    /// Throws `request` for bytes that are no text.
    package init(_ text: String?) throws(ServiceFault) {
        for pair in (text ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            pairs.append((try Self.decode(pair[..<equals]), try Self.decode(pair[equals...].dropFirst())))
        }
    }

    private static func decode(_ text: some Collection<UInt8>) throws(ServiceFault) -> String {
        let bytes = PercentEncoding.decode(text, plusIsSpace: true)
        guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else { throw .request("a query that is no text") }
        return decoded
    }

    /// Takes a name out; the last value of it.
    package mutating func take(_ name: String) -> String? {
        let value = pairs.last { $0.name == name }?.value
        pairs.removeAll { $0.name == name }
        return value
    }
}
