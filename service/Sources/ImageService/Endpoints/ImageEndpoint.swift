import FilterSupport
import Glibc
import HTTPTypes
import HummingbirdCore
import ImageCodecs
import ImageCore
import ImageJobs
import Multipart
import NIOCore
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

    func answer(_ request: Request, _ path: Substring, _ query: Query, _ connection: Connection?) async throws -> Response {
        let key = try PictureStore.key(ofPath: path)
        let wish = try Wish(query, recipes, name: key, accept: request.headers[.accept])
        let urgency = try Urgency(request.headers)
        let known = request.headers[.ifNoneMatch]
        let picture = try await queue.picture(priority: urgency.priority, expiry: urgency.expiry, for: connection) { (turn, order) throws(ImageError) in
            try make(key, wish, known, turn, order)
        }
        var response = Response(picture, of: wish)
        response.headers[.cacheControl] = "public, max-age=\(maxAge)"
        guard let known, HeaderValue.matches(known, picture.etag) else { return response }
        var unchanged = Response(status: .notModified)
        unchanged.headers[.contentLength] = nil
        for name in [HTTPField.Name.eTag, .cacheControl, .vary] { unchanged.headers[name] = response.headers[name] }
        return unchanged
    }

    /// On a thread of the scheduler, which may wait for the store.
    private func make(_ key: [UInt8], _ wish: Wish, _ known: String?, _ turn: WorkQueue.Turn, _ order: WorkQueue.Order) throws(ImageError) -> Picture {
        turn.willWait()
        let start = Deadline.now
        let pool = BufferPool(limits: limits)
        pool.deadline.begin(latest: turn.entry.expiry)
        if let version = try store.version(of: key) {
            return try picture(key, version, wish, known, turn, order) { () throws(ImageError) in try store.open(key, pool: pool) }
        }
        let entry = try store.open(key, pool: pool)
        let read = Deadline.now - start
        guard let version = entry.version else {
            // Nothing says whether it is the same as before: its bytes do.
            var picture = try compress(entry, "", wish, turn, order, read)
            picture.etag = picture.bytes.withUnsafeReadableBytes { Self.etag([Array($0)]) }
            return picture
        }
        let tag = etag(key, version, wish)
        if let known, HeaderValue.matches(known, tag) { return Self.unchanged(tag, wish) }
        var isMade = false
        let found = try cache.value(for: tag, latest: turn.entry.expiry) { () throws(ImageError) in
            isMade = true
            let picture = try compress(entry, tag, wish, turn, order, read)
            return (picture, picture.cost)
        }
        // Another is still at it.
        guard var picture = found else { throw .outOfTime(seconds: 0) }
        if !isMade { picture.forgetTimes() }
        return picture
    }

    /// Of a store that has said the version before the file was read.
    private func picture(
        _ key: [UInt8], _ version: String, _ wish: Wish, _ known: String?, _ turn: WorkQueue.Turn, _ order: WorkQueue.Order,
        _ open: () throws(ImageError) -> PictureStore.Entry
    ) throws(ImageError) -> Picture {
        let tag = etag(key, version, wish)
        if let known, HeaderValue.matches(known, tag) { return Self.unchanged(tag, wish) }
        var isMade = false
        let found = try cache.value(for: tag, latest: turn.entry.expiry) { () throws(ImageError) in
            isMade = true
            let start = Deadline.now
            let entry = try open()
            // The other version's picture under this one's tag would stay wrong as long as it is kept.
            guard entry.version == version else { throw .transferFailed("has changed while it was read") }
            let picture = try compress(entry, tag, wish, turn, order, Deadline.now - start)
            return (picture, picture.cost)
        }
        // Another is still at it.
        guard var picture = found else { throw .outOfTime(seconds: 0) }
        if !isMade { picture.forgetTimes() }
        return picture
    }

    private func compress(
        _ entry: borrowing PictureStore.Entry, _ tag: String, _ wish: Wish, _ turn: WorkQueue.Turn, _ order: WorkQueue.Order, _ read: UInt64
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

    /// Known before the picture is made: the same file, options and program give the same bytes.
    private func etag(_ key: [UInt8], _ version: String, _ wish: Wish) -> String {
        Self.etag([key, Array(version.utf8), Array(wish.format.rawValue.utf8), Array(Version.text.utf8)] + wish.recipe.words.map { Array($0.utf8) })
    }

    private static func etag(_ texts: [[UInt8]]) -> String {
        let bytes = Array(texts.joined(separator: [0]))
        return "\"\(Digest.hex(Digest.sha256(bytes.span.bytes)).prefix(32))\""
    }

    private static func unchanged(_ tag: String, _ wish: Wish) -> Picture {
        Picture(bytes: ByteBuffer(), format: wish.format, report: Pipeline.Report(), etag: tag, inputBytes: 0)
    }
}

extension Picture {
    /// What it counts in the cache: its bytes, and what stands around them.
    fileprivate var cost: Int { bytes.readableBytes + 512 }

    /// They were another request's.
    fileprivate mutating func forgetTimes() {
        (report.durations.decode, report.durations.resize, report.durations.encode) = (0, 0, 0)
        (queueNanoseconds, readNanoseconds) = (0, 0)
    }
}
