import HTTPTypes
import HummingbirdCore
import ImageCore
import ImageJobs
import Multipart
import ServiceRequests
import Storage

/// `POST /compress`: a picture in, a smaller one out.
struct CompressEndpoint: Sendable {
    let queue: WorkQueue
    let recipes: RecipeReader
    let body: BodyReader

    func answer(_ request: Request, _ query: Query, _ connection: Connection?) async throws -> Response {
        let wish = try Wish(query, recipes, name: [], accept: request.headers[.accept])
        let urgency = try Urgency(request.headers)
        try body.check(request.head)
        // Before the body is read: what would be turned away behind it need not be sent.
        if queue.isFull { throw ServiceFault.full }
        let picture = UncheckedPicture(try await body.picture(request, connection))
        let read = Deadline.now - (connection?.requestStart ?? Deadline.now)
        var made = try await queue.picture(WorkQueue.Claim(urgency: urgency, connection: connection)) { [queue] (turn, order) throws(ImageError) in
            let file = try picture.posted.open()
            let inputBytes = UInt64(picture.posted.byteCount)
            let (sink, report, waited) = try queue.compress(file, inputBytes: inputBytes, readNanoseconds: read, wish.recipe, as: wish.format, turn, order)
            let digest = sink.buffer.withUnsafeReadableBytes { Digest.hex(Digest.sha256($0.bytes)) }
            return Picture(
                bytes: sink.buffer, format: wish.format, report: report, etag: "\"\(digest.prefix(32))\"", inputBytes: inputBytes,
                queueNanoseconds: waited)
        }
        made.readNanoseconds = read
        return Response(made, of: wish)
    }

    /// One thread at a time has it: the one that reads the body, then the one that hands it to a worker.
    private struct UncheckedPicture: @unchecked Sendable {
        let posted: PostedPicture

        init(_ posted: PostedPicture) { self.posted = posted }
    }
}
