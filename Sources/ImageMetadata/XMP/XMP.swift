/// The properties of XMP that say what a picture looks like: XMP specification part 2, the TIFF and EXIF schemas.
package enum XMP {
    /// The packet of a picture that stands upright and is `width` x `height`: what it says of these, as attributes or as elements, is
    /// put right. Properties that are not there are not added.
    package static func upright(_ packet: [UInt8], width: UInt32, height: UInt32) -> [UInt8] {
        let values: [(name: [UInt8], value: String)] = [
            ("tiff:Orientation", "1"), ("tiff:ImageWidth", "\(width)"), ("tiff:ImageLength", "\(height)"),
            ("exif:PixelXDimension", "\(width)"), ("exif:PixelYDimension", "\(height)"),
        ].map { (Array($0.0.utf8), $0.1) }
        var result: [UInt8] = []
        result.reserveCapacity(packet.count + 16)
        var at = 0
        while at < packet.count {
            let rest = packet[at...]
            // All names begin with one of these letters.
            guard packet[at] == UInt8(ascii: "t") || packet[at] == UInt8(ascii: "e"), let found = values.first(where: { rest.starts(with: $0.name) }),
                let digits = digits(after: at + found.name.count, in: packet)
            else {
                result.append(packet[at])
                at += 1
                continue
            }
            result += packet[at..<digits.lowerBound]
            result += Array(found.value.utf8)
            at = digits.upperBound
        }
        return result
    }

    /// The digits of ="6", ='6' or >6<, of which nothing else may be part.
    private static func digits(after name: Int, in packet: [UInt8]) -> Range<Int>? {
        func isSpace(_ i: Int) -> Bool { i < packet.count && [0x20, 0x09, 0x0a, 0x0d].contains(packet[i]) }
        var at = name
        while isSpace(at) { at += 1 }
        guard at < packet.count else { return nil }
        let isElement = packet[at] == UInt8(ascii: ">")
        guard isElement || packet[at] == UInt8(ascii: "=") else { return nil }
        at += 1
        while isSpace(at) { at += 1 }
        if !isElement {
            guard at < packet.count, packet[at] == UInt8(ascii: "\"") || packet[at] == UInt8(ascii: "'") else { return nil }
            at += 1
        }
        let start = at
        while at < packet.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(packet[at]) { at += 1 }
        let isEnd = isSpace(at) || (at < packet.count && [UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "<")].contains(packet[at]))
        return at > start && isEnd ? start..<at : nil
    }
}
