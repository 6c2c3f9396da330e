/// Segments of a JPEG: ITU-T T.81, B.1.1.4.
package enum JPEGSegment {
    /// What one holds at most: its length, of 16 bits, counts itself.
    package static let maximumBytes = 65533

    package static let exifSignature = Array("Exif\0\0".utf8)
    package static let xmpSignature = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
    package static let extendedXMPSignature = Array("http://ns.adobe.com/xmp/extension/\0".utf8)
    package static let iccSignature = Array("ICC_PROFILE\0".utf8)
    package static let mpfSignature = Array("MPF\0".utf8)
    /// Gain maps of ISO 21496-1.
    package static let gainMapSignature = Array("urn:iso:std:iso:ts:21496:-1\0".utf8)
    package static let photoshopSignature = Array("Photoshop 3.0\0".utf8)
    package static let jfifSignature = Array("JFIF\0".utf8)
    package static let adobeSignature = Array("Adobe".utf8)
    /// Of the Adobe segment: behind the name, version, two times flags, and the transform that decides the colours.
    package static let adobeBytes = 12

    /// Marker, length and `payload`.
    package static func bytes(_ code: UInt8, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count + 2
        return [0xff, code, UInt8(length >> 8), UInt8(length & 255)] + payload
    }

    /// A JFIF segment without what stands behind its fields, and without its thumbnail or its density where these are not to be kept; of
    /// a density remains what says that pixels are not square. JFIF 1.02.
    static func jfif(_ payload: [UInt8], keepsDensity: Bool, keepsThumbnail: Bool) -> [UInt8] {
        var payload = payload
        let thumbnailBytes = 3 * Int(payload[12]) * Int(payload[13])
        if keepsThumbnail && payload.count >= 14 + thumbnailBytes {
            payload.removeLast(payload.count - 14 - thumbnailBytes)
        } else {
            payload.removeLast(payload.count - 14)
            (payload[12], payload[13]) = (0, 0)
        }
        if !keepsDensity {
            payload[7] = 0
            // As numbers of no unit they are the ratio of a pixel's sides.
            if payload[8...9].elementsEqual(payload[10...11]) { payload.replaceSubrange(8..<12, with: [0, 1, 0, 1]) }
        }
        return bytes(0xe0, payload)
    }
}
