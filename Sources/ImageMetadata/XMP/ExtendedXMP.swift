import CMD

/// XMP that is longer than a segment of a JPEG: XMP specification part 3, 1.1.3.1. A packet of its own names, by a digest, what
/// further segments hold.
package enum ExtendedXMP {
    private static let noteName = Array("xmpNote:HasExtendedXMP".utf8)
    private static let end = Array("</rdf:RDF>".utf8)
    /// Characters of the digest in hexadecimal.
    private static let digestCount = 32
    /// What a part begins with: digest, length of the whole, offset of the part. XMP specification part 3, table 3.
    package static let partHeadBytes = digestCount + 8

    /// A packet, with what extends it where all of it is there and can be joined to it; else without the note that there is more.
    ///
    /// - Parameter parts: of segments, behind their signatures; those of other packets are passed over.
    package static func whole(_ packet: [UInt8], parts: [ArraySlice<UInt8>]) -> (packet: [UInt8], isJoined: Bool) {
        guard let digest = digest(in: packet) else { return (packet, true) }
        let ours = parts.filter { $0.count > partHeadBytes && $0.starts(with: digest) }
            .map { (offset: $0.dropFirst(partHeadBytes - 4).prefix(4).reduce(0) { $0 << 8 | Int($1) }, bytes: $0.dropFirst(partHeadBytes)) }
        var whole: [UInt8] = []
        for part in ours.sorted(by: { $0.offset < $1.offset }) where part.offset == whole.count { whole += part.bytes }
        return joined(packet, whole).map { ($0, true) } ?? (withoutNote(packet), false)
    }

    /// The digest that a packet names; nil when it names none.
    package static func digest(in packet: [UInt8]) -> [UInt8]? {
        guard let name = packet.firstPlace(of: noteName), name.upperBound + 2 + digestCount <= packet.count else { return nil }
        // ="..." or >...<
        let start = packet[name.upperBound] == UInt8(ascii: "=") ? name.upperBound + 2 : name.upperBound + 1
        let digest = Array(packet[start..<start + digestCount])
        return digest.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit } ? digest : nil
    }

    /// One packet of both: what stands in the extension's RDF goes to the end of the packet's, with the prefixes that the extension
    /// declares around it; and the extension itself, where the packet says no more than that there is one. Nil where they are not
    /// written so that this can be done without reading them as XML.
    package static func joined(_ packet: [UInt8], _ extension: [UInt8]) -> [UInt8]? {
        guard let from = rdf(in: `extension`), let to = rdf(in: packet) else { return nil }
        let main = withoutNote(packet)
        if let inner = rdf(in: main), saysNothing(main[inner.content]) { return `extension` }
        let declared = declarations(in: packet[..<to.content.lowerBound])
        var missing: [UInt8] = []
        for (prefix, value) in declarations(in: `extension`[..<from.content.lowerBound]) {
            if let there = declared[prefix] {
                guard there == value else { return nil }
            } else {
                missing += Array(" xmlns:".utf8) + prefix + [UInt8(ascii: "=")] + value
            }
        }
        let joined = packet[..<to.name] + missing + packet[to.name..<to.content.upperBound] + `extension`[from.content] + packet[to.content.upperBound...]
        return withoutNote(Array(joined))
    }

    /// Where the name of the element rdf:RDF ends, and what stands between its tags.
    private static func rdf(in packet: [UInt8]) -> (name: Int, content: Range<Int>)? {
        guard let start = packet.firstPlace(of: "<rdf:RDF".utf8), let open = packet[start.upperBound...].firstIndex(of: UInt8(ascii: ">")),
            let close = packet[open...].firstPlace(of: end)
        else { return nil }
        return (start.upperBound, open + 1..<close.lowerBound)
    }

    /// The prefixes that tags declare, each with its name in quotes.
    private static func declarations(in tags: ArraySlice<UInt8>) -> [[UInt8]: [UInt8]] {
        var found: [[UInt8]: [UInt8]] = [:]
        var rest = tags
        while let start = rest.firstPlace(of: "xmlns:".utf8) {
            rest = rest[start.upperBound...]
            guard let equals = rest.firstIndex(of: UInt8(ascii: "=")), let quote = rest[equals...].dropFirst().first,
                let close = rest[(equals + 2)...].firstIndex(of: quote)
            else { break }
            found[Array(rest[..<equals])] = Array(rest[(equals + 1)...close])
            rest = rest[close...]
        }
        return found
    }

    /// Whether there is nothing in an RDF but empty descriptions.
    private static func saysNothing(_ content: ArraySlice<UInt8>) -> Bool {
        content.split { [0x20, 0x09, 0x0a, 0x0d, UInt8(ascii: "<"), UInt8(ascii: ">")].contains($0) }.allSatisfy { word in
            ["rdf:Description", "/rdf:Description", "rdf:about=", "xmlns:"].contains { word.starts(with: $0.utf8) } || word.elementsEqual("/".utf8)
        }
    }

    /// The packet without the property that names an extension.
    package static func withoutNote(_ packet: [UInt8]) -> [UInt8] {
        guard let name = packet.firstPlace(of: noteName), let digest = digest(in: packet) else { return packet }
        if packet[name.upperBound] == UInt8(ascii: "=") {
            return Array(packet[..<name.lowerBound] + packet[min(name.upperBound + 2 + digest.count + 1, packet.count)...])
        }
        let last = noteName + Array(">".utf8)
        guard let close = packet[name.upperBound...].firstPlace(of: last), name.lowerBound > 0 else { return packet }
        return Array(packet[..<(name.lowerBound - 1)] + packet[close.upperBound...])
    }

    /// A packet as one that only names what all of it is moved to.
    private static func split(_ packet: [UInt8]) -> (packet: [UInt8], digest: [UInt8], extension: [UInt8]) {
        let rest = withoutWrapper(packet)
        var context = MD5_CTX()
        MD5Init(&context)
        MD5Update(&context, rest, rest.count)
        var bytes = [UInt8](repeating: 0, count: Int(MD5_DIGEST_LENGTH))
        MD5Final(&bytes, &context)
        let digits = Array("0123456789ABCDEF".utf8)
        let digest = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        let note =
            #"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">"#
            + #"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" "#
            + #"xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP=""#
        return (Array(note.utf8) + digest + Array(#""/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#.utf8), digest, rest)
    }

    /// The payloads of the APP1 segments of a packet that is split: the one that names the extension, and its parts, each behind the digest,
    /// the length of the whole and its offset in it: table 3.
    package static func segments(_ packet: [UInt8]) -> [[UInt8]] {
        let split = split(packet)
        let signature = JPEGSegment.extendedXMPSignature
        let partBytes = JPEGSegment.maximumBytes - signature.count - partHeadBytes
        return [JPEGSegment.xmpSignature + split.packet]
            + stride(from: 0, to: split.extension.count, by: partBytes).map { offset in
                signature + split.digest + UInt32(split.extension.count).bigEndianBytes + UInt32(offset).bigEndianBytes
                    + split.extension[offset..<min(offset + partBytes, split.extension.count)]
            }
    }

    /// The packet without the room that it keeps for editors in place.
    package static func withoutPadding(_ packet: [UInt8]) -> [UInt8] {
        guard let end = packet.firstPlace(of: "<?xpacket end".utf8) else { return packet }
        let kept = packet[..<end.lowerBound].lastIndex { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } ?? 0
        return Array(packet[...kept] + packet[end.lowerBound...])
    }

    private static func withoutWrapper(_ packet: [UInt8]) -> [UInt8] {
        guard let start = packet.firstPlace(of: "<x:xmpmeta".utf8), let end = packet.firstRange(of: "</x:xmpmeta>".utf8),
            start.lowerBound < end.upperBound
        else { return packet }
        return Array(packet[start.lowerBound..<end.upperBound])
    }
}
