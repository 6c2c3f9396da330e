import ImageCodecs
import ImageCore
import ImageJobs
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

/// What a request asks for: a recipe, and the format that its answer has.
package struct Wish: Sendable {
    package let recipe: Recipe
    package let format: EncodedFormat
    /// The answer depends on the request's Accept header.
    package let isNegotiated: Bool

    /// `name`: of the picture, whose ending says the format where the query does not; empty for none. `accept`: the request's header.
    package init(_ query: Query, _ reader: RecipeReader, name: [UInt8], accept: String?) throws(ServiceFault) {
        var query = query
        isNegotiated = query.pairs.last { $0.name == "format" }?.value == "auto"
        do throws(ImageError) {
            if isNegotiated {
                _ = query.take("format")
                let isWebP = accept.map { HeaderValue.accepts("image/webp", $0) } ?? false
                recipe = try reader.recipe(query.pairs + [("format", isWebP ? "webp" : "jpeg")])
            } else {
                recipe = try reader.recipe(query.pairs)
            }
            // Another ending than those of our formats is a key's own affair.
            let ending = String(decoding: name.suffix(5), as: UTF8.self).split(separator: ".").last.map(String.init) ?? ""
            let isKnown = name.contains(UInt8(ascii: ".")) && EncodedFormat(fileExtension: ending) != nil
            format = try recipe.format(ofName: FilePath(isKnown ? name : []))
        } catch {
            throw ServiceFault(error)
        }
    }
}
