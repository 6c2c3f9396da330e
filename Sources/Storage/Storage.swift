import ImageCore
import Synchronization

/// All stores, each set up when it is first asked. Calls wait until they are answered, and may come from many threads.
public final class Storage: Sendable {
    public let settings: StorageSettings
    private let local = LocalStore()
    private let http: HTTPStore
    private let s3 = Mutex<S3Store?>(nil)

    public init(_ settings: StorageSettings) {
        self.settings = settings
        http = HTTPStore(settings)
    }

    /// As the environment says. Throws `usage` where that cannot be.
    public convenience init() throws(ImageError) { self.init(try StorageSettings(environment: StorageSettings.environment)) }

    /// Throws `usage` where the settings are none of a store.
    public func store(of location: Location) throws(ImageError) -> any ObjectStore {
        if let remote = try remoteStore(of: location) { remote } else { local }
    }

    private func remoteStore(of location: Location) throws(ImageError) -> (any RemoteStore)? {
        switch location {
        case .file: return nil
        case .http: return http
        case .s3:
            return try s3.withLock { (store) throws(ImageError) in
                if let store { return store }
                let new = try S3Store(settings)
                store = new
                return new
            }
        }
    }

    /// Nil where there is no such file.
    public func status(of location: Location) throws(ImageError) -> StoredFile? { try store(of: location).status(of: location) }

    /// As `status(of:)`, of a server's file, no longer than until `deadline` comes or `cancellation` is told.
    public func status(of location: Location, deadline: Deadline, _ cancellation: Cancellation) throws(ImageError) -> StoredFile? {
        guard let store = try remoteStore(of: location) else { preconditionFailure("a file of this machine") }
        return try store.status(of: location, Transport.Terms(deadline: deadline, cancellation: cancellation))
    }

    /// All of a server's file, to `sink`, which is not committed. False where it is another than `version`, which is as `status` gave it; nil: whatever
    /// is there. Throws `overLimit(.memory)` where it is more than `limitBytes`, `outOfTime` when `deadline` comes, `transferFailed` when
    /// `cancellation` is told.
    public func fetch(
        _ location: Location, of version: StoredFile?, to sink: any ByteSink, limitBytes: Int, deadline: Deadline, _ cancellation: Cancellation
    ) throws(ImageError) -> Bool {
        guard let store = try remoteStore(of: location) else { preconditionFailure("a file of this machine") }
        let download = Download(store, location, 0..<(.max), of: version, mostBytes: UInt64(limitBytes), to: sink)
        do throws(TransferFault) {
            try download.run(Transport.Terms(deadline: deadline, cancellation: cancellation))
        } catch {
            if case .precondition = error.kind { return false }
            throw download.receivedBytes == 0 ? error.ofOpening : error.ofReading
        }
        return true
    }

    /// Where its bytes go; see `ObjectStore.sink`.
    public func sink(
        for location: Location, mayReplace: Bool = true, synchronizes: Bool = false, pool: BufferPool
    ) throws(ImageError) -> any ByteSink {
        try store(of: location).sink(for: location, mayReplace: mayReplace, synchronizes: synchronizes, pool: pool)
    }

    /// A file to be read through a descriptor. Of this machine: as it is. Of a server: in memory, and from `settings.readAheadBytes` on the end
    /// of a pipe that ranges are fetched for; where the server has no ranges, in a file without a name, of at most the bytes that `pool`
    /// may have. `pool`'s deadline holds for what is fetched before this returns.
    public func open(_ location: Location, pool: BufferPool) throws(ImageError) -> OpenedFile {
        guard let store = try remoteStore(of: location) else {
            guard case .file(let path) = location else { preconditionFailure("no path") }
            let descriptor = try Descriptor.open(reading: path)
            let file = StoredFile(descriptor: descriptor.number)
            return OpenedFile(descriptor, file)
        }
        let window = MemoryWindow()
        let first = Download(store, location, 0..<UInt64(settings.firstBytes), of: nil, to: window)
        try Self.run(first, pool)
        var file = first.file ?? StoredFile()
        let bytes = window.take()
        let hasAll = first.isWhole ? bytes.count < settings.firstBytes || file.byteCount == UInt64(bytes.count) : file.byteCount == UInt64(bytes.count)
        if let count = file.byteCount, count >= settings.readAheadBytes, !hasAll, !first.isWhole {
            return try RangePump.begin(store, location, file, first: bytes)
        }
        if let count = file.byteCount, count < settings.readAheadBytes || hasAll {
            let memory = try MemoryFile()
            try memory.write(bytes.span.bytes)
            if !hasAll {
                try Self.run(Download(store, location, UInt64(bytes.count)..<count, of: file, mostBytes: UInt64(pool.limitBytes), to: memory), pool)
                guard UInt64(memory.byteCount) == count else { throw .transferFailed("has changed while it was read") }
            }
            return OpenedFile(try memory.descriptor(), file)
        }
        let scratch = try ScratchFile.Whole()
        let rest = Download(store, location, 0..<(.max), of: file, mostBytes: UInt64(pool.limitBytes), to: scratch)
        try Self.run(rest, pool)
        file.byteCount = rest.receivedBytes
        return OpenedFile(try scratch.descriptor(), file, scratch: scratch)
    }

    private static func run(_ download: Download, _ pool: BufferPool) throws(ImageError) {
        let isFirst = download.file == nil
        do throws(TransferFault) {
            try download.run(Transport.Terms(deadline: pool.deadline))
        } catch {
            throw isFirst && download.receivedBytes == 0 ? error.ofOpening : error.ofReading
        }
    }
}
