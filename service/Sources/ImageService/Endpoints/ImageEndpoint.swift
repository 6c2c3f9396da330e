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
    let limits: Limits
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
        let claim = WorkQueue.Claim(urgency: try Urgency(request.headers), connection: connection)
        let known = request.headers[.ifNoneMatch]
        let picture = try await picture(key, wish, known, claim)
        var response = Response(picture, of: wish)
        response.headers[.cacheControl] = "public, max-age=\(maxAge)"
        guard let known, HeaderValue.matches(known, picture.etag) else { return response }
        var unchanged = Response(status: .notModified)
        unchanged.headers[.contentLength] = nil
        for name in [HTTPField.Name.eTag, .cacheControl, .vary] { unchanged.headers[name] = response.headers[name] }
        return unchanged
    }

    /// One that is kept, or that the client has, costs a look at the store, and no place in the queue.
    private func picture(_ key: [UInt8], _ wish: Wish, _ known: String?, _ claim: WorkQueue.Claim) async throws -> Picture {
        guard let version = try await store.version(of: key) else {
            return try await queue.picture(claim) { (turn, order) throws(ImageError) in
                // Nothing says whether it is the same as before: its bytes do.
                var picture = try make(key, nil, "", wish, turn, order)
                picture.etag = picture.bytes.withUnsafeReadableBytes { Self.etag([Array($0)]) }
                return picture
            }
        }
        let tag = etag(key, version, wish)
        if let known, HeaderValue.matches(known, tag) {
            return Picture(bytes: ByteBuffer(), format: wish.format, report: Pipeline.Report(), etag: tag, inputBytes: 0)
        }
        if let kept = cache.peek(tag) { return kept.withoutTimes }
        return try await queue.picture(claim, sharing: tag) { (turn, order) throws(ImageError) in
            var isMade = false
            // By nobody else at this time, but for one whose clients have all left: he ends soon.
            let picture = try cache.value(for: tag) { () throws(ImageError) in
                isMade = true
                let picture = try make(key, version, tag, wish, turn, order)
                return (picture, picture.cost)
            }
            return isMade ? picture : picture.withoutTimes
        }
    }

    /// On a thread of the scheduler, which may wait for the store.
    private func make(
        _ key: [UInt8], _ version: String?, _ tag: String, _ wish: Wish, _ turn: WorkQueue.Turn, _ order: Order
    ) throws(ImageError) -> Picture {
        turn.willWait()
        let start = Deadline.now
        let pool = BufferPool(limits: limits)
        pool.deadline.begin(latest: turn.entry.expiry)
        let entry = try store.open(key, pool: pool)
        // The other version's picture under this one's tag would stay wrong as long as it is kept.
        guard version == nil || entry.version == version else { throw .transferFailed("has changed while it was read") }
        return try compress(entry, tag, wish, turn, order, Deadline.now - start)
    }

    private func compress(
        _ entry: borrowing PictureStore.Entry, _ tag: String, _ wish: Wish, _ turn: WorkQueue.Turn, _ order: Order, _ read: UInt64
    ) throws(ImageError) -> Picture {
        do throws(ImageError) {
            let (sink, report, waited) = try queue.compress(
                entry.descriptor, inputBytes: entry.byteCount, readNanoseconds: read, wish.recipe, as: wish.format, turn, order)
            try entry.file?.check()
            return Picture(
                bytes: sink.buffer, format: wish.format, report: report, etag: tag, inputBytes: entry.byteCount, queueNanoseconds: waited,
                readNanoseconds: read)
        } catch {
            // What looks like a damaged picture may be a store that has stopped in its middle.
            try entry.file?.check()
            throw error
        }
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

extension Picture {
    /// What it counts in the cache: its bytes, and what stands around them.
    fileprivate var cost: Int { bytes.readableBytes + 512 }

    /// As who has not waited for its making gets it.
    fileprivate var withoutTimes: Picture {
        var picture = self
        (picture.report.durations.decode, picture.report.durations.resize, picture.report.durations.encode) = (0, 0, 0)
        (picture.queueNanoseconds, picture.readNanoseconds) = (0, 0)
        return picture
    }
}
