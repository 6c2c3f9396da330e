import Glibc

/// Room for a whole frame: from the pool while its limit allows, else in the scratch file, mapped.
package final class FrameStore {
    package let start: UnsafeMutableRawPointer
    let byteCount: Int
    private let lease: HeldBuffer?
    private let part: ScratchFile.Part?

    package init(byteCount: Int, pool: BufferPool) throws(ImageError) {
        self.byteCount = byteCount
        do throws(ImageError) {
            let lease = HeldBuffer(try pool.lease(byteCount))
            (self.lease, part, start) = (lease, nil, lease.start)
            return
        } catch .overLimit {
            // The file system has more room than memory.
        }
        let part = try ScratchFile.Part(byteCount: byteCount)
        // Room that is not there is an error now, not a SIGBUS later.
        let code = posix_fallocate(part.number, part.start, off_t(byteCount))
        guard code == 0 else { throw .temporaryFile(errno: code) }
        let mapping = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, part.number, part.start)
        guard let mapping, mapping != MAP_FAILED else { throw .temporaryFile(errno: errno) }
        self.part = part
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
