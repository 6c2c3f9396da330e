import CPlatformShims
import Glibc
import Synchronization

/// How a file that is written gets its name; without that it is gone.
package protocol FileNaming: AnyObject {
    /// `number`: the file's descriptor. `close`: closes it, which is done before it takes another's place.
    func publish(_ number: Int32, close: () throws(ImageError) -> Void) throws(ImageError)
}

/// A file on its way to a name: made beside it, without a name of its own where the file system can (O_TMPFILE), else with one that signals
/// remove. A symlink is followed.
package final class FilePlacement: FileNaming {
    package let target: FilePath
    /// What is written to; the caller's from the start.
    package private(set) var number: Int32 = -1
    /// The mode of the file that is there; nil when none is.
    package private(set) var existingMode: mode_t?
    /// The target is there, and no regular file (a device, a fifo): it is opened itself, and nothing to be named.
    package private(set) var isOpenTarget = false
    private let directory: FilePath
    private let mayReplace: Bool
    /// What alone may be replaced; nil for anything.
    private let replaced: FileIdentity?
    private let synchronizes: Bool
    /// Nil while the temporary has no name.
    private var temporary: FilePath?
    private var signalSlot: Int32 = -1

    /// Throws `cannotCreate` or `refusedOutput` at once when the target cannot become this file.
    package init(_ path: FilePath, mayReplace: Bool = true, replacing replaced: FileIdentity? = nil, synchronizes: Bool) throws(ImageError) {
        (self.mayReplace, self.replaced, self.synchronizes) = (mayReplace, replaced, synchronizes)
        target = try path.followingLinks()
        directory = target.directory
        var status = stat()
        if target.withCString({ stat($0, &status) }) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { throw .cannotCreate(errno: EISDIR) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                number = target.withCString { imgpipe_open($0, O_WRONLY | O_CLOEXEC, 0) }
                guard number >= 0 else { throw .cannotCreate(errno: errno) }
                isOpenTarget = true
                return
            }
            if !mayReplace { throw .refusedOutput("file exists") }
            existingMode = status.st_mode & 0o1777
        }
        // Without /proc it could never get a name.
        number = access("/proc/self/fd", F_OK) == 0 ? directory.withCString { imgpipe_open_unnamed($0, O_WRONLY, 0o666) } : -1
        if number < 0 {
            guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(errno) else { throw .cannotCreate(errno: errno) }
            let name = Self.temporaryName(in: directory)
            remove(onSignal: name)
            number = name.withCString { imgpipe_open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
            guard number >= 0 else { throw notMade() }
        }
    }

    deinit { removeTemporary() }

    package func publish(_ number: Int32, close: () throws(ImageError) -> Void) throws(ImageError) {
        if temporary == nil && (existingMode == nil || !mayReplace) {
            if target.withCString({ imgpipe_link_descriptor(number, $0) }) == 0 {
                try close()
                if synchronizes { try synchronizeDirectory() }
                return
            }
            guard errno == EEXIST, mayReplace else { throw Self.linkError() }
        }
        if temporary == nil {
            let name = Self.temporaryName(in: directory)
            remove(onSignal: name)
            guard name.withCString({ imgpipe_link_descriptor(number, $0) }) == 0 else { throw notMade() }
        }
        try close()
        // Somebody else's file, who was not asked.
        if let replaced, FileIdentity(target) != replaced { throw .refusedOutput("has been changed meanwhile; left as it is") }
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

    private func synchronizeDirectory() throws(ImageError) {
        let number = directory.withCString { imgpipe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        guard number >= 0 else { throw .writeFailed(errno: errno) }
        let opened = Descriptor(number: number)
        if fsync(opened.number) != 0 { throw .writeFailed(errno: errno) }
    }

    /// A temporary that could not be made is not ours to remove.
    private func notMade() -> ImageError {
        let code = errno
        forgetTemporary()
        return .cannotCreate(errno: code)
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
