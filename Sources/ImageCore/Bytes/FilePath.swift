import Glibc

/// A file name as the system knows it: any bytes but NUL.
public struct FilePath: Hashable, Sendable {
    /// Without the NUL that ends it in C.
    public let bytes: [UInt8]

    /// `bytes`: none is 0.
    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    /// The UTF-8 of `text`, which has no NUL.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Gives `body` the bytes with a NUL behind them; the pointer is valid during the call.
    public func withCString<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
        (bytes.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { body($0.baseAddress!) }
    }

    private static let slash = UInt8(ascii: "/")

    /// All before the last component; "." when there is nothing, "/" for what is in the root.
    public var directory: FilePath {
        guard let at = bytes.lastIndex(of: Self.slash) else { return FilePath(".") }
        return at == 0 ? FilePath("/") : FilePath(Array(bytes[..<at]))
    }

    /// What follows the last slash.
    public var lastComponent: [UInt8] {
        bytes.lastIndex(of: Self.slash).map { Array(bytes[($0 + 1)...]) } ?? bytes
    }

    /// A name in this directory.
    func appending(_ component: String) -> FilePath { appending(Array(component.utf8)) }

    /// A name in this directory.
    func appending(_ component: [UInt8]) -> FilePath {
        FilePath(bytes + (bytes.last == Self.slash ? [] : [Self.slash]) + component)
    }

    /// The name that a chain of symbolic links ends at, whether there is a file or not.
    package func followingLinks() throws(ImageError) -> FilePath {
        var path = self
        for _ in 0..<40 {
            var content = [CChar](repeating: 0, count: Int(PATH_MAX))
            let n = path.withCString { readlink($0, &content, content.count) }
            guard n > 0 else {
                // /dev/stdout leads to a name that is none where it is a pipe.
                let isThere = path.withCString { access($0, F_OK) } == 0 || withCString { access($0, F_OK) } != 0
                return isThere ? path : self
            }
            let link = content[..<n].map { UInt8(bitPattern: $0) }
            path = link.first == Self.slash ? FilePath(link) : path.directory.appending(link)
        }
        throw .cannotCreate(errno: ELOOP)
    }

    /// mkdir(2) of the directory and those above it that are missing. Throws `cannotCreate`.
    public func makeDirectories() throws(ImageError) {
        if withCString({ mkdir($0, 0o777) }) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, directory != self else { throw .cannotCreate(errno: errno) }
        try directory.makeDirectories()
        if withCString({ mkdir($0, 0o777) }) != 0 && errno != EEXIST { throw .cannotCreate(errno: errno) }
    }
}
