import ImageCodecs
import ImageCore
import ImageJobs
import Multipart
import Storage

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
