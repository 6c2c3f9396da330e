import FilterSupport
import ImageCore
import ImageJobs
import Testing

@Suite struct JobReaderTests {
    private func reader(_ words: [String] = []) throws -> JobReader {
        let declaration = CommandDeclaration("test", summary: "", discussion: "", options: Recipe.declarations)
        return try JobReader(try GivenOptions(declaration, words), limits: Limits())
    }

    private func job(_ line: String, _ words: [String] = []) throws -> Job {
        var reader = try reader(words)
        switch line.utf8CString.withUnsafeBytes({ reader.job(UnsafeRawBufferPointer(rebasing: $0.dropLast()), number: 1) }) {
        case .job(let job): return job
        case .fault(let error, _, _, _): throw error
        }
    }

    @Test func aJobSaysWhatTheOptionsOfTheFiltersSay() throws {
        let job = try job(
            #"{"id":"7","in":"a.jpg","out":"t/a.webp","resize":"800","format":"webp","quality":85,"strip":{"keep":["icc"]},"min_ssim":0.98,"priority":0,"ttl_ms":30000}"#
        )
        #expect(job.id == .text("7") && job.input == FilePath("a.jpg") && job.output == FilePath("t/a.webp"))
        #expect(job.priority == 0 && job.lifetime == 30000)
        #expect(job.recipe.words == ["--resize=800", "--strip", "--keep=icc", "--format=webp", "--min-ssim=0.98"])
        #expect(job.recipe.resize?.geometry == Geometry("800") && job.recipe.format == .webp && job.recipe.goal.floors.first?.least == 0.98)
        #expect(job.recipe.strip != nil)
        // A floor goes before a quality, whoever says which; and 90.0 is 90.
        #expect(try self.job(#"{"id":1,"in":"a","min_ssim":0.9}"#, ["--quality=70"]).recipe.words == ["--min-ssim=0.9"])
        #expect(try self.job(#"{"id":1,"in":"a","quality":90.0,"priority":3.0}"#).recipe.words == ["--quality=90"])
    }

    @Test func membersCountBeforeTheCommandLine() throws {
        let words = ["--resize=800", "--quality=70", "--strip", "--keep=icc", "--progressive"]
        #expect(try job(#"{"id":1,"in":"a","quality":90}"#, words).recipe.words == ["--resize=800", "--strip", "--keep=icc", "--quality=90", "--progressive"])
        #expect(try job(#"{"id":1,"in":"a","resize":null,"progressive":false,"strip":"none"}"#, words).recipe.words == ["--quality=70"])
        #expect(try job(#"{"id":1,"in":"a"}"#, words).recipe.words == words.filter { $0 != "" }.sorted { order($0) < order($1) })
    }

    private func order(_ word: String) -> Int { Recipe.declarations.firstIndex { word.hasPrefix("--\($0.name)") && (word.dropFirst($0.name.utf8.count + 2).first ?? "=") == "=" }! }

    @Test func jobsThatSayTheSameShareARecipe() throws {
        var reader = try reader()
        func recipe(_ line: String) -> Recipe? {
            if case .job(let job) = line.utf8CString.withUnsafeBytes({ reader.job(UnsafeRawBufferPointer(rebasing: $0.dropLast()), number: 1) }) { job.recipe } else { nil }
        }
        let (one, other) = (recipe(#"{"id":1,"in":"a","resize":"80","quality":90}"#), recipe(#"{"id":2,"in":"b","quality":90,"resize":"80"}"#))
        #expect(one != nil && one === other)
        #expect(recipe(#"{"id":2,"in":"b"}"#) === recipe(#"{"id":3,"in":"c"}"#))
    }

    @Test(arguments: [
        ("", "no job"), ("[]", "not an object"), (#"{"id":1}"#, "no in"), (#"{"in":"a"}"#, "no id"), (#"{"id":1.5,"in":"a"}"#, "whole number"),
        (#"{"id":1,"in":""}"#, "no in"), (#"{"id":"\#(String(repeating: "i", count: 1025))","in":"a"}"#, "1024 bytes"),
        (#"{"id":1,"in":"\#(String(repeating: "i", count: 8193))"}"#, "8192 bytes"), (#"{"id":1,"in":"a","out":"\#(String(repeating: "o", count: 8193))"}"#, "8192 bytes"), (#"{"id":1,"in":"a","out":7}"#, "out is no string"), (#"{"id":1,"in":"a","priority":8}"#, "0...7"),
        (#"{"id":1,"in":"a","ttl_ms":-1}"#, "ttl_ms"), (#"{"id":1,"id":2,"in":"a"}"#, "duplicate"), (#"{"id":1,"in":"a","qualty":8}"#, "unknown option qualty"),
        (#"{"id":1,"in":"a","quality":101}"#, "1...100"), (#"{"id":1,"in":"a","progressive":"yes"}"#, "true or false"), (#"{"id":1,"in":"a","strip":{"hold":[]}}"#, "no hold"),
        (#"{"id":1,"in":"a","lossless":true,"format":"jpeg"}"#, "without loss"), (#"{"id":1,"in":"a","output":"b"}"#, "unknown option output"),
        (#"{"id":1,"in":"a","max_pixels":1}"#, "unknown option max-pixels"), (#"{"id":1,"in":"a\u0000b"}"#, "no job"), (#"{"id":1,"in":"a"} x"#, "end of file"),
        (#"{"id":1,"in":"a","strip":"icc"}"#, "strip is an object"), (#"{"id":1,"in":"a","strip":[]}"#, "strip is an object"),
    ])
    func whatIsNoJobIsRefusedWithItsReason(line: String, reason: String) {
        do {
            _ = try job(line)
            Issue.record("taken: \(line)")
        } catch {
            #expect("\(error)".contains(reason), "\(line): \(error)")
        }
    }
}
