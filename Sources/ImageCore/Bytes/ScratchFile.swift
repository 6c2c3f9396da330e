import CPlatformShims
import Glibc
import Synchronization

/// Room on the disk for what is too large for memory: one file without a name for the process, in TMPDIR or /tmp, of which each
/// user has parts. One, so that it can be open before a sandbox closes the way to all names.
package enum ScratchFile {
    private struct State {
        var number: Int32 = -1
        /// Why it could not be opened, where that is for good: no name can be opened any more. 0 else.
        var code: Int32 = 0
        /// What was lent, by where it ends, and what has come back, in order.
        var end: off_t = 0
        var free: [Range<off_t>] = []
        /// Further ones, for those who need a whole one.
        var spare: [Int32] = []

        mutating func open() throws(ImageError) {
            if number < 0 && code != 0 { throw .temporaryFile(errno: code) }
            if number < 0 { number = ScratchFile.openUnnamed() }
            guard number >= 0 else { throw .temporaryFile(errno: errno) }
        }

        /// The first room that is large enough.
        mutating func take(_ count: off_t) -> Range<off_t> {
            if let place = free.firstIndex(where: { off_t($0.count) >= count }) {
                let range = free[place].lowerBound..<free[place].lowerBound + count
                if range == free[place] { free.remove(at: place) } else { free[place] = range.upperBound..<free[place].upperBound }
                return range
            }
            defer { end += count }
            return end..<end + count
        }

        mutating func giveBack(_ range: Range<off_t>) {
            var range = range
            let place = free.firstIndex { $0.lowerBound > range.lowerBound } ?? free.count
            free.insert(range, at: place)
            if place + 1 < free.count, free[place + 1].lowerBound == range.upperBound { free[place] = range.lowerBound..<free.remove(at: place + 1).upperBound }
            range = free[place]
            if place > 0, free[place - 1].upperBound == range.lowerBound {
                free[place - 1] = free[place - 1].lowerBound..<range.upperBound
                free.remove(at: place)
            }
            // No larger than what is lent.
            if let last = free.last, last.upperBound == end {
                end = last.lowerBound
                free.removeLast()
                _ = ftruncate(number, end)
            }
        }
    }

    private static let state = Mutex(State())

    /// Opens it, where that can be, before nothing can be opened any more; that it could not be is said to who needs it.
    /// `wholes`: how many whole ones may be needed at a time.
    package static func openNow(wholes: Int = 0) {
        state.withLock { (state) in
            do throws(ImageError) {
                try state.open()
            } catch {
                if case .temporaryFile(let code) = error { state.code = code }
            }
            while state.spare.count < wholes, case let number = openUnnamed(), number >= 0 { state.spare.append(number) }
        }
    }

    /// Where it can be opened later by who may make files without names, and no others, here; nil where that is not sure.
    package static var directoryForUnnamed: FilePath? {
        let path = directory
        return imgpipe_has_unnamed_files(path) != 0 ? FilePath(path) : nil
    }

    private static var directory: String {
        let path = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        return path.isEmpty ? "/tmp" : path
    }

    private static func openUnnamed() -> Int32 {
        var number = imgpipe_open_unnamed(directory, O_RDWR, 0o600)
        if number < 0 {
            var name = Array((directory + "/imgpipe-XXXXXX").utf8CString)
            number = mkstemp(&name)
            if number >= 0 { unlink(name) }
        }
        return number
    }

    /// A part of it, in bytes.
    package final class Part {
        package let number: Int32
        package let start: off_t
        package let byteCount: Int
        private let range: Range<off_t>

        /// Throws `temporaryFile` where there is no file.
        package init(byteCount: Int) throws(ImageError) {
            // Whole pages, for those who map it.
            let size = (off_t(byteCount) + 0xffff) & ~0xffff
            (number, range) = try ScratchFile.state.withLock { (state) throws(ImageError) in
                try state.open()
                return (state.number, state.take(size))
            }
            (start, self.byteCount) = (range.lowerBound, byteCount)
        }

        /// All of `bytes`, from the part's start.
        package func write(_ bytes: RawSpan) throws(ImageError) {
            precondition(bytes.byteCount <= byteCount)
            try bytes.withUnsafeBytes { (bytes) throws(ImageError) in
                var done = 0
                while done < bytes.count {
                    let n = pwrite(number, bytes.baseAddress! + done, bytes.count - done, start + off_t(done))
                    if n > 0 { done += n } else if n == 0 || errno != EINTR { throw .temporaryFile(errno: n == 0 ? ENOSPC : errno) }
                }
            }
        }

        /// Up to `count` bytes from `offset` on, as many as were written.
        package func read(at offset: Int, to target: UnsafeMutableRawPointer, count: Int) throws(ImageError) {
            var done = 0
            while done < count {
                let n = pread(number, target + done, count - done, start + off_t(offset + done))
                if n > 0 { done += n } else if n == 0 || errno != EINTR { throw .temporaryFile(errno: n == 0 ? EIO : errno) }
            }
        }

        /// All bytes that were written, which must be `byteCount`.
        package func content() throws(ImageError) -> [UInt8] {
            var failure: ImageError?
            let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, filled in
                do throws(ImageError) {
                    try read(at: 0, to: buffer.baseAddress!, count: byteCount)
                    filled = byteCount
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            return bytes
        }

        deinit { ScratchFile.state.withLock { $0.giveBack(range) } }
    }

    /// Where what is written has no name either: that it cannot be is `temporaryFile`.
    static func write(_ bytes: RawSpan, to number: Int32) throws(ImageError) {
        do throws(ImageError) {
            try Descriptor(number: number, owned: false).write(bytes)
        } catch .writeFailed(let code) {
            throw .temporaryFile(errno: code)
        }
    }

    /// A file like it, for one who does not know how much that will be.
    package final class Whole: ByteSink {
        package let number: Int32

        /// Throws `temporaryFile` where there is none to be had.
        package init() throws(ImageError) {
            let spare = ScratchFile.state.withLock { $0.spare.popLast() }
            number = spare ?? ScratchFile.openUnnamed()
            guard number >= 0 else { throw .temporaryFile(errno: errno) }
        }

        package func write(_ bytes: RawSpan) throws(ImageError) { try ScratchFile.write(bytes, to: number) }

        package func commit() {}

        package func reset() throws(ImageError) {
            guard ftruncate(number, 0) == 0, lseek(number, 0, SEEK_SET) == 0 else { throw .temporaryFile(errno: errno) }
        }

        /// Its content from the start, to be read alone, while this value lives; one reader at a time.
        package func descriptor() throws(ImageError) -> Descriptor {
            let copy = imgpipe_reopen_for_reading(number)
            guard copy >= 0 else { throw .temporaryFile(errno: errno) }
            return Descriptor(number: copy)
        }

        deinit {
            try? reset()
            ScratchFile.state.withLock { $0.spare.append(number) }
        }
    }
}
