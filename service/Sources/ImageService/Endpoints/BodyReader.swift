import HTTPTypes
import HummingbirdCore
import ImageCore
import Multipart
import ServiceRequests

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
    func picture(_ request: Request, _ connection: Connection?) async throws -> HeldPicture {
        let boundary: [UInt8]?
        do throws(MultipartParser.Fault) {
            boundary = try MultipartParser.boundary(of: request.headers[.contentType] ?? "")
        } catch {
            throw ServiceFault.request(error.detail)
        }
        let picture: HeldPicture
        do throws(ImageError) { picture = try HeldPicture(budget) } catch { throw ServiceFault(error) }
        if request.headers[.expect] != nil { connection?.wantBody() }
        var form = boundary.map { FormPicture($0, picture) }
        var count = 0
        do {
            for try await bytes in request.body {
                count += bytes.readableBytes
                guard count <= mostBytes else { throw ServiceFault.tooLarge(mostBytes) }
                try bytes.withUnsafeReadableBytes { bytes in
                    if form == nil { try picture.take(bytes) } else { try form!.push(bytes) }
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
    private let picture: HeldPicture
    private enum Taken { case nothing, first, named }
    private var taken = Taken.nothing
    private var isTaking = false

    init(_ boundary: [UInt8], _ picture: HeldPicture) { (parser, self.picture) = (MultipartParser(boundary: boundary), picture) }

    mutating func push(_ bytes: UnsafeRawBufferPointer) throws(ServiceFault) {
        var (taken, isTaking) = (taken, isTaking)
        do throws(MultipartError<ServiceFault>) {
            try parser.push(bytes) { (event) throws(ServiceFault) in
                switch event {
                case .part(let name, _):
                    let isNamed = name.map { $0.elementsEqual("file".utf8) } ?? false
                    isTaking = taken == .nothing || (isNamed && taken == .first)
                    if isTaking && taken == .first { try picture.empty() }
                    if isTaking { taken = isNamed ? .named : .first }
                case .content(let bytes): if isTaking { try picture.take(bytes) }
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
