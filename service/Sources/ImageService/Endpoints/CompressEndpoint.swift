import HTTPTypes
import HummingbirdCore
import ImageCore
import ImageJobs
import ServiceRequests

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
        let picture = try await body.picture(request, connection)
        let read = Deadline.now - (connection?.requestStart ?? Deadline.now)
        var made = try await queue.picture(Claim(urgency: urgency, connection: connection)) { [queue] (turn, order) throws(ServiceFault) in
            try queue.picture(picture, tag: nil, readNanoseconds: read, wish, turn, order)
        }
        made.readNanoseconds = read
        return Response(made, of: wish)
    }
}
