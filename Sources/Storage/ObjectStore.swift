import ImageCore

/// What is known of a file without reading it.
public struct StoredFile: Equatable, Sendable {
    /// Nil where that is known at its end only: a pipe, or a server that does not say.
    public var byteCount: UInt64?
    /// Since 1970-01-01 in UTC; nil where it is not said. Stores have whole seconds.
    public var modified: Duration?
    /// The server's word for this version, as it stands in its header, quotes included; nil for local files.
    public var etag: String?

    public init(byteCount: UInt64? = nil, modified: Duration? = nil, etag: String? = nil) {
        (self.byteCount, self.modified, self.etag) = (byteCount, modified, etag)
    }
}

/// One of a list.
public struct ListedFile: Sendable {
    public let location: Location
    public let file: StoredFile

    public init(_ location: Location, _ file: StoredFile) { (self.location, self.file) = (location, file) }
}

/// Where files are: a disk, or a server. All calls wait until they are answered, and may come from many threads.
///
/// Throws `cannotOpen`, `cannotReach` (refused, not there, no way to it), `transferFailed` (broken in between), `cannotCreate`,
/// `refusedOutput`.
public protocol ObjectStore: Sendable {
    /// Nil where there is no such file.
    func status(of location: Location) throws(ImageError) -> StoredFile?

    /// Up to `count` bytes from `offset` on: fewer where the file ends before, none behind its end. `version`: as `status` gave it; throws
    /// `transferFailed` where the file has changed since. Nil: whatever is there.
    func read(_ location: Location, at offset: UInt64, count: Int, of version: StoredFile?) throws(ImageError) -> [UInt8]

    /// Those whose names begin with `prefix`, in the order of the store: of bytes. `each` gives false to end the list.
    func list(_ prefix: Location, _ each: (ListedFile) throws(ImageError) -> Bool) throws(ImageError)

    /// What is written becomes the file at `commit`, whole or not at all. `synchronizes`: as AtomicFile does; a store does so always.
    func sink(for location: Location, mayReplace: Bool, synchronizes: Bool, pool: BufferPool) throws(ImageError) -> any ByteSink
}
