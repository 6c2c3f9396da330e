import CCodecShims
import ImageCore

/// Rows as the content of IDAT chunks, by ISA-L: for the levels of compression that are about time. Filters are chosen among Sub, Up and
/// Paeth, which is what photographs take.
final class PNGPacker {
    private let deflater: OpaquePointer
    private let rowBytes: Int
    private let pixelBytes: Int
    private let isWide: Bool
    /// The row at hand and the one above, each behind a margin of zeros.
    private var row: BufferLease
    private var above: BufferLease
    /// Three rows with their filter's byte: the kernel tries three.
    private let filtered: BufferLease
    private let packed: BufferLease
    private var packedBytes = 0
    private let write: (UnsafePointer<UInt8>, Int) throws(ImageError) -> Void

    /// Bytes that stand before a row, and may be read and written behind it.
    private static let marginBytes = 16
    private static let chunkBytes = 64 << 10

    /// `info`: 8 or 16 bits a sample. `write` is given the content of one IDAT after another.
    init(
        _ info: ImageInfo, level: Int, pool: BufferPool, write: @escaping (UnsafePointer<UInt8>, Int) throws(ImageError) -> Void
    ) throws(ImageError) {
        guard let deflater = imgpipe_deflater_new() else { throw .outOfMemory }
        self.deflater = deflater
        self.write = write
        (rowBytes, pixelBytes, isWide) = (info.rowBytes, info.format.rowBytes(width: 1), info.format.sample == .uint16)
        row = try pool.lease(rowBytes + 2 * Self.marginBytes)
        above = try pool.lease(rowBytes + 2 * Self.marginBytes)
        for buffer in [row.start, above.start] {
            buffer.initializeMemory(as: UInt8.self, repeating: 0, count: rowBytes + 2 * Self.marginBytes)
        }
        filtered = try pool.lease(3 * (1 + rowBytes) + Self.marginBytes)
        packed = try pool.lease(Self.chunkBytes)
        imgpipe_deflater_begin(deflater, Int32(level))
    }

    deinit { imgpipe_deflater_free(deflater) }

    /// `rows`: of the picture, 16-bit samples little-endian.
    func pack(_ rows: UnsafeRawBufferPointer) throws(ImageError) {
        for start in stride(from: 0, to: rows.count, by: rowBytes) {
            let target = row.start + Self.marginBytes
            target.copyMemory(from: rows.baseAddress! + start, byteCount: rowBytes)
            if isWide {
                for at in stride(from: 0, to: rowBytes, by: 2) {
                    target.storeBytes(of: target.load(fromByteOffset: at, as: UInt16.self).byteSwapped, toByteOffset: at, as: UInt16.self)
                }
            }
            let output = filtered.start.assumingMemoryBound(to: UInt8.self)
            VectorOps.best.filter(
                target.assumingMemoryBound(to: UInt8.self), (above.start + Self.marginBytes).assumingMemoryBound(to: UInt8.self), output,
                1 + rowBytes, rowBytes, Int32(pixelBytes))
            try deflate(output, 1 + rowBytes, isLast: false)
            swap(&row, &above)
        }
    }

    /// After the last row.
    func end() throws(ImageError) {
        try deflate(filtered.start.assumingMemoryBound(to: UInt8.self), 0, isLast: true)
        if packedBytes > 0 { try write(packed.start.assumingMemoryBound(to: UInt8.self), packedBytes) }
    }

    private func deflate(_ bytes: UnsafePointer<UInt8>, _ count: Int, isLast: Bool) throws(ImageError) {
        let target = packed.start.assumingMemoryBound(to: UInt8.self)
        var done = 0
        while true {
            var (taken, given): (UInt32, UInt32) = (0, 0)
            let state = imgpipe_deflate(
                deflater, bytes + done, UInt32(count - done), isLast ? 1 : 0, &taken, target + packedBytes,
                UInt32(Self.chunkBytes - packedBytes), &given)
            guard state >= 0 else { throw .internalError("deflate fails") }
            done += Int(taken)
            packedBytes += Int(given)
            if packedBytes == Self.chunkBytes {
                try write(target, packedBytes)
                packedBytes = 0
            } else if isLast ? state == 1 : done == count {
                return
            }
        }
    }
}
