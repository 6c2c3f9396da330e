import CMD

/// XMP that is longer than a segment of a JPEG: XMP specification part 3, 1.1.3.1. A packet of its own names, by a digest, what
/// further segments hold.
enum ExtendedXMP {
    private static let noteName = Array("xmpNote:HasExtendedXMP".utf8)
    private static let end = Array("</rdf:RDF>".utf8)
    /// Characters of the digest in hexadecimal.
    static let digestCount = 32

    /// The digest that a packet names; nil when it names none.
    static func digest(in packet: [UInt8]) -> [UInt8]? {
        guard let name = packet.firstRange(of: noteName), name.upperBound + 2 + digestCount <= packet.count else { return nil }
        // ="..." or >...<
        let start = packet[name.upperBound] == UInt8(ascii: "=") ? name.upperBound + 2 : name.upperBound + 1
        let digest = Array(packet[start..<start + digestCount])
        return digest.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit } ? digest : nil
    }

    /// One packet of both: what stands in the extension's RDF goes to the end of the packet's. Nil where they are not written so that
    /// this can be done without reading them as XML.
    static func joined(_ packet: [UInt8], _ extension: [UInt8]) -> [UInt8]? {
        guard let start = `extension`.firstRange(of: "<rdf:RDF".utf8), let open = `extension`[start.upperBound...].firstIndex(of: UInt8(ascii: ">")),
            let close = `extension`[open...].firstRange(of: end), let place = packet.firstRange(of: end)
        else { return nil }
        // Prefixes that are declared outside of what is taken would be lost.
        let head = `extension`[..<open].split(separator: UInt8(ascii: " ")).filter { $0.starts(with: "xmlns:".utf8) }
        guard head.allSatisfy({ $0.starts(with: "xmlns:rdf=".utf8) || $0.starts(with: "xmlns:x=".utf8) }) else { return nil }
        return withoutNote(Array(packet[..<place.lowerBound] + `extension`[(open + 1)..<close.lowerBound] + packet[place.lowerBound...]))
    }

    /// The packet without the property that names an extension.
    static func withoutNote(_ packet: [UInt8]) -> [UInt8] {
        guard let name = packet.firstRange(of: noteName), let digest = digest(in: packet) else { return packet }
        if packet[name.upperBound] == UInt8(ascii: "=") {
            return Array(packet[..<name.lowerBound] + packet[min(name.upperBound + 2 + digest.count + 1, packet.count)...])
        }
        let last = noteName + Array(">".utf8)
        guard let close = packet[name.upperBound...].firstRange(of: last), name.lowerBound > 0 else { return packet }
        return Array(packet[..<(name.lowerBound - 1)] + packet[close.upperBound...])
    }

    /// A packet as one that only names what all of it is moved to.
    static func split(_ packet: [UInt8]) -> (packet: [UInt8], digest: [UInt8], extension: [UInt8]) {
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

    /// The packet without the room that it keeps for editors in place.
    static func withoutPadding(_ packet: [UInt8]) -> [UInt8] {
        guard let end = packet.firstRange(of: "<?xpacket end".utf8) else { return packet }
        let kept = packet[..<end.lowerBound].lastIndex { ![0x20, 0x09, 0x0a, 0x0d].contains($0) } ?? 0
        return Array(packet[...kept] + packet[end.lowerBound...])
    }

    private static func withoutWrapper(_ packet: [UInt8]) -> [UInt8] {
        guard let start = packet.firstRange(of: "<x:xmpmeta".utf8), let end = packet.firstRange(of: "</x:xmpmeta>".utf8),
            start.lowerBound < end.upperBound
        else { return packet }
        return Array(packet[start.lowerBound..<end.upperBound])
    }
}
