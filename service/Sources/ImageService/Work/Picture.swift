import ImageCodecs
import ImageCore
import ImageJobs
import NIOCore
import Storage

/// A picture made for an answer.
struct Picture: Sendable {
    var bytes: ByteBuffer
    var format: EncodedFormat
    var report: Pipeline.Report
    /// Strong, with its quotes (RFC 9110, section 8.8.3).
    var etag: String
    var inputBytes: UInt64
    /// Nanoseconds that it waited for a slot, and that its input took to come from storage.
    var queueNanoseconds: UInt64 = 0
    var readNanoseconds: UInt64 = 0

    /// The entity tag that its bytes have.
    static func tag(of bytes: ByteBuffer) -> String {
        "\"\(bytes.withUnsafeReadableBytes { Digest.hex(Digest.sha256($0.bytes)).prefix(32) })\""
    }

    /// What it counts in a cache: its bytes, and what stands around them.
    var cost: Int { bytes.readableBytes + 512 }

    /// As who has not waited for its making gets it.
    var withoutTimes: Picture {
        var picture = self
        (picture.report.durations.decode, picture.report.durations.resize, picture.report.durations.encode) = (0, 0, 0)
        (picture.queueNanoseconds, picture.readNanoseconds) = (0, 0)
        return picture
    }
}

/// Bytes that become the body of an answer as they are.
final class BufferSink: ByteSink {
    private(set) var buffer = ByteBuffer()

    private let limitBytes: Int

    /// `limitBytes`: more throws `overLimit(.memory)`.
    init(limitBytes: Int) { self.limitBytes = limitBytes }

    func write(_ bytes: RawSpan) throws(ImageError) {
        guard bytes.byteCount <= limitBytes - buffer.readableBytes else {
            throw .overLimit(.memory, value: UInt64(buffer.readableBytes + bytes.byteCount), maximum: UInt64(limitBytes))
        }
        _ = bytes.withUnsafeBytes { buffer.writeBytes($0) }
    }

    func commit() throws(ImageError) {}
    func reset() throws(ImageError) { buffer.clear() }
}

extension EncodedFormat {
    /// IANA's name, or where it has none the usual one.
    var mediaType: String {
        switch self {
        case .jpeg: "image/jpeg"
        case .png: "image/png"
        case .webp: "image/webp"
        case .pam: "image/x-portable-arbitrarymap"
        case .y4m: "video/x-yuv4mpeg"
        }
    }
}
