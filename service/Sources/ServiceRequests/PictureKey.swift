import Storage

/// What a picture is called in the storage: names joined by slashes, none of which leads elsewhere.
package struct PictureKey: Sendable {
    package let bytes: [UInt8]

    /// The key of a URL's path behind /image/, its escapes undone once. Throws 400 for escapes that are none, 403 for what might lead elsewhere.
    package init(path text: Substring) throws(ServiceFault) {
        let raw = Array(text.utf8)
        for (place, byte) in raw.enumerated() where byte == UInt8(ascii: "%") {
            guard raw.count - place > 2, raw[(place + 1)...(place + 2)].allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20 })
            else { throw .request("a path with an escape that is none") }
        }
        let bytes = PercentEncoding.decode(raw)
        guard !bytes.isEmpty else { throw .notFound }
        guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else { throw .request("a path with control bytes") }
        let segments = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isPlain = segments.allSatisfy { !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8) && $0.count <= 255 }
        guard isPlain, bytes.count <= 1024 else { throw ServiceFault(.forbidden, "path", "a path with empty names, . or ..") }
        self.bytes = bytes
    }
}
