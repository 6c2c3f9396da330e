import FilterSupport
import ImageCore
import ImageJobs
import Testing

import ServiceRequests

@Suite struct RequestTests {
    private func words(_ query: String) throws -> [String] {
        let reader = try RecipeReader(program: "imgserve", defaults: ["--keep=copyright"], limits: Limits())
        return try Wish(Query(query), reader, name: [], accept: nil).recipe.words
    }

    private func fault(_ body: () throws -> Void) -> ServiceFault? {
        do { try body() } catch { return error as? ServiceFault }
        return nil
    }

    @Test func queriesAreOptions() throws {
        #expect(try words("resize=800%3E&quality=85") == ["--resize=800>", "--keep=copyright", "--quality=85"])
        #expect(try words("min_ssim=0.9&progressive") == ["--keep=copyright", "--min-ssim=0.9", "--progressive"])
        #expect(try words("progressive=0&quality=1&quality=2") == ["--keep=copyright", "--quality=2"])
        #expect(try words("strip=none") == [])
        #expect(try words("strip=1") == ["--strip"])
        #expect(try words("keep=icc&keep=exif&drop=gps") == ["--keep=icc,exif", "--drop=gps"])
        #expect(try words("palette&format=png") == ["--keep=copyright", "--format=png", "--palette=256"])
        #expect(try words("background=%23ff0000") == ["--background=#ff0000", "--keep=copyright"])
    }

    @Test func wrongQueriesAreTheCallersFault() {
        for query in ["frob=1", "max-pixels=1", "no-sandbox", "help", "output=x", "=", "quality", "progressive=maybe", "resize=%00", "resize=%ff"] {
            #expect(fault { _ = try words(query) }?.status == .badRequest, "\(query)")
        }
        #expect(fault { _ = try words("frob=1") }?.detail == "unknown option frob")
    }

    @Test func keysLeadNowhereElse() throws {
        #expect(try PictureKey(path: "a/b%20c.jpg").bytes == Array("a/b c.jpg".utf8))
        // Undone once: what is left is a name like any other.
        #expect(try PictureKey(path: "%252e%252e").bytes == Array("%2e%2e".utf8))
        for path in ["..", "a/../b", "%2e%2e/b", "a%2f..%2fb", "/a", "a//b", "a/", ".", "a/./b", "%2fetc/passwd"] {
            #expect(fault { _ = try PictureKey(path: path[...]) }?.status == .forbidden, "\(path)")
        }
        for path in ["%", "%2", "%zz", "a%00b", "a%0ab"] { #expect(fault { _ = try PictureKey(path: path[...]) }?.status == .badRequest, "\(path)") }
    }

    @Test func signaturesAreOfOneURL() {
        let signature = URLSignature(key: Array("0123456789abcdef\n".utf8))
        // By OpenSSL: printf '/compress?a=1&b=2' | openssl dgst -sha256 -hmac 0123456789abcdef
        let sign = signature.sign(path: "/compress", query: "b=2&a=1")
        #expect(sign == "203a2c31283629ae6dfb2a28893257e9d971e20d9e6877cb7ee26e6a4503adc3")
        #expect(fault { try signature.check(path: "/compress", query: "a=1&sign=\(sign)&b=2") } == nil)
        for query in ["a=1&b=2", "a=1&b=3&sign=\(sign)", "a=1&b=2&sign=\(sign)&sign=\(sign)", "a=1&b=2&sign=\(sign.dropLast())", "a=1&b=2&sign="] {
            #expect(fault { try signature.check(path: "/compress", query: query) }?.status == .forbidden, "\(query)")
        }
        let timed = "expires=100&sign=" + signature.sign(path: "/x", query: "expires=100")
        #expect(fault { try signature.check(path: "/x", query: timed, now: 100) } == nil)
        #expect(fault { try signature.check(path: "/x", query: timed, now: 101) }?.status == .forbidden)
    }
}
