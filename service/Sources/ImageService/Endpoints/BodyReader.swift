import Glibc
import HTTPTypes
import HummingbirdCore
import ImageCore
import Multipart
import ServiceRequests
import Synchronization

/// Bytes of bodies that are held, of all requests together: who would go over it is turned away.
final class BodyBudget: Sendable {
    private let held = Atomic<Int>(0)
    let most: Int

    init(most: Int) { self.most = most }

    var heldBytes: Int { held.load(ordering: .relaxed) }

    fileprivate func take(_ count: Int) -> Bool {
        if held.wrappingAdd(count, ordering: .relaxed).newValue <= most { return true }
        give(count)
        return false
    }

    fileprivate func give(_ count: Int) { held.wrappingSubtract(count, ordering: .relaxed) }
}

/// A picture that was posted, in a file in memory, which a worker gets to read.
final class PostedPicture {
    private let file: MemoryFile
    private let budget: BodyBudget
    private(set) var byteCount = 0

    init(_ budget: BodyBudget) throws(ImageError) {
        self.budget = budget
        file = try MemoryFile()
    }

    deinit { budget.give(byteCount) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(ServiceFault) {
        guard budget.take(bytes.count) else { throw ServiceFault(.serviceUnavailable, "full", "too many bytes wait; come again", retryAfter: 1) }
        byteCount += bytes.count
        do throws(ImageError) { try file.write(bytes.bytes) } catch { throw ServiceFault(error) }
    }

    /// Another one is the picture after all.
    func reset() throws(ServiceFault) {
        do throws(ImageError) { try file.reset() } catch { throw ServiceFault(error) }
        budget.give(byteCount)
        byteCount = 0
    }

    /// For reading, at a place of its own.
    func open() throws(ImageError) -> Descriptor { try file.descriptor() }
}

/// Reads the picture out of a request's body.
struct BodyReader {
    let mostBytes: Int
    let budget: BodyBudget

    /// Before a byte is read: throws for a body that is said to be too long, or that is packed.
    func check(_ head: HTTPRequest) throws(ServiceFault) {
        if let encoding = head.headerFields[.contentEncoding], encoding.trimmed.lowercased() != "identity" {
            throw ServiceFault(.unsupportedMediaType, "encoding", "a body with a Content-Encoding; send the picture as it is")
        }
        // Digits alone, as the decoder has seen; of more than there are numbers for.
        if let length = head.headerFields[.contentLength], (Int(length) ?? .max) > mostBytes { throw .tooLarge(mostBytes) }
    }

    /// Raw, or of multipart/form-data the part called file, or without one the first.
    func picture(_ request: Request, _ connection: Connection?) async throws -> PostedPicture {
        try check(request.head)
        let boundary: [UInt8]?
        do throws(MultipartParser.Fault) {
            boundary = try MultipartParser.boundary(of: request.headers[.contentType] ?? "")
        } catch {
            throw ServiceFault.request(error.detail)
        }
        let picture: PostedPicture
        do throws(ImageError) { picture = try PostedPicture(budget) } catch { throw ServiceFault(error) }
        if request.headers[.expect] != nil { connection?.wantBody() }
        var form = boundary.map { FormPicture($0, picture) }
        var count = 0
        do {
            for try await bytes in request.body {
                count += bytes.readableBytes
                guard count <= mostBytes else { throw ServiceFault.tooLarge(mostBytes) }
                try bytes.withUnsafeReadableBytes { bytes in
                    if form == nil { try picture.write(bytes) } else { try form!.push(bytes) }
                }
            }
        } catch let fault as ServiceFault {
            throw fault
        } catch {
            if connection?.isTimedOut ?? false { throw ServiceFault.readTimeout }
            if connection?.isGone ?? false { throw ServiceFault.gone }
            // Not HTTP, which Hummingbird answers.
            throw error
        }
        if connection?.isTimedOut ?? false { throw ServiceFault.readTimeout }
        // A client that leaves in the middle looks like one that has ended its body.
        if connection?.isGone ?? false { throw ServiceFault.gone }
        try form?.end()
        guard picture.byteCount > 0 else { throw ServiceFault.request("an empty body; post a picture") }
        return picture
    }
}

/// The picture of a form, as its parts come.
private struct FormPicture {
    private var parser: MultipartParser
    private let picture: PostedPicture
    private enum Taken { case nothing, first, named }
    private var taken = Taken.nothing
    private var isTaking = false

    init(_ boundary: [UInt8], _ picture: PostedPicture) { (parser, self.picture) = (MultipartParser(boundary: boundary), picture) }

    mutating func push(_ bytes: UnsafeRawBufferPointer) throws(ServiceFault) {
        var (taken, isTaking) = (taken, isTaking)
        do throws(MultipartError<ServiceFault>) {
            try parser.push(bytes) { (event) throws(ServiceFault) in
                switch event {
                case .part(let name, _):
                    let isNamed = name.map { $0.elementsEqual("file".utf8) } ?? false
                    isTaking = taken == .nothing || (isNamed && taken == .first)
                    if isTaking && taken == .first { try picture.reset() }
                    if isTaking { taken = isNamed ? .named : .first }
                case .content(let bytes): if isTaking { try picture.write(bytes) }
                case .partEnd: isTaking = false
                }
            }
        } catch {
            switch error {
            case .fault(let fault): throw .request(fault.detail)
            case .receiver(let fault): throw fault
            }
        }
        (self.taken, self.isTaking) = (taken, isTaking)
    }

    func end() throws(ServiceFault) {
        do throws(MultipartParser.Fault) { try parser.end() } catch { throw .request(error.detail) }
    }
}
