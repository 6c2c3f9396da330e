import Glibc
import ImageCore
import TestPictures
import Testing

/// A directory for one test, gone afterwards.
final class TemporaryDirectory {
    let path: String

    init() {
        var name = Array("/tmp/imgpipe-test-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&name))
    }

    deinit { system("rm -rf '\(path)'") }

    func file(_ name: String) -> FilePath { FilePath(path + "/" + name) }

    var names: [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func contents(_ name: String) -> [UInt8]? {
        let number = open(path + "/" + name, O_RDONLY)
        guard number >= 0 else { return nil }
        defer { close(number) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        return Array(bytes[..<read(number, &bytes, bytes.count)])
    }
}

@Suite struct AtomicFileTests {
    let pool = BufferPool(limits: Limits())
    let directory = TemporaryDirectory()

    private func put(_ bytes: [UInt8], _ name: String, mayReplace: Bool = true, commit: Bool = true) throws {
        let file = try AtomicFile(directory.file(name), mayReplace: mayReplace, pool: pool)
        try file.write(bytes.span.bytes)
        if commit { try file.commit() }
    }

    @Test func fileAppearsAtCommitAndNotBefore() throws {
        try put([1], "a", commit: false)
        #expect(directory.names.isEmpty)
        try put([1, 2], "a")
        #expect(directory.names == ["a"])
        #expect(directory.contents("a") == [1, 2])
    }

    @Test func existingFileKeepsItsModeAndIsReplacedWhole() throws {
        try put([1, 2, 3], "a")
        chmod(directory.path + "/a", 0o640)
        try put([4], "a", commit: false)
        #expect(directory.contents("a") == [1, 2, 3])
        try put([5], "a")
        #expect(directory.contents("a") == [5])
        var status = stat()
        stat(directory.path + "/a", &status)
        #expect(status.st_mode & 0o7777 == 0o640)
        #expect(directory.names == ["a"])
    }

    @Test func existingFileIsKeptWhereAskedFor() throws {
        try put([1], "a")
        #expect(throws: ImageError.refusedOutput("file exists")) { try put([2], "a", mayReplace: false) }
        // Also when the other came between opening and committing.
        let late = try AtomicFile(directory.file("b"), mayReplace: false, pool: pool)
        try put([3], "b")
        #expect(throws: ImageError.refusedOutput("file exists")) { try late.commit() }
        #expect(directory.contents("b") == [3])
        #expect(directory.names == ["a", "b"])
    }

    @Test func symlinksAreFollowed() throws {
        try put([1], "a")
        symlink("a", directory.path + "/link")
        symlink("new", directory.path + "/dangling")
        try put([2], "link")
        try put([3], "dangling")
        #expect(directory.contents("a") == [2])
        #expect(directory.contents("new") == [3])
        #expect(directory.names == ["a", "dangling", "link", "new"])
        symlink("loop", directory.path + "/loop")
        #expect(throws: ImageError.cannotCreate(errno: ELOOP)) { try put([1], "loop") }
    }

    @Test func whatCannotBeAFileIsRefusedAtOnce() throws {
        #expect(throws: ImageError.cannotCreate(errno: ENOENT)) { try put([1], "none/a") }
        #expect(throws: ImageError.cannotCreate(errno: EISDIR)) { try put([1], ".") }
        #expect(throws: ImageError.writeFailed(errno: ENOSPC)) {
            let full = try AtomicFile(FilePath("/dev/full"), pool: pool)
            let bytes: [UInt8] = [1]
            try full.write(bytes.span.bytes)
            try full.commit()
        }
    }

    @Test func spooledBytesPastMemoryComeOutWhole() throws {
        let block = (0..<100_000).map { UInt8($0 % 251) }
        let bytes = try written { file in
            let sink = SpooledSink(Descriptor(number: file), pool: pool)
            for _ in 0..<50 { try sink.write(block.span.bytes) }
            #expect(lseek(file, 0, SEEK_END) == 0)
            try sink.commit()
        }
        #expect(bytes.count == 5_000_000)
        #expect(bytes[4_900_000...].elementsEqual(block))
    }
}

@Suite struct FileSignatureTests {
    @Test func formatsAreToldByContent() {
        func signature(_ bytes: [UInt8]) -> FileSignature? { FileSignature(bytes.span.bytes) }
        #expect(signature([0xff, 0xd8, 0xff]) == .jpeg)
        #expect(signature([0x89] + Array("PNG\r\n".utf8) + [0x1a, 0x0a]) == .png)
        #expect(signature(Array("RIFF1234WEBP".utf8)) == .webp)
        #expect(signature(Array("RIFF1234WAVE".utf8)) == nil)
        #expect(signature(Array("imgpipe1".utf8)) == .pixelStream)
        #expect(signature(Array("....ftypavif".utf8)) == .avif)
        #expect(signature(Array("....ftypheic".utf8)) == .heic)
        #expect(signature(Array("II*\0".utf8)) == .tiff)
        #expect(signature(Array("hello, world".utf8)) == nil)
        #expect(signature([]) == nil)
    }
}

@Suite struct ByteSourceTests {
    let pool = BufferPool(limits: Limits())

    @Test func bytesComeInOrderThroughEveryWayOfReading() throws {
        let bytes = (0..<400_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let source = try source(bytes, pool: pool)
        try source.prefetch(16)
        #expect(source.waiting.withUnsafeBytes { Array($0[..<16]) } == Array(bytes[..<16]))
        source.skip(3)
        var taken = Array(bytes[..<3])
        for count in [1, 10_000, 200_000, 7, 150_000] {
            var target = [UInt8](repeating: 0, count: count)
            var span = target.mutableSpan
            var raw = span.mutableBytes
            try source.read(into: &raw)
            taken += target
        }
        #expect(taken == Array(bytes[..<taken.count]))
        #expect(source.positionBytes == UInt64(taken.count))
        var tooMany = [UInt8](repeating: 0, count: 100_000)
        #expect(throws: ImageError.truncated(atByte: 400_000)) {
            var span = tooMany.mutableSpan
            var raw = span.mutableBytes
            try source.read(into: &raw)
        }
    }

    @Test func aDirectoryAndAMissingFileCannotBeOpened() {
        #expect(throws: ImageError.cannotOpen(errno: EISDIR)) { _ = try Descriptor.open(reading: FilePath("/")) }
        #expect(throws: ImageError.cannotOpen(errno: ENOENT)) { _ = try Descriptor.open(reading: FilePath("/none")) }
    }

    /// A file that somebody has saved anew, since it was opened.
    @Test func aFileThatWasChangedMeanwhileIsLeft() throws {
        let (directory, pool) = (TemporaryDirectory(), BufferPool(limits: Limits()))
        for (name, content) in [("a", "old"), ("fresh", "fresh")] {
            let file = try AtomicFile(directory.file(name), pool: pool)
            try file.write(Array(content.utf8).span.bytes)
            try file.commit()
        }
        let identity = try #require(FileIdentity(directory.file("a")))
        let file = try AtomicFile(directory.file("a"), replacing: identity, pool: pool)
        try file.write(Array("new".utf8).span.bytes)
        #expect(rename(directory.path + "/fresh", directory.path + "/a") == 0)
        #expect(throws: ImageError.refusedOutput("has been changed meanwhile; left as it is")) { try file.commit() }
        #expect(directory.contents("a") == Array("fresh".utf8) && directory.names == ["a"])
    }

    /// Parts of all sizes come and go in any order, and each keeps what was written to it.
    @Test func partsOfTheScratchFileAreNobodyElses() throws {
        var random: UInt64 = 5
        func next(_ limit: Int) -> Int {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(random >> 33) % limit
        }
        var parts: [(part: ScratchFile.Part, content: [UInt8])] = []
        for round in 0..<400 {
            if parts.count < 3 || (parts.count < 12 && next(2) == 0) {
                let content = [UInt8](repeating: UInt8(round & 255), count: 1 + next(300_000))
                let part = try ScratchFile.Part(byteCount: content.count)
                try part.write(content.span.bytes)
                parts.append((part, content))
            } else {
                let (part, content) = parts.remove(at: next(parts.count))
                #expect(try part.content() == content)
            }
        }
        for (part, content) in parts { #expect(try part.content() == content) }
    }
}
