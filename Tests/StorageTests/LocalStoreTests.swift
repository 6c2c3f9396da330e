import Foundation
import ImageCore
import Testing

@testable import Storage

struct LocalStoreTests {
    private let store = LocalStore()

    /// Runs in a directory of its own, which is gone then; `body` gets its path with a slash.
    private func inDirectory(_ body: (String) throws -> Void) throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("imgpipe-storage-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try body(directory.path + "/")
    }

    private func put(_ bytes: [UInt8], _ location: Location, mayReplace: Bool = true) throws {
        let sink = try store.sink(for: location, mayReplace: mayReplace, synchronizes: false, pool: BufferPool(limitBytes: 1 << 20))
        try sink.write(bytes.span.bytes)
        try sink.commit()
    }

    @Test func whatWasWrittenIsReadInParts() throws {
        try inDirectory { directory in
            let (location, bytes) = (try Location(directory + "a"), Array(0...255) as [UInt8])
            #expect(try store.status(of: location) == nil)
            try put(bytes, location)
            let file = try #require(try store.status(of: location))
            #expect(file.byteCount == 256 && file.etag == nil && file.modified != nil)
            #expect(try store.read(location, at: 10, count: 5, of: file) == Array(bytes[10..<15]))
            #expect(try store.read(location, at: 250, count: 100, of: nil) == Array(bytes[250...]))
            #expect(try store.read(location, at: 1000, count: 1, of: nil) == [])
            #expect(throws: ImageError.refusedOutput("file exists")) { try put([1], location, mayReplace: false) }
            try put([1, 2], location)
            #expect(throws: ImageError.transferFailed("has changed while it was read")) { try store.read(location, at: 0, count: 1, of: file) }
        }
    }

    @Test func whatIsNotCommittedIsNotThere() throws {
        try inDirectory { directory in
            let location = try Location(directory + "a")
            do {
                let sink = try store.sink(for: location, mayReplace: true, synchronizes: false, pool: BufferPool(limitBytes: 1 << 20))
                let bytes: [UInt8] = [1, 2, 3]
                try sink.write(bytes.span.bytes)
            }
            #expect(try store.status(of: location) == nil)
        }
    }

    @Test func listsAreInTheOrderOfBytes() throws {
        try inDirectory { directory in
            for name in ["a/b", "a/c/d", "a-b", "a0", "b", "\u{fc}"] {
                try FileManager.default.createDirectory(
                    at: URL(fileURLWithPath: directory + name).deletingLastPathComponent(), withIntermediateDirectories: true)
                try put([1], try Location(directory + name))
            }
            // Round and round.
            try FileManager.default.createSymbolicLink(atPath: directory + "a/loop", withDestinationPath: directory)
            func list(_ prefix: String, most: Int = .max) throws -> [String] {
                var names: [String] = []
                try store.list(try Location(directory + prefix)) { (file) throws(ImageError) in
                    names.append(String(decoding: file.location.bytes.dropFirst(directory.utf8.count), as: UTF8.self))
                    return names.count < most
                }
                return names
            }
            #expect(try list("") == ["a-b", "a/b", "a/c/d", "a0", "b", "\u{fc}"])
            #expect(try list("a") == ["a-b", "a/b", "a/c/d", "a0"])
            #expect(try list("a/") == ["a/b", "a/c/d"])
            #expect(try list("x") == [])
            #expect(try list("", most: 2) == ["a-b", "a/b"])
            #expect(throws: ImageError.cannotOpen(errno: ENOENT)) { try list("none/x") }
        }
    }

    @Test func filesOfThisMachineAreOpenedAsTheyAre() throws {
        try inDirectory { directory in
            let location = try Location(directory + "a")
            try put([1, 2, 3], location)
            let pool = BufferPool(limitBytes: 1 << 20)
            let opened = try Storage(StorageSettings()).open(location, pool: pool)
            #expect(opened.file.byteCount == 3)
            let source = try ByteSource(opened.takeDescriptor(), pool: pool)
            try source.refill()
            #expect(source.waitingCount == 3)
            try opened.check()
            #expect(throws: ImageError.cannotOpen(errno: ENOENT)) { try Storage(StorageSettings()).open(try Location(directory + "b"), pool: pool) }
        }
    }
}
