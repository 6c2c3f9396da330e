import CWebPMux
import ImageCore

extension EmbeddedMetadata {
    /// `file`, a WebP still or animated, with this metadata in its container.
    func added(toWebP file: [UInt8]) throws(ImageError) -> [UInt8] {
        let mux = file.withUnsafeBufferPointer { buffer in
            var data = WebPData(bytes: buffer.baseAddress, size: buffer.count)
            return WebPMuxCreate(&data, 1)
        }
        guard let mux else { throw .outOfMemory }
        defer { WebPMuxDelete(mux) }
        for (name, chunk) in [("ICCP", icc), ("EXIF", exif), ("XMP ", xmp)] where !chunk.isEmpty {
            try check(set(chunk) { WebPMuxSetChunk(mux, name, $0, 1) })
        }
        var assembled = WebPData()
        try check(WebPMuxAssemble(mux, &assembled))
        defer { WebPDataClear(&assembled) }
        return Array(UnsafeBufferPointer(start: assembled.bytes, count: assembled.size))
    }

    private func set(_ bytes: [UInt8], _ call: (UnsafePointer<WebPData>) -> WebPMuxError) -> WebPMuxError {
        bytes.withUnsafeBufferPointer { buffer in
            var data = WebPData(bytes: buffer.baseAddress, size: buffer.count)
            return call(&data)
        }
    }

    private func check(_ error: WebPMuxError) throws(ImageError) {
        if error == WEBP_MUX_MEMORY_ERROR { throw .outOfMemory }
        if error != WEBP_MUX_OK { throw .internalError("libwebpmux could not add the metadata") }
    }
}
