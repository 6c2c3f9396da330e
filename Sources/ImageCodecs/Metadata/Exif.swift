import ImageCore

/// The one field of EXIF that changes what a picture looks like. EXIF 2.32, 4.6.4: tag 0x0112 of IFD0, SHORT, 1...8.
enum Exif {
    private static let orientationTag = 0x0112

    /// The orientation that a block says (from its TIFF header on); nil when it says none that is legal.
    static func orientation(of block: [UInt8]) -> UInt8? {
        guard let (at, isBigEndian) = place(in: block) else { return nil }
        let value = Int(block[at + (isBigEndian ? 1 : 0)]) + Int(block[at + (isBigEndian ? 0 : 1)]) << 8
        return (1...8).contains(value) ? UInt8(value) : nil
    }

    /// The block of a picture that stands upright now.
    static func upright(_ block: [UInt8]) -> [UInt8] {
        guard let (at, isBigEndian) = place(in: block) else { return block }
        var block = block
        block[at] = isBigEndian ? 0 : 1
        block[at + 1] = isBigEndian ? 1 : 0
        return block
    }

    /// Where the two bytes of the value stand.
    private static func place(in block: [UInt8]) -> (at: Int, isBigEndian: Bool)? {
        let isBigEndian: Bool
        if block.starts(with: [0x4d, 0x4d, 0, 42]) {
            isBigEndian = true
        } else if block.starts(with: [0x49, 0x49, 42, 0]) {
            isBigEndian = false
        } else {
            return nil
        }
        func number(_ at: Int, _ count: Int) -> Int? {
            guard at >= 0, at <= block.count - count else { return nil }
            let bytes = block[at..<at + count]
            return isBigEndian
                ? bytes.reduce(0) { $0 << 8 | Int($1) } : bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        guard let directory = number(4, 4), let entries = number(directory, 2) else { return nil }
        for entry in 0..<entries {
            let at = directory + 2 + 12 * entry
            guard let tag = number(at, 2), let type = number(at + 2, 2), number(at + 8, 4) != nil else { return nil }
            if tag == orientationTag { return type == 3 ? (at + 8, isBigEndian) : nil }
        }
        return nil
    }
}

extension ImageInfo {
    /// The orientation that EXIF says, 1 where it says none.
    mutating func setOrientation(from metadata: [MetadataRecord]) {
        orientation = metadata[.exif].flatMap(Exif.orientation) ?? 1
    }
}
