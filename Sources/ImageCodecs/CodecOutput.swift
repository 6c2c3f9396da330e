import CCodecShims
import ImageCore

/// A `ByteSink` as the C encoders see it. They hold a pointer to this object while they write.
final class CodecOutput {
    private let sink: any ByteSink
    private var fault: ImageError?
    var deadline: Deadline?

    init(_ sink: any ByteSink) { self.sink = sink }

    var callbacks: imgpipe_output {
        imgpipe_output(context: Unmanaged.passUnretained(self).toOpaque()) { context, bytes, count in
            let output = Unmanaged<CodecOutput>.fromOpaque(context!).takeUnretainedValue()
            return output.write(UnsafeRawBufferPointer(start: bytes, count: count)) ? 0 : 1
        }
    }

    /// False when the sink failed; `error` says why.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do throws(ImageError) {
            try sink.write(bytes.bytes)
            return true
        } catch {
            fault = error
            return false
        }
    }

    var isInTime: Bool { !(deadline?.isOver ?? false) }

    /// The error behind a code that is not OK.
    func error(_ code: imgpipe_code, _ message: UnsafePointer<CChar>) -> ImageError {
        switch code {
        case IMGPIPE_CALLBACK: fault ?? .internalError("a codec stopped without a reason")
        case IMGPIPE_UNSUPPORTED: .unsupported(lowered(String(cString: message)))
        case IMGPIPE_MEMORY: .outOfMemory
        default: .internalError(String(cString: message))
        }
    }

    /// The error that a failed `write` has left.
    var writeError: ImageError { fault ?? .internalError("a codec stopped without a reason") }
}
