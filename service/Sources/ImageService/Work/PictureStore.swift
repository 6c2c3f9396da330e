import CPlatformShims
import FilterSupport
import Glibc
import ImageCore
import ImageJobs
import ServiceRequests
import Storage

/// Where pictures of `GET /image/KEY` are: beneath a directory, or behind a prefix of a bucket; and nothing outside of it.
///
/// A store that is slow, or never answers, holds up threads of its own alone, and those of a server no longer than somebody waits.
final class PictureStore: Sendable {
    private enum Place: Sendable {
        /// Open as long as the service runs: what it is called may change.
        case directory(Int32)
        case bucket(String, prefix: [UInt8])
    }

    /// What tells a version of a picture from others, and what a server has said of it.
    struct Version: Sendable {
        let text: String
        fileprivate var file: StoredFile?
    }

    /// Something that a thread is to do for an order.
    private struct Errand: Sendable {
        let order: any AnyObject & Sendable
        let run: @Sendable () -> Void
    }

    private let place: Place
    private let storage: Storage
    private let limits: Limits
    private let budget: BodyBudget
    private let lookups = OpenOrders<Version?>()
    /// For versions, and for what takes longer.
    private let lookupThreads: Scheduler<Errand>
    private let fetchThreads: Scheduler<Errand>
    private static let (lookupCount, fetchCount) = (32, 8)
    private static let mostLookups = 1024
    /// That they may have open at once: a connection, the ends of a pipe; what was fetched, and that once more for the worker.
    static let mostFiles = 4 * lookupCount + 6 * fetchCount

    /// A file of this machine, and what tells this version of it from others.
    struct LocalPicture: ~Copyable {
        let version: String
        let descriptor: Descriptor
        let byteCount: UInt64
    }

    /// `mostBytes`: of what is fetched, all together. `fetchLimit`: pictures that wait to be. Throws `usage` for what is neither a directory nor s3://,
    /// `cannotReach`, `noThread`.
    init(_ text: String, limits: Limits, mostBytes: Int, fetchLimit: Int) throws(ImageError) {
        (storage, self.limits, budget) = (try Storage(), limits, BodyBudget(most: mostBytes))
        lookupThreads = try Scheduler(slots: Self.lookupCount, mostThreads: Self.lookupCount, limit: Self.mostLookups) { $0.entry.work.run() }
        fetchThreads = try Scheduler(slots: Self.fetchCount, mostThreads: Self.fetchCount, limit: fetchLimit) { $0.entry.work.run() }
        switch try Location(text) {
        case .file(let path):
            let number = path.withCString { imgpipe_open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
            guard number >= 0 else { throw .cannotReach("--storage \(Console.printable(path.bytes)): \(ImageError.cannotOpen(errno: errno))") }
            place = .directory(number)
        case .s3(let bucket, let key):
            place = .bucket(bucket, prefix: key.isEmpty || key.last == UInt8(ascii: "/") ? key : key + [UInt8(ascii: "/")])
        case .http: throw .usage("--storage is a directory or s3://bucket/prefix")
        }
    }

    var isRemote: Bool { if case .bucket = place { true } else { false } }

    var heldBytes: Int { budget.heldBytes }

    /// The version of `key`; nil where the store does not say. Those who ask at the same time get the same answer.
    func version(of key: [UInt8], _ claim: Claim) async throws(ServiceFault) -> Version? {
        // A letter for each byte: keys need not be UTF-8.
        let name = String(String.UnicodeScalarView(key.map { Unicode.Scalar($0) }))
        return try await lookups.value(claim, key: name, hasten: { order in lookupThreads.hasten(to: order.priority) { $0.order === order } }) { order in
            let deadline = begunDeadline()
            return submit(order, to: lookupThreads) { [self] in
                lookups.answer(order, answer(order, deadline) { () throws(ImageError) in
                    switch place {
                    case .directory(let directory): return Version(text: try Self.openFile(directory, key).version)
                    case .bucket:
                        let cancellation = try Self.cancellation(of: order)
                        guard let file = try storage.status(of: location(key), deadline: deadline, cancellation) else { throw .cannotOpen(errno: ENOENT) }
                        return file.etag.map { Version(text: "\($0).\(file.byteCount ?? 0)", file: file) }
                    }
                })
            }
        }
    }

    /// Fetches a picture from afar for an order, of `version` or whatever is there, and hands it to `then`, on a thread of its own. Not at all, and why,
    /// where too many wait.
    func fetch(
        _ key: [UInt8], of version: Version?, for order: Order<Picture>, then: @escaping @Sendable (Result<HeldPicture, ServiceFault>) -> Void
    ) -> ServiceFault? {
        let deadline = begunDeadline()
        return submit(order, to: fetchThreads) { [self] in
            var isChanged = false
            let result = answer(order, deadline) { () throws(ImageError) in
                let picture = try HeldPicture(budget)
                let cancellation = try Self.cancellation(of: order)
                isChanged = try !storage.fetch(
                    location(key), of: version?.file, to: picture, limitBytes: min(Int(clamping: limits.memory), budget.most), deadline: deadline, cancellation)
                return picture
            }
            then(isChanged ? .failure(.changed) : result)
        }
    }

    /// Somebody wants it sooner.
    func hasten(_ order: Order<Picture>) { fetchThreads.hasten(to: order.priority) { $0.order === order } }

    private func begunDeadline() -> Deadline {
        let deadline = Deadline(limits: limits)
        deadline.begin()
        return deadline
    }

    private func submit<Value: Sendable>(_ order: Order<Value>, to threads: Scheduler<Errand>, _ run: @escaping @Sendable () -> Void) -> ServiceFault? {
        order.whenAbandoned { threads.withdraw { $0.order === order } }
        return threads.trySubmit(Errand(order: order, run: run), priority: order.priority) ? nil : .full
    }

    /// Told when nobody wants the order any more.
    private static func cancellation<Value: Sendable>(of order: Order<Value>) throws(ImageError) -> Cancellation {
        let cancellation = try Cancellation()
        order.whenAbandoned { cancellation.cancel() }
        return cancellation
    }

    /// What `body` gives, unless nobody wants it any more, or its time was over before its turn came.
    private func answer<Wanted: Sendable, Value>(
        _ order: Order<Wanted>, _ deadline: Deadline, _ body: () throws(ImageError) -> Value
    ) -> Result<Value, ServiceFault> {
        if order.isOver { return .failure(.gone) }
        do throws(ImageError) {
            try deadline.check()
            return .success(try body())
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
        return LocalPicture(version: FileVersion(status).text, descriptor: descriptor, byteCount: UInt64(max(0, status.st_size)))
    }

    private func location(_ key: [UInt8]) -> Location {
        guard case .bucket(let bucket, let prefix) = place else { preconditionFailure("no bucket") }
        return .s3(bucket: bucket, key: prefix + key)
    }
}
