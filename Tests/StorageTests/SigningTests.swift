import Testing

@testable import Storage

/// The examples of the Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk".
struct SigningTests {
    private static let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    private let signer = S3Signer(
        credentials: Credentials(accessKey: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), region: "us-east-1")
    /// 24 May 2013, 00:00:00 UTC.
    private let date: Int64 = 1_369_353_600

    private func authorization(_ method: String, _ path: String, query: String = "", _ headers: [HTTPHeader] = [], hash: String = nothing) -> String? {
        let all = [HTTPHeader("Host", "examplebucket.s3.amazonaws.com"), HTTPHeader("x-amz-content-sha256", hash)] + headers
        return signer.sign(method: method, path: path, query: query, headers: all, payloadHash: hash, date: date).last?.value
    }

    private func expected(_ names: String, _ signature: String) -> String {
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=\(names),Signature=\(signature)"
    }

    @Test func getObject() {
        #expect(
            authorization("GET", "/test.txt", [HTTPHeader("Range", "bytes=0-9")])
                == expected("host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"))
    }

    @Test func putObject() {
        let hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
        #expect(Digest.hex(Digest.sha256("Welcome to Amazon S3.")) == hash)
        let headers = [HTTPHeader("Date", "Fri, 24 May 2013 00:00:00 GMT"), HTTPHeader("x-amz-storage-class", "REDUCED_REDUNDANCY")]
        #expect(
            authorization("PUT", "/" + PercentEncoding.encode(Array("test$file.text".utf8), keepsSlash: true), headers, hash: hash)
                == expected(
                    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))
    }

    @Test func getBucketLifecycle() {
        #expect(
            authorization("GET", "/", query: "lifecycle=")
                == expected("host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"))
    }

    @Test func listObjects() {
        #expect(
            authorization("GET", "/", query: "max-keys=2&prefix=J")
                == expected("host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"))
    }

    @Test func sessionTokenIsSentAndSigned() {
        let signer = S3Signer(credentials: Credentials(accessKey: "A", secret: "S", sessionToken: "T"), region: "r")
        let added = signer.sign(method: "GET", path: "/", query: "", headers: [HTTPHeader("host", "h")], payloadHash: Self.nothing, date: date)
        #expect(added.map(\.name) == ["x-amz-date", "x-amz-security-token", "Authorization"])
        #expect(added[2].value.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"))
    }

    /// RFC 4231, cases 1, 2 and 6: a short key, text, and a key longer than a block.
    @Test func hmacIsThatOfRFC4231() {
        #expect(
            Digest.hex(Digest.hmac(key: [UInt8](repeating: 0x0b, count: 20), "Hi There")) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
        #expect(
            Digest.hex(Digest.hmac(key: Array("Jefe".utf8), "what do ya want for nothing?"))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            Digest.hex(Digest.hmac(key: [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First"))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test func md5IsThatOfRFC1321() {
        let bytes = Array("message digest".utf8)
        #expect(Digest.hex(Digest.md5(bytes.span.bytes)) == "f96b697d7cb7938d525a2f31aaf161d0")
    }

    @Test func credentialsDoNotShow() {
        let credentials = Credentials(accessKey: "AKID", secret: "topsecret", sessionToken: "token")
        var text = ""
        dump(credentials, to: &text)
        #expect(!"\(credentials) \(String(reflecting: credentials)) \(text)".contains("topsecret"))
    }
}
