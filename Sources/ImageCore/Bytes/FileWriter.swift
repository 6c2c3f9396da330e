import Glibc

/// An open file that is written in large parts, and closed in the end with a look at what close(2) says.
final class FileWriter {
    private(set) var number: Int32
    private let buffer: BufferLease
    private var count = 0

    private static let bufferBytes = 128 << 10
    /// As much as is worth a system call of its own, and not a copy.
    private static let directBytes = 32 << 10

    /// Owns `number` from now on, whether this throws or not.
    init(_ number: Int32, pool: BufferPool) throws(ImageError) {
        self.number = number
        do throws(ImageError) {
            buffer = try pool.lease(Self.bufferBytes)
        } catch {
            Glibc.close(number)
            throw error
        }
    }

    deinit { if number >= 0 { Glibc.close(number) } }

    func write(_ bytes: RawSpan) throws(ImageError) {
        if bytes.byteCount > buffer.count - count || bytes.byteCount >= Self.directBytes {
            try flush()
            if bytes.byteCount >= Self.directBytes { return try Descriptor(number: number, owned: false).write(bytes) }
        }
        bytes.withUnsafeBytes {
            if let start = $0.baseAddress { (buffer.start + count).copyMemory(from: start, byteCount: $0.count) }
        }
        count += bytes.byteCount
    }

    func flush() throws(ImageError) {
        if count == 0 { return }
        let start = buffer.start
        try Descriptor(number: number, owned: false).write(RawSpan(_unsafeStart: start, byteCount: count))
        count = 0
    }

    /// Empties the file, which is a regular one.
    func reset() throws(ImageError) {
        count = 0
        guard ftruncate(number, 0) == 0, lseek(number, 0, SEEK_SET) == 0 else { throw .writeFailed(errno: errno) }
    }

    func close() throws(ImageError) {
        let descriptor = Descriptor(number: number)
        number = -1
        try descriptor.close()
    }
}
