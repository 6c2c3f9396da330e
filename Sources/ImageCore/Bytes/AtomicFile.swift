import CPlatformShims
import Glibc
import Synchronization

/// A file that appears under its name at `commit`, whole, or never: written to a temporary beside it that has no name where the
/// file system can (O_TMPFILE), else to one that signals remove.
///
/// A symlink is followed. An existing file keeps its mode; a new one gets 0666 & ~umask. A target that is not a regular file (a
/// device, a fifo) is opened at once and written at `commit`.
public final class AtomicFile: ByteSink {
    private let target: FilePath
    private let directory: FilePath
    private let mayReplace: Bool
    private let synchronizes: Bool
    private var times: (timespec, timespec)?
    private var owner: (user: uid_t, group: gid_t)?
    /// The mode of the file that is there; nil when none is.
    private var existingMode: mode_t?
    /// Of a regular file.
    private var writer: FileWriter?
    /// Nil while the temporary has no name.
    private var temporary: FilePath?
    private var signalSlot: Int32 = -1
    /// For a target that is no regular file: the bytes wait here.
    private var spool: SpooledSink?

    /// Throws `cannotCreate` or `refusedOutput` at once when the target cannot become this file.
    /// `synchronizes`: the bytes are on the disk before the name is, and the name when `commit` returns.
    public init(_ path: FilePath, mayReplace: Bool = true, synchronizes: Bool = false, pool: BufferPool) throws(ImageError) {
        (self.mayReplace, self.synchronizes) = (mayReplace, synchronizes)
        target = try path.followingLinks()
        directory = target.directory
        var status = stat()
        if target.withCString({ stat($0, &status) }) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { throw .cannotCreate(errno: EISDIR) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                let number = target.withCString { imgpipe_open($0, O_WRONLY | O_CLOEXEC, 0) }
                guard number >= 0 else { throw .cannotCreate(errno: errno) }
                spool = SpooledSink(Descriptor(number: number), pool: pool)
                return
            }
            if !mayReplace { throw .refusedOutput("file exists") }
            existingMode = status.st_mode & 0o7777
        }
        var number = directory.withCString { imgpipe_open_unnamed($0, 0o666) }
        if number < 0 {
            guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) else { throw .cannotCreate(errno: errno) }
            let name = Self.temporaryName(in: directory)
            number = name.withCString { imgpipe_open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
            guard number >= 0 else { throw .cannotCreate(errno: errno) }
            remove(onSignal: name)
        }
        writer = try FileWriter(number, pool: pool)
    }

    deinit { removeTemporary() }

    public func write(_ bytes: RawSpan) throws(ImageError) {
        if let spool { try spool.write(bytes) } else { try writer?.write(bytes) }
    }

    public func reset() throws(ImageError) {
        spool?.reset()
        try writer?.reset()
    }

    public func commit() throws(ImageError) {
        if let spool { return try spool.commit() }
        guard let writer else { preconditionFailure("a second commit") }
        self.writer = nil
        try writer.flush()
        if let owner { _ = fchown(writer.number, owner.user, owner.group) }
        if let existingMode { fchmod(writer.number, existingMode) }
        if let times {
            var both = [times.0, times.1]
            futimens(writer.number, &both)
        }
        if synchronizes && fsync(writer.number) != 0 { throw .writeFailed(errno: errno) }
        if temporary == nil && (existingMode == nil || !mayReplace) {
            if target.withCString({ imgpipe_link_descriptor(writer.number, $0) }) == 0 {
                try writer.close()
                if synchronizes { try synchronizeDirectory() }
                return
            }
            guard errno == EEXIST, mayReplace else { throw Self.linkError() }
        }
        if temporary == nil {
            let name = Self.temporaryName(in: directory)
            remove(onSignal: name)
            guard name.withCString({ imgpipe_link_descriptor(writer.number, $0) }) == 0 else { throw Self.linkError() }
        }
        try writer.close()
        let renamed = temporary!.withCString { from in
            target.withCString { to in mayReplace ? rename(from, to) : link(from, to) }
        }
        guard renamed == 0 else { throw Self.linkError() }
        if mayReplace {
            forgetTemporary()
        } else {
            removeTemporary()
        }
        if synchronizes { try synchronizeDirectory() }
    }

    /// Gives the file the owner of the one that it replaces, where that is allowed, and its times if wanted.
    public func takeOwner(of status: stat, andTimes keepsTimes: Bool) {
        if status.st_uid != geteuid() || status.st_gid != getegid() { owner = (status.st_uid, status.st_gid) }
        if keepsTimes { times = (status.st_atim, status.st_mtim) }
    }

    private func synchronizeDirectory() throws(ImageError) {
        let number = directory.withCString { imgpipe_open($0, O_RDONLY | O_CLOEXEC, 0) }
        guard number >= 0 else { throw .writeFailed(errno: errno) }
        let opened = Descriptor(number: number)
        if fsync(opened.number) != 0 { throw .writeFailed(errno: errno) }
    }

    private static func linkError() -> ImageError {
        errno == EEXIST ? .refusedOutput("file exists") : .cannotCreate(errno: errno)
    }

    private func removeTemporary() {
        guard let name = temporary else { return }
        _ = name.withCString { unlink($0) }
        forgetTemporary()
    }

    private func remove(onSignal name: FilePath) {
        signalSlot = name.withCString { imgpipe_remove_on_signal($0) }
        temporary = name
    }

    private func forgetTemporary() {
        temporary = nil
        imgpipe_keep_on_signal(signalSlot)
    }

    /// A name beside the target that nobody has: process and time make it so, and O_EXCL or link(2) make sure.
    private static func temporaryName(in directory: FilePath) -> FilePath {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let number = count.add(1, ordering: .relaxed).newValue
        return directory.appending(".imgpipe-\(getpid())-\(now.tv_sec)\(now.tv_nsec)-\(number)")
    }

    private static let count = Atomic<Int>(0)
}
