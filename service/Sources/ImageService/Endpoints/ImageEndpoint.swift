import FilterSupport
import Glibc
import HTTPTypes
import HummingbirdCore
import ImageCodecs
import ImageCore
import ImageJobs
import Multipart
import NIOCore
import ServiceRequests
import Storage

/// `GET /image/KEY`: a picture of the storage, made smaller, once for all who ask for it.
struct ImageEndpoint: Sendable {
    let queue: WorkQueue
    let recipes: RecipeReader
    let store: PictureStore
    /// By entity tag.
    let cache: Cache2Q<String, Picture>
    let maxAge: Int

    /// Those who wait for what another has asked for wait in the queue.
    var statistics: ResultCache.Statistics {
        var statistics = cache.statistics
        statistics.waits += queue.joins
        return statistics
    }

    func answer(_ request: Request, _ path: Substring, _ query: Query, _ connection: Connection?) async throws -> Response {
        let key = try PictureKey(path: path).bytes
        let wish = try Wish(query, recipes, name: key, accept: request.headers[.accept])
        let claim = Claim(urgency: try Urgency(request.headers), connection: connection)
        let known = request.headers[.ifNoneMatch]
        let picture = try await current(key, wish, known, claim)
        var response = Response(picture, of: wish)
        response.headers[.cacheControl] = "public, max-age=\(maxAge)"
        guard let known, HeaderValue.matches(known, picture.etag) else { return response }
        var unchanged = Response(status: .notModified)
        unchanged.headers[.contentLength] = nil
        for name in [HTTPField.Name.eTag, .cacheControl, .vary] { unchanged.headers[name] = response.headers[name] }
        return unchanged
    }

    private func current(_ key: [UInt8], _ wish: Wish, _ known: String?, _ claim: Claim) async throws(ServiceFault) -> Picture {
        do {
            return try await picture(key, wish, known, claim)
        } catch {
            guard error.isOfChange else { throw error }
        }
        // The other version, then; not for ever.
        return try await picture(key, wish, known, claim)
    }

    /// One that is kept, or that the client has, costs a look at the store, and no place in the queue.
    private func picture(_ key: [UInt8], _ wish: Wish, _ known: String?, _ claim: Claim) async throws(ServiceFault) -> Picture {
        let version = try await store.version(of: key, claim)
        let tag = version.map { etag(key, $0.text, wish) }
        if let tag, let known, HeaderValue.matches(known, tag) {
            return Picture(bytes: ByteBuffer(), format: wish.format, report: Pipeline.Report(), etag: tag, inputBytes: 0)
        }
        if let tag, let kept = cache.peek(tag) { return kept.withoutTimes }
        return try await queue.picture(claim, sharing: tag, hasten: { store.hasten($0) }) { order in
            if store.isRemote { return queue.isFull ? .full : fetch(key, version, tag, wish, order) }
            let isSubmitted = queue.submit(order) { (turn, order) throws(ServiceFault) in
                let file = try store.open(key)
                // The other version's picture under this one's tag would stay wrong as long as it is kept.
                guard file.version == version?.text else { throw .changed }
                return keep(try queue.picture(file.descriptor, inputBytes: file.byteCount, tag: tag, readNanoseconds: 0, wish, turn, order), tag)
            }
            return isSubmitted ? nil : .full
        }
    }

    private func fetch(_ key: [UInt8], _ version: PictureStore.Version?, _ tag: String?, _ wish: Wish, _ order: Order<Picture>) -> ServiceFault? {
        let start = Deadline.now
        return store.fetch(key, of: version, for: order) { result in
            switch result {
            case .failure(let fault): queue.fail(order, fault)
            case .success(let held):
                let read = Deadline.now - start
                let isSubmitted = queue.submit(order) { (turn, order) throws(ServiceFault) in
                    // Where nothing says whether it is the same as before its bytes do, and it is not kept.
                    keep(try queue.picture(held, tag: tag, readNanoseconds: read, wish, turn, order), tag)
                }
                if !isSubmitted { queue.fail(order, .full) }
            }
        }
    }

    private func keep(_ picture: Picture, _ tag: String?) -> Picture {
        if let tag { cache.insert(picture, for: tag, byteCount: picture.cost) }
        return picture
    }

    // MARK: Entity tags

    /// Known before the picture is made: the same file, options, program and libraries give the same bytes.
    private func etag(_ key: [UInt8], _ version: String, _ wish: Wish) -> String {
        Self.etag([key] + ([version, wish.format.rawValue] + Self.makers + wish.recipe.words).map { Array($0.utf8) })
    }

    private static let makers = [Version.text] + CodecLibraries.versions

    private static func etag(_ texts: [[UInt8]]) -> String {
        let bytes = Array(texts.joined(separator: [0]))
        return "\"\(Digest.hex(Digest.sha256(bytes.span.bytes)).prefix(32))\""
    }
}
