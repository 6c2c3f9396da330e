/// Values of headers, taken apart: RFC 9110, section 5.6.
package enum HeaderValue {
    /// The value of a parameter behind a semicolon, without its quotes; nil where there is none of the name, which may be of any case.
    package static func parameter(_ name: String, of value: [UInt8]) -> [UInt8]? {
        var rest = value.drop { $0 != UInt8(ascii: ";") }
        while rest.first == UInt8(ascii: ";") {
            rest = rest.dropFirst().drop { $0 == 0x20 || $0 == 0x09 }
            let key = rest.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: ";") }
            rest = rest.dropFirst(key.count)
            guard rest.first == UInt8(ascii: "=") else { continue }
            rest = rest.dropFirst()
            var text: [UInt8] = []
            if rest.first == UInt8(ascii: "\"") {
                rest = rest.dropFirst()
                while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                    // What browsers do with backslashes of file names is not what the RFC says; only these two are escapes.
                    if byte == UInt8(ascii: "\\"), let next = rest.first, next == UInt8(ascii: "\"") || next == UInt8(ascii: "\\") {
                        text.append(next)
                        rest = rest.dropFirst()
                    } else {
                        text.append(byte)
                    }
                }
            } else {
                text = Array(rest.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 && $0 != 0x09 })
                rest = rest.dropFirst(text.count)
            }
            rest = rest.drop { $0 != UInt8(ascii: ";") }
            if String(decoding: key, as: UTF8.self).trimmed.lowercased() == name { return text }
        }
        return nil
    }

    /// Whether an Accept header asks for a media type by its name, and not with q=0. Wildcards ask for nothing by name: old clients send them.
    package static func accepts(_ type: String, _ header: String) -> Bool {
        header.split(separator: ",").contains { part in
            guard part.prefix(while: { $0 != ";" }).trimmed.lowercased() == type else { return false }
            return parameter("q", of: Array(part.utf8)).flatMap { Double(String(decoding: $0, as: UTF8.self)) } ?? 1 > 0
        }
    }

    /// Whether If-None-Match names an entity tag, by the weak comparison that it asks for.
    package static func matches(_ header: String, _ etag: String) -> Bool {
        header.split(separator: ",").contains { part in
            let tag = part.trimmed
            return tag == "*" || tag == etag || tag == "W/" + etag
        }
    }
}

extension StringProtocol {
    /// Without blanks at its ends.
    package var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
