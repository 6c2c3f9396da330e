import ImageCore

/// The JPEG inside of EXIF, which may bring metadata of its own.
enum JPEGThumbnail {
    /// Only what draws it: tables, frame, scans, and the JFIF and Adobe segments that decide its colours. Nil for what is no whole JPEG.
    static func stripped(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        guard bytes.starts(with: [0xff, 0xd8]) else { return nil }
        var result: [UInt8] = [0xff, 0xd8]
        var order = JPEGRenderingSegment.Order()
        var hasJFIF = false, hasAdobe = false
        var at = bytes.startIndex + 2
        while at + 4 <= bytes.endIndex {
            guard bytes[at] == 0xff else { return nil }
            let code = bytes[at + 1]
            if code == 0xff {
                at += 1
                continue
            }
            if code == 0xd9 { return nil }
            let end = at + 2 + Int(bytes[at + 2]) << 8 + Int(bytes[at + 3])
            guard end >= at + 4, end <= bytes.endIndex else { return nil }
            switch code {
            case 0xe0 where !hasJFIF && bytes[(at + 4)..<end].starts(with: "JFIF\0".utf8) && end - at >= 18:
                hasJFIF = true
                result += JPEGSegment.jfif(Array(bytes[(at + 4)..<end]), keepsDensity: true, keepsThumbnail: false)
            case 0xee where !hasAdobe && bytes[(at + 4)..<end].starts(with: "Adobe".utf8) && end - at >= 16:
                hasAdobe = true
                result += JPEGSegment.bytes(code, Array(bytes[(at + 4)..<(at + 16)]))
            case 0xe0...0xef, 0xfe: break
            default:
                guard order.fault(code, Array(bytes[(at + 4)..<end])) == nil else { return nil }
                result += bytes[at..<end]
            }
            at = end
            if code == 0xda {
                let count = bytes[at...].withUnsafeBytes { JPEGScan.end($0).count }
                result += bytes[at..<at + count]
                at += count
            }
            if at + 2 <= bytes.endIndex && bytes[at] == 0xff && bytes[at + 1] == 0xd9 { return result + [0xff, 0xd9] }
        }
        return nil
    }
}

/// The thumbnail of a JFXX segment: JFIF 1.02.
enum JFIFExtension {
    private static let headBytes = 6

    /// The payload without metadata of the thumbnail's own; nil for what is none.
    static func stripped(_ payload: [UInt8]) -> [UInt8]? {
        guard payload.count > headBytes + 2 else { return nil }
        func samples(_ palette: Int, _ channels: Int) -> [UInt8]? {
            payload.count == headBytes + 2 + palette + channels * Int(payload[6]) * Int(payload[7]) ? payload : nil
        }
        return switch payload[5] {
        case 0x10: JPEGThumbnail.stripped(payload[headBytes...]).map { payload[..<headBytes] + $0 }
        case 0x11: samples(768, 1)
        case 0x13: samples(0, 3)
        default: nil
        }
    }
}
