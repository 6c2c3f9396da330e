import Glibc
import ImageCore

/// Files of this machine.
struct LocalStore: ObjectStore {
    func status(of location: Location) throws(ImageError) -> StoredFile? {
        var status = stat()
        if Self.path(location).withCString({ stat($0, &status) }) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR { throw .cannotOpen(errno: EISDIR) }
            return StoredFile(status)
        }
        guard [ENOENT, ENOTDIR].contains(errno) else { throw .cannotOpen(errno: errno) }
        return nil
    }

    func read(_ location: Location, at offset: UInt64, count: Int, of version: StoredFile?) throws(ImageError) -> [UInt8] {
        let file = try Descriptor.open(reading: Self.path(location))
        if let version, StoredFile(descriptor: file.number) != version { throw .transferFailed("has changed while it was read") }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let n = pread(file.number, buffer.baseAddress! + filled, count - filled, off_t(clamping: offset) + off_t(filled))
                if n > 0 {
                    filled += n
                } else if n == 0 || errno != EINTR {
                    failure = n == 0 ? 0 : errno
                    break
                }
            }
        }
        if failure != 0 { throw .readFailed(errno: failure) }
        return bytes
    }

    func sink(for location: Location, mayReplace: Bool, synchronizes: Bool, pool: BufferPool) throws(ImageError) -> any ByteSink {
        try AtomicFile(Self.path(location), mayReplace: mayReplace, synchronizes: synchronizes, pool: pool)
    }

    private static func path(_ location: Location) -> FilePath {
        guard case .file(let path) = location else { preconditionFailure("no path") }
        return path
    }

    // MARK: Lists

    /// Regular files; links to directories are not followed.
    func list(_ prefix: Location, _ each: (ListedFile) throws(ImageError) -> Bool) throws(ImageError) {
        let path = Self.path(prefix).bytes
        let end = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        _ = try list(Array(path[..<end]), beginningWith: path[end...], each)
    }

    /// `directory`: with its slash; empty for the one at hand. False where no more are wanted.
    private func list(
        _ directory: [UInt8], beginningWith start: ArraySlice<UInt8>, _ each: (ListedFile) throws(ImageError) -> Bool
    ) throws(ImageError) -> Bool {
        // In the order of whole names, in which a directory's slash counts.
        var names: [[UInt8]] = []
        let stream = FilePath(directory.isEmpty ? [UInt8(ascii: ".")] : directory).withCString { opendir($0) }
        guard let stream else { throw .cannotOpen(errno: errno) }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { Array(UnsafeRawBufferPointer(start: $0, count: strlen(UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)))) }
            guard name != [UInt8(ascii: ".")], name != Array("..".utf8), name.starts(with: start) else { continue }
            var status = stat()
            let isDirectory = FilePath(directory + name).withCString { lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFDIR
            names.append(isDirectory ? name + [UInt8(ascii: "/")] : name)
        }
        closedir(stream)
        names.sort { $0.lexicographicallyPrecedes($1) }
        for name in names {
            if name.last == UInt8(ascii: "/") {
                guard try list(directory + name, beginningWith: [], each) else { return false }
            } else {
                let location = Location.file(FilePath(directory + name))
                var status = stat()
                guard FilePath(directory + name).withCString({ stat($0, &status) }) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
                guard try each(ListedFile(location, StoredFile(status))) else { return false }
            }
        }
        return true
    }
}

extension StoredFile {
    init(_ status: stat) {
        self.init(
            byteCount: status.st_mode & S_IFMT == S_IFREG ? UInt64(status.st_size) : nil,
            modified: .seconds(status.st_mtim.tv_sec) + .nanoseconds(status.st_mtim.tv_nsec))
    }

    init(descriptor: Int32) {
        var status = stat()
        self = fstat(descriptor, &status) == 0 ? StoredFile(status) : StoredFile()
    }
}
