import Glibc

/// A file that appears under its name at `commit`, whole, or never.
///
/// A symlink is followed. An existing file keeps its mode; a new one gets 0666 & ~umask. A target that is not a regular file (a
/// device, a fifo) is opened at once and written at `commit`.
public final class AtomicFile: ByteSink {
    private let synchronizes: Bool
    private var times: (timespec, timespec)?
    private var owner: (user: uid_t, group: gid_t)?
    private let existingMode: mode_t?
    /// Of a regular file; nil after `commit`.
    private var file: (writer: FileWriter, naming: any FileNaming)?
    /// For a target that is no regular file: the bytes wait here.
    private var spool: SpooledSink?

    /// Throws `cannotCreate` or `refusedOutput` at once when the target cannot become this file.
    /// `synchronizes`: the bytes are on the disk before the name is, and the name when `commit` returns.
    /// `replacing`: what alone may be replaced; `commit` throws `refusedOutput` where another file is there by then.
    public convenience init(
        _ path: FilePath, mayReplace: Bool = true, replacing: FileIdentity? = nil, synchronizes: Bool = false, pool: BufferPool
    ) throws(ImageError) {
        let place = try FilePlacement(path, mayReplace: mayReplace, replacing: replacing, synchronizes: synchronizes)
        if place.isOpenTarget {
            self.init(SpooledSink(Descriptor(number: place.number), pool: pool))
        } else {
            try self.init(number: place.number, existingMode: place.existingMode, synchronizes: synchronizes, naming: place, pool: pool)
        }
    }

    /// A file that is open already, as `number`, which it owns, and that `naming` gives its name.
    package init(number: Int32, existingMode: mode_t?, synchronizes: Bool, naming: any FileNaming, pool: BufferPool) throws(ImageError) {
        (self.existingMode, self.synchronizes) = (existingMode, synchronizes)
        file = (try FileWriter(number, pool: pool), naming)
    }

    private init(_ spool: SpooledSink) { (self.spool, existingMode, synchronizes) = (spool, nil, false) }

    public func write(_ bytes: RawSpan) throws(ImageError) {
        if let spool { try spool.write(bytes) } else { try file?.writer.write(bytes) }
    }

    public func reset() throws(ImageError) {
        spool?.reset()
        try file?.writer.reset()
    }

    public func commit() throws(ImageError) {
        if let spool { return try spool.commit() }
        guard let (writer, naming) = file else { preconditionFailure("a second commit") }
        file = nil
        try writer.flush()
        if let owner { _ = fchown(writer.number, owner.user, owner.group) }
        if let existingMode { fchmod(writer.number, existingMode) }
        if let times {
            var both = [times.0, times.1]
            futimens(writer.number, &both)
        }
        if synchronizes && fsync(writer.number) != 0 { throw .writeFailed(errno: errno) }
        try naming.publish(writer.number) { () throws(ImageError) in try writer.close() }
    }

    /// Gives the file the owner of the one that it replaces, where that is allowed, and its times if wanted.
    public func takeOwner(of status: stat, andTimes keepsTimes: Bool) {
        if status.st_uid != geteuid() || status.st_gid != getegid() { owner = (status.st_uid, status.st_gid) }
        if keepsTimes { times = (status.st_atim, status.st_mtim) }
    }
}
