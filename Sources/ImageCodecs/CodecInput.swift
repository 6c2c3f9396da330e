import CCodecShims
import ImageCore

/// A `ByteSource` as the C decoders see it.
///
/// They hold a pointer to this object while they read, so it lives as long as its decoder. An error of the source, or of the
/// code that takes metadata, waits here while the C frames return.
final class CodecInput {
    private var source: ByteSource?
    /// How many of the source's waiting bytes the decoder was given.
    private var given = 0
    private var fault: ImageError?
    /// What a decoder that has found its deadline passed means.
    private var timeout: ImageError?
    /// Given each piece of metadata: a JPEG's marker, or the letters of a PNG's chunk.
    var takeMetadata: (_ code: UInt32, _ bytes: UnsafeRawBufferPointer) throws(ImageError) -> Void = { _, _ in }

    func open(_ source: ByteSource, pool: BufferPool) {
        self.source = source
        timeout = pool.deadline.error
        (given, fault) = (0, nil)
    }

    var callbacks: imgpipe_input {
        imgpipe_input(context: Unmanaged.passUnretained(self).toOpaque()) { context, bytes in
            Unmanaged<CodecInput>.fromOpaque(context!).takeUnretainedValue().fill(bytes!)
        }
    }

    private func fill(_ bytes: UnsafeMutablePointer<UnsafePointer<UInt8>?>) -> Int {
        guard let source else { return -1 }
        source.skip(given)
        given = 0
        do throws(ImageError) {
            if source.waitingCount == 0 { try source.refill() }
        } catch {
            fault = error
            return -1
        }
        given = source.waitingCount
        bytes.pointee = source.waitingStart.assumingMemoryBound(to: UInt8.self)
        return given
    }

    func metadata(_ code: UInt32, _ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
        do throws(ImageError) {
            try takeMetadata(code, UnsafeRawBufferPointer(start: bytes, count: count))
            return 0
        } catch {
            fault = error
            return 1
        }
    }

    /// Where the decoder stands in the input, when it has not used `unread` of what it was given.
    func positionBytes(unread: Int) -> UInt64 {
        (source?.positionBytes ?? 0) + UInt64(max(0, given - unread))
    }

    /// Gives back what the decoder has not used.
    func close(unread: Int) {
        source?.skip(given - unread)
        given = 0
        source = nil
    }

    /// The error behind a code that is not OK.
    func error(_ code: imgpipe_code, _ message: UnsafePointer<CChar>, unread: Int, limits: Limits) -> ImageError {
        let position = positionBytes(unread: unread)
        let text = lowered(String(cString: message))
        switch code {
        case IMGPIPE_CALLBACK: return fault ?? .internalError("a codec stopped without a reason")
        case IMGPIPE_TRUNCATED: return .truncated(atByte: position)
        case IMGPIPE_DAMAGED: return .damaged(text, atByte: position)
        case IMGPIPE_UNSUPPORTED: return .unsupported(text)
        case IMGPIPE_LIMIT: return .overLimit(.scans, value: limits.scans + 1, maximum: limits.scans)
        case IMGPIPE_MEMORY: return .outOfMemory
        case IMGPIPE_TIME: return timeout ?? .outOfTime(seconds: 0)
        default: return .internalError(text.isEmpty ? "codec code \(code.rawValue)" : text)
        }
    }
}

/// A library's message with its first letter lowered, as in ours; words in capitals (IDAT, EOI) stay.
func lowered(_ text: String) -> String {
    let second = text.dropFirst().first
    return second?.isUppercase == true ? text : text.prefix(1).lowercased() + text.dropFirst()
}
