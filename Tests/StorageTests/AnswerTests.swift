import ImageCore
import Testing

@testable import Storage

struct AnswerTests {
    private func answer(_ text: String) -> XMLAnswer? { XMLAnswer(Array(text.utf8)) }

    @Test func elementsHaveTextOrElements() throws {
        let root = try #require(answer("<?xml version='1.0'?><l xmlns='u'><Contents><Key>a &amp;&#13;\u{fc}</Key></Contents><Contents><Key>b</Key></Contents></l>"))
        #expect(root.children.map { $0.text("Key") } == ["a &\r\u{fc}", "b"])
        #expect(try #require(answer("<s:Error xmlns:s='u'><s:Code>X</s:Code></s:Error>")).text("Code") == "X")
    }

    @Test func hostileTextIsNoAnswer() {
        let entities = "<!DOCTYPE l [<!ENTITY a 'xxxxxxxxxx'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;'>]>"
        #expect(answer(entities + "<l>&c;</l>") == nil)
        #expect(answer("<!DOCTYPE l SYSTEM 'file:///etc/passwd'><l/>") == nil)
        #expect(answer(String(repeating: "<a>", count: 100_000)) == nil)
        #expect(answer("<l>" + String(repeating: "<a/>", count: 100_000) + "</l>") == nil)
        for wrong in ["", "text", "<a>", "<a></b>", "<a>&nbsp;</a>", "<a>\u{0}</a>"] { #expect(answer(wrong) == nil) }
    }

    @Test func rangesOfAnswersAreJudged() {
        func range(_ text: String) -> [UInt64]? {
            HTTPHead(status: 206, headers: [("content-range", text)]).contentRange.map { [$0.first, $0.last, $0.total] }
        }
        #expect(range("bytes 0-99/1234") == [0, 99, 1234])
        #expect(range("bytes */0") == [0, 0, 0])
        for wrong in ["bytes 0-99/*", "bytes 9-8/100", "bytes 0-100/100", "items 0-1/2", "bytes -1/2", "bytes 0-1", "bytes 0-18446744073709551616/2", ""] {
            #expect(range(wrong) == nil)
        }
    }

    @Test func faultsSayWhoIsToBlame() {
        let body = Array("<Error><Code>NoSuchKey</Code><Message>secret</Message></Error>".utf8)
        let missing = TransferFault(HTTPHead(status: 404), body: body, isSigned: true, tries: 1)
        #expect(missing.ofOpening == .cannotReach("404 Not Found: NoSuchKey"))
        #expect(missing.ofOpening.status == .cannotOpenInput)
        #expect(missing.ofReading == .transferFailed("404 Not Found: NoSuchKey"))
        #expect(missing.ofWriting == .refusedOutput("404 Not Found: NoSuchKey"))
        let busy = TransferFault(HTTPHead(status: 503), body: [], isSigned: true, tries: 4)
        #expect(busy.ofWriting == .transferFailed("503 Service Unavailable after 4 tries"))
        #expect(busy.ofWriting.status == .readOrWriteFailed)
        let elsewhere = TransferFault(HTTPHead(status: 301, headers: [("x-amz-bucket-region", "eu-\u{1b}[1mwest")]), body: [], isSigned: true, tries: 1)
        #expect(elsewhere.message == "301 Moved Permanently (the bucket is in eu-1mwest, see AWS_REGION)")
    }
}

struct SettingsTests {
    private func settings(_ variables: [String: String]) throws -> StorageSettings { try StorageSettings(environment: { variables[$0] }) }

    @Test func variablesAreThoseOfAWS() throws {
        let all = try settings([
            "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "other", "AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b", "AWS_CA_BUNDLE": "ca",
            "SSL_CERT_FILE": "other", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_S3_ADDRESSING_STYLE": "path",
            "IMG_STORAGE_TIMEOUT": "2.5",
        ])
        #expect(all.region == "eu-west-1" && all.endpoint == "http://b" && all.s3Certificates == "ca" && all.httpCertificates == "other")
        #expect(all.credentials?.accessKey == "k" && all.credentials?.secret == "s" && all.credentials?.sessionToken == "t")
        #expect(all.usesPaths == true && all.stallSeconds == 2.5 && all.connectSeconds == 2.5)
        let none = try settings([:])
        #expect(none.credentials == nil && none.endpoint == nil && none.region == "us-east-1" && none.stallSeconds == 30)
    }

    @Test(arguments: [["IMG_STORAGE_TIMEOUT": "0"], ["IMG_STORAGE_TIMEOUT": "x"], ["AWS_S3_ADDRESSING_STYLE": "x"], ["AWS_REGION": "a/b"],
        ["AWS_ACCESS_KEY_ID": "a\r\nX: y", "AWS_SECRET_ACCESS_KEY": "s"], ["AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "\n"]])
    func valuesThatAreNoneAreRefused(_ variables: [String: String]) {
        #expect(throws: ImageError.self) { try settings(variables) }
    }
}
