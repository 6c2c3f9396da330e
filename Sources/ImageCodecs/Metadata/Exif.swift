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

    /// The block with another orientation. `block` nil, or without the field: a minimal one where `orientation` is not 1.
    static func block(_ block: [UInt8]?, orientation: UInt8) -> [UInt8]? {
        guard var block, let (at, isBigEndian) = place(in: block) else {
            if let block, orientation == 1 { return block }
            return orientation == 1 ? nil : minimal(orientation: orientation)
        }
        block[at] = isBigEndian ? 0 : orientation
        block[at + 1] = isBigEndian ? orientation : 0
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

    /// A little-endian TIFF header and one directory of one entry.
    private static func minimal(orientation: UInt8) -> [UInt8] {
        [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]
    }
}

extension ImageInfo {
    /// The orientation that EXIF says, 1 where it says none.
    mutating func setOrientation(from metadata: [MetadataRecord]) {
        orientation = metadata[.exif].flatMap(Exif.orientation) ?? 1
    }
}
