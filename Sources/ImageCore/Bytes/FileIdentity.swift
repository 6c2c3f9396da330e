import Glibc

/// Which file a path leads to, whatever its name.
public struct FileIdentity: Hashable, Sendable {
    fileprivate let device: dev_t
    fileprivate let inode: ino_t
    private let kind: mode_t

    /// Nil where there is no such file.
    public init?(_ path: FilePath) {
        var status = stat()
        guard path.withCString({ stat($0, &status) }) == 0 else { return nil }
        self.init(status)
    }

    /// Of what is open. Nil where nothing is.
    public init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    /// Of the file that stat(2) has told this of.
    public init(_ status: stat) { (device, inode, kind) = (status.st_dev, status.st_ino, status.st_mode & S_IFMT) }

    /// Whether it can be read at any offset, and has an end.
    public var isRegularFile: Bool { kind == S_IFREG }
    /// Whether it holds names of files.
    public var isDirectory: Bool { kind == S_IFDIR }

    /// Whether what is read from it is gone then, and may have to be waited for.
    public var isPipe: Bool { [S_IFIFO, S_IFSOCK, S_IFCHR].contains(kind) }
}

/// The content that a file had when stat(2) was asked: numbers of inodes are used again.
public struct FileVersion: Hashable, Sendable {
    private let identity: FileIdentity
    private let seconds: Int
    private let nanoseconds: Int
    private let byteCount: off_t

    /// Of the file that stat(2) has told this of.
    public init(_ status: stat) {
        identity = FileIdentity(status)
        (seconds, nanoseconds, byteCount) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size)
    }

    /// Of no two versions the same.
    public var text: String { "\(identity.device).\(identity.inode).\(seconds).\(nanoseconds).\(byteCount)" }
}

/// A name in a directory, however one comes there.
public struct OutputPlace: Hashable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    private let name: [UInt8]

    /// Of no two places the same.
    package var text: [UInt8] { Array("\(device) \(inode) ".utf8) + name }

    /// Nil where there is no such directory.
    public init?(_ path: FilePath) {
        guard let directory = FileIdentity(path.directory) else { return nil }
        (device, inode, name) = (directory.device, directory.inode, path.lastComponent)
    }
}
