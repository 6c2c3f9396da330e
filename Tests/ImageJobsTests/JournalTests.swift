import FilterSupport
import Glibc
import ImageCore
import ImageJobs
import Testing

@Suite struct JournalTests {
    private let path = FilePath("/tmp/imgpipe-journal-test-\(getpid())-\(UInt64.random(in: 0 ..< .max))")
    private let pool = BufferPool(limitBytes: 1 << 20)

    private func key(_ id: Int, quality: Int = 80) throws -> JobKey {
        let declaration = CommandDeclaration("test", summary: "", discussion: "", options: Recipe.declarations)
        let recipe = try Recipe(GivenOptions(declaration, ["--quality=\(quality)"]), limits: Limits())
        return Job(id: .number(Int64(id)), number: id, input: FilePath("a"), output: nil, recipe: recipe).key(output: Array("b".utf8))
    }

    private func content() -> String {
        let source = try! ByteSource(Descriptor.open(reading: path), pool: pool)
        try! source.refill()
        return String(decoding: source.window, as: UTF8.self)
    }

    @Test func whatWasNotedIsDoneInTheNextRun() throws {
        defer { _ = path.withCString { unlink($0) } }
        let first = try Journal(path, pool: pool)
        for i in 0..<100 { first.add(try key(i), byteCount: i, directory: FilePath("/tmp")) }
        #expect(try !first.isDone(key(5)))
        try first.end()
        let second = try Journal(path, pool: pool)
        #expect(second.doneCount == 100 && second.damagedLines == 0)
        #expect(try (0..<100).allSatisfy { try second.isDone(key($0)) } && !second.isDone(key(100)))
        // Another recipe is another job.
        #expect(try !second.isDone(key(5, quality: 81)))
        try second.end()
    }

    @Test func oneRunHasAJournalAtATime() throws {
        defer { _ = path.withCString { unlink($0) } }
        let first = try Journal(path, pool: pool)
        #expect(throws: ImageError.refusedOutput("another run writes it")) { _ = try Journal(path, pool: pool) }
        try first.end()
    }

    @Test func aLineThatWasChangedDoesNotCount() throws {
        defer { _ = path.withCString { unlink($0) } }
        let first = try Journal(path, pool: pool)
        for i in 0..<3 { first.add(try key(i), byteCount: 1000 + i, directory: nil) }
        try first.end()
        var lines = content().split(separator: "\n").map(String.init)
        #expect(lines.count == 3)
        lines[1] = lines[1].replacing("1001", with: "1007")
        let text = lines[0] + "\n" + lines[1] + "\n" + lines[2].dropLast(3)
        let file = try AtomicFile(path, pool: pool)
        try file.write(Array(text.utf8).span.bytes)
        try file.commit()
        let second = try Journal(path, pool: pool)
        #expect(second.doneCount == 1 && second.damagedLines == 1)
        #expect(try second.isDone(key(0)) && !second.isDone(key(1)) && !second.isDone(key(2)))
        second.add(try key(7), byteCount: 1, directory: nil)
        try second.end()
        // What was cut off is gone, and the next line stands for itself.
        #expect(content().split(separator: "\n").count == 3)
        #expect(try Journal(path, pool: pool).doneCount == 2)
    }
}
