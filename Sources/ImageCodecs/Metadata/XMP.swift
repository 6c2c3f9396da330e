/// The one property of XMP that changes what a picture looks like.
enum XMP {
    /// The packet of a picture that stands upright now: its tiff:Orientation, an attribute or an element, is 1.
    static func upright(_ packet: [UInt8]) -> [UInt8] {
        let name = Array("tiff:Orientation".utf8)
        var packet = packet
        var at = 0
        while at + name.count + 3 <= packet.count {
            guard packet[at] == name[0], packet[at..<at + name.count].elementsEqual(name) else {
                at += 1
                continue
            }
            at += name.count
            // ="6", ='6' or >6: one digit between what is no part of a number.
            let digit = packet[at] == UInt8(ascii: "=") ? at + 2 : at + 1
            if digit < packet.count, (UInt8(ascii: "1")...UInt8(ascii: "8")).contains(packet[digit]) {
                packet[digit] = UInt8(ascii: "1")
            }
        }
        return packet
    }
}
