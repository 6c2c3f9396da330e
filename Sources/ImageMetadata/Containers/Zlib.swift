import CZlib
import ImageCore

/// zlib's format (RFC 1950), which PNG compresses text and profiles with.
package enum Zlib {
    /// What `bytes` become, `limitBytes` and a block of 16 KiB more at most; `isWhole` when that is all of it, made of the first `takenCount`.
    package static func inflated(_ bytes: ArraySlice<UInt8>, limitBytes: UInt64) throws(ImageError) -> (bytes: [UInt8], isWhole: Bool, takenCount: Int) {
        var stream = z_stream()
        guard inflateInit_(&stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { throw .outOfMemory }
        defer { inflateEnd(&stream) }
        var input = Array(bytes)
        var output: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16 << 10)
        stream.avail_in = UInt32(clamping: input.count)
        let code: Int32 = input.withUnsafeMutableBufferPointer { input in
            stream.next_in = input.baseAddress
            while true {
                let code = block.withUnsafeMutableBufferPointer { block in
                    stream.next_out = block.baseAddress
                    stream.avail_out = UInt32(block.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
                output += block[..<(block.count - Int(stream.avail_out))]
                if code != Z_OK || UInt64(output.count) > limitBytes { return code }
            }
        }
        return (output, code == Z_STREAM_END, input.count - Int(stream.avail_in))
    }

    /// The CRC-32 of RFC 1952, 8, which a PNG's chunk ends with, going on from `before`.
    package static func crc(_ before: UInt32, _ bytes: RawSpan) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(truncatingIfNeeded: crc32(UInt(before), $0.bindMemory(to: UInt8.self).baseAddress, UInt32(clamping: $0.count))) }
    }
}
