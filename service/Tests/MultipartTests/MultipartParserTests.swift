import Testing

import Multipart

/// What a parser finds, pieces of a content joined.
private struct Found: Equatable {
    var parts: [Part] = []
    var fault: String?

    struct Part: Equatable {
        var name: String?
        var fileName: String?
        var content: [UInt8] = []
        var isEnded = false
    }
}

private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

private func parse(_ pieces: [ArraySlice<UInt8>], boundary: String = "b", limits: MultipartParser.Limits = .init()) -> Found {
    var (parser, found) = (MultipartParser(boundary: Array(boundary.utf8), limits: limits), Found())
    do {
        for piece in pieces {
            try piece.withUnsafeBytes { bytes in
                try parser.push(bytes) { (event) throws(Never) in
                    switch event {
                    case .part(let name, let fileName): found.parts.append(.init(name: text(name), fileName: text(fileName)))
                    case .content(let bytes):
                        #expect(!bytes.isEmpty)
                        found.parts[found.parts.count - 1].content += bytes
                    case .partEnd: found.parts[found.parts.count - 1].isEnded = true
                    }
                }
            }
        }
    } catch {
        if case .fault(let fault)? = error as? MultipartError<Never> { found.fault = fault.detail }
        return found
    }
    do throws(MultipartParser.Fault) { try parser.end() } catch { found.fault = error.detail }
    return found
}

private func parse(_ body: String, boundary: String = "b", limits: MultipartParser.Limits = .init()) -> Found {
    parse([Array(body.utf8)[...]], boundary: boundary, limits: limits)
}

@Suite struct MultipartParserTests {
    /// Contents that look like boundaries, at their start, in their middle and at their end.
    static let bodies = [
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\u{1}\r\n--c\r\n\r\n-\r\n--\r--b\r\r\n\r\n--b--\r\n",
        "preamble\r\n--b \t\r\nContent-Disposition: form-data; name=one\r\n\r\n\r\n--b\r\ncontent-disposition:form-data;name=\"two\"\r\n\r\n--b--\r\n--b--epilogue\r\n--b\r\n",
        "--b\r\n\r\nno name\r\n--bb\r\n--b--",
        "--b\r\n\r\n\r\n--b\r\n\r\n\r\n\r\n--b--",
    ]

    @Test(arguments: bodies) func everySplitGivesTheSame(_ body: String) {
        let bytes = Array(body.utf8)
        let whole = parse([bytes[...]])
        #expect(whole.fault == (body.contains("--bb") ? "a boundary with other bytes behind it" : nil))
        #expect(parse(bytes.indices.map { bytes[$0...$0] }) == whole, "byte by byte")
        for first in 0...bytes.count {
            #expect(parse([bytes[..<first], bytes[first...]]) == whole, "cut at \(first)")
            for second in first...bytes.count where (second - first) % 5 < 2 {
                #expect(parse([bytes[..<first], bytes[first..<second], bytes[second...]]) == whole, "cut at \(first) and \(second)")
            }
        }
    }

    @Test func partsHaveTheirNamesAndContents() {
        let found = parse(Self.bodies[0])
        #expect(found.parts == [.init(name: "file", fileName: "a.jpg", content: Array("\u{1}\r\n--c\r\n\r\n-\r\n--\r--b\r\r\n".utf8), isEnded: true)])
        let second = parse(Self.bodies[1])
        // A part may have no body: its header's last line end is then the boundary's.
        #expect(second.parts == [.init(name: "one", content: [], isEnded: true), .init(name: "two", content: [], isEnded: true)])
    }

    @Test func aBodyThatEndsTooSoonIsRefused() {
        let bytes = Array(Self.bodies[0].utf8)
        // But for the line's end behind the last boundary.
        for count in 0..<(bytes.count - 2) { #expect(parse([bytes[..<count]]).fault != nil, "cut at \(count)") }
    }

    @Test func limitsHold() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nx\r\n"
        #expect(parse(String(repeating: part, count: 16) + "--b--").parts.count == 16)
        #expect(parse(String(repeating: part, count: 17) + "--b--").fault == "more than 16 parts")
        #expect(parse("--b\r\nA: " + String(repeating: "x", count: 8192) + "\r\n\r\nx\r\n--b--").fault == "a part's header of more than 8192 bytes")
        #expect(parse(String(repeating: "x", count: 20000)).fault == "no boundary in the first 8192 bytes of the body")
        #expect(parse("--b" + String(repeating: " ", count: 100) + "\r\n\r\n\r\n--b--").fault == "a boundary with other bytes behind it")
    }

    @Test func wrongHeadersAndBoundariesAreRefused() {
        #expect(parse("--b\r\nno colon\r\n\r\nx\r\n--b--").fault == "a line of a part's header without a colon")
        #expect(parse("--b--").fault == "no part in the body")
        #expect(parse("").fault == "no part in the body")
        #expect(throws: MultipartParser.Fault.self) { try MultipartParser.boundary(of: "multipart/form-data") }
        #expect(throws: MultipartParser.Fault.self) { try MultipartParser.boundary(of: "multipart/form-data; boundary=\(String(repeating: "x", count: 71))") }
        #expect(throws: MultipartParser.Fault.self) { try MultipartParser.boundary(of: "multipart/form-data; boundary=\"a\r\nb\"") }
    }

    @Test func onlyFormsHaveBoundaries() throws {
        #expect(try MultipartParser.boundary(of: "image/jpeg") == nil)
        #expect(try MultipartParser.boundary(of: "Multipart/Form-Data; charset=x; boundary=\"a b\"") == Array("a b".utf8))
    }
}
