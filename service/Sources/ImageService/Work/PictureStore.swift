import CPlatformShims
import Glibc
import ImageCore
import NIOPosix
import ServiceRequests
import Storage

/// Where pictures of `GET /image/KEY` are: beneath a directory, or behind a prefix of a bucket; and nothing outside of it.
final class PictureStore: Sendable {
    private enum Place: Sendable {
        /// Open as long as the service runs: what it is called may change.
        case directory(Int32)
        case bucket(String, prefix: [UInt8])
    }

    private let place: Place
    private let storage: Storage
    /// Where the store is asked for versions: one that is slow holds up nobody who does not ask it.
    private let threads = NIOThreadPool(numberOfThreads: 8)

    /// A picture to be read, and what tells this version of it from others; nil where the store does not say.
    struct Entry: ~Copyable {
        let version: String?
        let descriptor: Descriptor
        let byteCount: UInt64
        /// What is read ahead of the descriptor lives as long as this.
        let file: OpenedFile?
    }

    /// Throws `usage` for what is neither a directory nor s3://, `cannotOpen`.
    init(_ text: String) throws(ImageError) {
        storage = try Storage()
        switch try Location(text) {
        case .file(let path):
            let number = path.withCString { imgpipe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
            guard number >= 0 else { throw .cannotOpen(errno: errno) }
            place = .directory(number)
        case .s3(let bucket, let key):
            place = .bucket(bucket, prefix: key.isEmpty || key.last == UInt8(ascii: "/") ? key : key + [UInt8(ascii: "/")])
        case .http: throw .usage("--storage is a directory or s3://bucket/prefix")
        }
        threads.start()
    }

    /// What tells the version of `key` from others; nil where the store does not say. Holds up no thread of the caller's. Throws a `ServiceFault`.
    func version(of key: [UInt8]) async throws -> String? {
        let answer: Result<String?, ServiceFault> = try await threads.runIfActive { [self] in
            do throws(ImageError) { return .success(try currentVersion(of: key)) } catch { return .failure(ServiceFault(error)) }
        }
        return try answer.get()
    }

    private func currentVersion(of key: [UInt8]) throws(ImageError) -> String? {
        switch place {
        case .directory(let directory): return try Self.openFile(directory, key).version
        case .bucket:
            guard let file = try storage.status(of: location(key)) else { throw .cannotOpen(errno: ENOENT) }
            return Self.version(file)
        }
    }

    /// The file itself; a directory, a pipe or a device is none.
    func open(_ key: [UInt8], pool: BufferPool) throws(ImageError) -> Entry {
        switch place {
        case .directory(let directory): return try Self.openFile(directory, key)
        case .bucket:
            let file = try storage.open(location(key), pool: pool)
            return Entry(version: Self.version(file.file), descriptor: file.takeDescriptor(), byteCount: file.file.byteCount ?? 0, file: file)
        }
    }

    private static func openFile(_ directory: Int32, _ key: [UInt8]) throws(ImageError) -> Entry {
        let number = FilePath(key).withCString { imgpipe_open_beneath(directory, $0) }
        guard number >= 0 else { throw .cannotOpen(errno: errno) }
        let descriptor = Descriptor(number: number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .cannotOpen(errno: ENOENT) }
        let version = "\(status.st_dev).\(status.st_ino).\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec).\(status.st_size)"
        return Entry(version: version, descriptor: descriptor, byteCount: UInt64(max(0, status.st_size)), file: nil)
    }

    private static func version(_ file: StoredFile) -> String? { file.etag.map { "\($0).\(file.byteCount ?? 0)" } }

    private func location(_ key: [UInt8]) -> Location {
        guard case .bucket(let bucket, let prefix) = place else { preconditionFailure("no bucket") }
        return .s3(bucket: bucket, key: prefix + key)
    }

    var isRemote: Bool { if case .bucket = place { true } else { false } }
}
