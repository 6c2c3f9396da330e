import Glibc

/// Room for a whole frame: from the pool while its limit allows, else in a temporary file without a name, mapped.
package final class FrameStore {
    package let start: UnsafeMutableRawPointer
    let byteCount: Int
    private let lease: HeldBuffer?

    package init(byteCount: Int, pool: BufferPool) throws(ImageError) {
        self.byteCount = byteCount
        do throws(ImageError) {
            let lease = HeldBuffer(try pool.lease(byteCount))
            (self.lease, start) = (lease, lease.start)
            return
        } catch .overLimit {
            // The file system has more room than memory.
        }
        let number = try TemporaryFile.open()
        defer { close(number) }
        // Room that is not there is an error now, not a SIGBUS later.
        let code = posix_fallocate(number, 0, off_t(byteCount))
        guard code == 0 else { throw .temporaryFile(errno: code) }
        let mapping = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, number, 0)
        guard let mapping, mapping != MAP_FAILED else { throw .temporaryFile(errno: errno) }
        (lease, start) = (nil, mapping)
    }

    /// Reads all rows of the frame that `source` stands at, packed.
    package func fill(from source: any RowSource) throws(ImageError) {
        let info = source.info
        var done = 0
        while done < Int(info.height) {
            let at = done * info.rowBytes
            done += try source.readRows(to: start + at, byteCount: min(info.bandBufferBytes, byteCount - at))
        }
    }

    deinit { if lease == nil { munmap(start, byteCount) } }
}
