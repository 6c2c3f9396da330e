import CPlatformShims
import Glibc
import ImageCore
import NIOPosix
import ServiceRequests
import Storage

/// Where pictures of `GET /image/KEY` are: beneath a directory, or behind a prefix of a bucket; and nothing outside of it.
///
/// A store that is slow, or never answers, holds up threads of its own alone, and none of them longer than somebody waits for it.
final class PictureStore: Sendable {
    private enum Place: Sendable {
        /// Open as long as the service runs: what it is called may change.
        case directory(Int32)
        case bucket(String, prefix: [UInt8])
    }

    private let place: Place
    private let storage: Storage
    private let limits: Limits
    private let budget: BodyBudget
    private let lookups = OpenOrders<String?>()
    /// For versions, and for what takes longer.
    private let lookupThreads = NIOThreadPool(numberOfThreads: threadCount)
    private let fetchThreads = NIOThreadPool(numberOfThreads: threadCount)
    private static let threadCount = 8
    /// That they may have open at once: a connection, the ends of a pipe, what was fetched, and that once more for the worker.
    static let mostFiles = 2 * threadCount * 5

    /// A file of this machine, and what tells this version of it from others.
    struct LocalPicture: ~Copyable {
        let version: String
        let descriptor: Descriptor
        let byteCount: UInt64
    }

    /// `budget`: what is fetched is held. Throws `usage` for what is neither a directory nor s3://, `cannotOpen`.
    init(_ text: String, limits: Limits, budget: BodyBudget) throws(ImageError) {
        (storage, self.limits, self.budget) = (try Storage(), limits, budget)
        switch try Location(text) {
        case .file(let path):
            let number = path.withCString { imgpipe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
            guard number >= 0 else { throw .cannotOpen(errno: errno) }
            place = .directory(number)
        case .s3(let bucket, let key):
            place = .bucket(bucket, prefix: key.isEmpty || key.last == UInt8(ascii: "/") ? key : key + [UInt8(ascii: "/")])
        case .http: throw .usage("--storage is a directory or s3://bucket/prefix")
        }
        lookupThreads.start()
        if isRemote { fetchThreads.start() }
    }

    var isRemote: Bool { if case .bucket = place { true } else { false } }

    /// What tells the version of `key` from others; nil where the store does not say. Those who ask at the same time get the same answer.
    func version(of key: [UInt8], _ claim: Claim) async throws(ServiceFault) -> String? {
        // A letter for each byte: keys need not be UTF-8.
        let name = String(String.UnicodeScalarView(key.map { Unicode.Scalar($0) }))
        return try await lookups.value(claim, key: name) { order in
            let deadline = Deadline(limits: limits)
            deadline.begin()
            lookupThreads.submit { [self] state in
                lookups.answer(order, Self.answer(state, order, deadline) { (cancellation) throws(ImageError) in
                    switch place {
                    case .directory(let directory): return try Self.openFile(directory, key).version
                    case .bucket:
                        guard let file = try storage.status(of: location(key), deadline: deadline, cancellation) else { throw .cannotOpen(errno: ENOENT) }
                        return Self.version(file)
                    }
                })
            }
            return nil
        }
    }

    /// Fetches a picture from afar for an order, and hands it with its version to `then`, on a thread of its own.
    func fetch(_ key: [UInt8], for order: Order<Picture>, then: @escaping @Sendable (Result<(HeldPicture, version: String?), ServiceFault>) -> Void) {
        let deadline = Deadline(limits: limits)
        deadline.begin()
        fetchThreads.submit { [self] state in
            then(Self.answer(state, order, deadline) { (cancellation) throws(ImageError) in
                let picture = try HeldPicture(budget)
                let limit = Int(clamping: limits.memory)
                let file = try storage.fetch(location(key), to: picture, limitBytes: limit, deadline: deadline, cancellation)
                return (picture, Self.version(file))
            })
        }
    }

    /// What `body` gives, unless nobody wants it any more, or its time was over before its turn came.
    private static func answer<Value: Sendable, Wanted: Sendable>(
        _ state: NIOThreadPool.WorkItemState, _ order: Order<Wanted>, _ deadline: Deadline, _ body: (Cancellation) throws(ImageError) -> Value
    ) -> Result<Value, ServiceFault> {
        guard case .active = state, !order.isOver else { return .failure(.gone) }
        do throws(ImageError) {
            try deadline.check()
            let cancellation = try Cancellation()
            order.whenAbandoned { cancellation.cancel() }
            return .success(try body(cancellation))
        } catch {
            return .failure(ServiceFault(error))
        }
    }

    /// A file of this machine itself; a directory, a pipe or a device is none.
    func open(_ key: [UInt8]) throws(ServiceFault) -> LocalPicture {
        guard case .directory(let directory) = place else { preconditionFailure("no directory") }
        do throws(ImageError) { return try Self.openFile(directory, key) } catch { throw ServiceFault(error) }
    }

    private static func openFile(_ directory: Int32, _ key: [UInt8]) throws(ImageError) -> LocalPicture {
        let number = FilePath(key).withCString { imgpipe_open_beneath(directory, $0) }
        guard number >= 0 else { throw .cannotOpen(errno: errno) }
        let descriptor = Descriptor(number: number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .cannotOpen(errno: ENOENT) }
        let version = "\(status.st_dev).\(status.st_ino).\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec).\(status.st_size)"
        return LocalPicture(version: version, descriptor: descriptor, byteCount: UInt64(max(0, status.st_size)))
    }

    private static func version(_ file: StoredFile) -> String? { file.etag.map { "\($0).\(file.byteCount ?? 0)" } }

    private func location(_ key: [UInt8]) -> Location {
        guard case .bucket(let bucket, let prefix) = place else { preconditionFailure("no bucket") }
        return .s3(bucket: bucket, key: prefix + key)
    }
}
