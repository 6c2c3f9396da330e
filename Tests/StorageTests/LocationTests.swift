import ImageCore
import Testing

@testable import Storage

struct LocationTests {
    private func shown(_ text: String) throws -> String { String(decoding: try Location(text).shown, as: UTF8.self) }

    @Test func everyByteIsEncodedButTheUnreservedOnes() {
        let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~".utf8)
        for byte in UInt8.min...UInt8.max {
            let digits = Array("0123456789ABCDEF")
            let escape = "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            let plain = String(decoding: [byte], as: UTF8.self)
            #expect(PercentEncoding.encode([byte]) == (unreserved.contains(byte) ? plain : escape))
            #expect(PercentEncoding.encode([byte], keepsSlash: true) == (unreserved.contains(byte) || byte == UInt8(ascii: "/") ? plain : escape))
            #expect(PercentEncoding.decode(Array(escape.utf8)) == [byte])
        }
        #expect(PercentEncoding.decode(Array("%4x%%41%".utf8)) == Array("%4x%A%".utf8))
    }

    @Test func keysAreTakenByteForByte() throws {
        #expect(try Location("s3://b/a%41 //../ü?#") == .s3(bucket: "b", key: Array("a%41 //../ü?#".utf8)))
        #expect(try Location("S3://b") == .s3(bucket: "b", key: []))
        #expect(try Location("s3://b//a") == .s3(bucket: "b", key: Array("/a".utf8)))
        #expect(try Location(Array("s3://b/".utf8) + [0xff]) == .s3(bucket: "b", key: [0xff]))
    }

    @Test func pathsAreThemselves() throws {
        #expect(try Location("a:b/c") == .file(FilePath("a:b/c")))
        #expect(try Location("./s3://b/k") == .file(FilePath("./s3://b/k")))
        #expect(try Location("file:///a%20b%25") == .file(FilePath("/a b%")))
        #expect(try Location("file://localhost/a") == .file(FilePath("/a")))
        #expect(try Location([0xff, 0xfe]) == .file(FilePath([0xff, 0xfe])))
    }

    @Test(arguments: ["", "s3://", "s3:///k", "s3://a@b/k", "s3://a:1/k", "s3://.a/k", "s3://a%41/k", "http://", "https:///p", "http://u@/p", "file://host/p", "file://", "file:///a%00"])
    func whatNamesNothingIsRefused(_ text: String) {
        #expect(throws: ImageError.self) { try Location(text) }
    }

    @Test func secretsAreMasked() throws {
        #expect(try shown("https://user:pa@ss@host/p") == "https://***@host/p")
        #expect(try shown("https://h/p?X-Amz-Signature=abc&v=1&X-Amz-Credential=k&token=t#f") == "https://h/p?X-Amz-Signature=***&v=1&X-Amz-Credential=***&token=***")
        #expect(try shown("https://h?a%63cess_t%6Fken=t") == "https://h?a%63cess_t%6Fken=***")
        #expect(try shown("https://h/a@b?page=2") == "https://h/a@b?page=2")
        #expect(try shown("s3://b/k?token=1") == "s3://b/k?token=1")
    }

    @Test func endpointsDecideHowBucketsAreNamed() throws {
        func place(_ endpoint: String?, bucket: String, usesPaths: Bool? = nil, region: String = "eu-west-1") throws -> String {
            var settings = StorageSettings()
            (settings.endpoint, settings.usesPaths, settings.region) = (endpoint, usesPaths, region)
            let there = try S3Endpoint(settings)
            let (host, path) = there.place(bucket: bucket, key: Array("a b".utf8))
            return "\(there.scheme)://\(host)\(path)"
        }
        #expect(try place(nil, bucket: "bkt") == "https://bkt.s3.eu-west-1.amazonaws.com/a%20b")
        #expect(try place(nil, bucket: "b.kt") == "https://s3.eu-west-1.amazonaws.com/b.kt/a%20b")
        #expect(try place(nil, bucket: "bkt", usesPaths: true) == "https://s3.eu-west-1.amazonaws.com/bkt/a%20b")
        #expect(try place(nil, bucket: "bkt", region: "cn-north-1") == "https://bkt.s3.cn-north-1.amazonaws.com.cn/a%20b")
        #expect(try place("http://127.0.0.1:9000/", bucket: "bkt") == "http://127.0.0.1:9000/bkt/a%20b")
        #expect(try place("https://Store.example:443", bucket: "bkt") == "https://store.example/bkt/a%20b")
        #expect(try place("https://store.example", bucket: "bkt", usesPaths: false) == "https://bkt.store.example/a%20b")
        #expect(try place("http://h:80/gate", bucket: "bkt") == "http://h/gate/bkt/a%20b")
        for wrong in ["", "h", "ftp://h", "http://", "http://u:p@h", "http://h/?x"] {
            #expect(throws: ImageError.self) { try place(wrong, bucket: "bkt") }
        }
    }
}
