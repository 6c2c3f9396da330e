import Testing

import Multipart

@Suite struct HeaderValueTests {
    @Test func parametersAreFoundQuotedOrNot() {
        func value(_ text: String, _ name: String) -> String? { HeaderValue.parameter(name, of: Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) } }
        #expect(value("multipart/form-data; boundary=abc", "boundary") == "abc")
        #expect(value(#"form-data; name="file"; filename="a;b\".jpg""#, "filename") == #"a;b".jpg"#)
        #expect(value(#"form-data; name="x; filename=y""#, "filename") == nil)
        #expect(value("form-data; NAME=file ; filename=b", "name") == "file")
        #expect(value("form-data; name", "name") == nil)
    }

    @Test func webPIsAcceptedByNameAlone() {
        #expect(HeaderValue.accepts("image/webp", "text/html, image/WebP;q=0.8, */*"))
        #expect(!HeaderValue.accepts("image/webp", "image/webp;q=0, image/*"))
        #expect(!HeaderValue.accepts("image/webp", "*/*"))
    }

    @Test func entityTagsMatchWeakly() {
        #expect(HeaderValue.matches(#""a", W/"b""#, #""b""#))
        #expect(HeaderValue.matches("*", #""b""#))
        #expect(!HeaderValue.matches(#""ab""#, #""b""#))
    }
}
