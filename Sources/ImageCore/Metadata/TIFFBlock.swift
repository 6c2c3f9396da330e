/// A block of TIFF directories, the container of EXIF: TIFF 6.0, section 2. Offsets count from its first byte. Whatever it says is
/// checked against its length; what lies outside is not there.
package struct TIFFBlock {
    package var bytes: [UInt8]
    package let isBigEndian: Bool

    /// One field of a directory: 12 bytes at `at`.
    package struct Entry {
        package let tag: Int
        package let type: Int
        package let count: Int
        package let at: Int

        package init(tag: Int, type: Int, count: Int, at: Int) {
            (self.tag, self.type, self.count, self.at) = (tag, type, count, at)
        }

        /// Where the value itself stands, if it has no more than four bytes.
        package var valueAt: Int { at + 8 }
    }

    /// TIFF's types 3, 4 and 9: integers of 16 bits, of 32, and of 32 with a sign.
    package static let short = 3
    package static let long = 4
    private static let signedLong = 9
    /// A LONG that is a directory's place: TIFF technical note 1.
    private static let directory = 13
    /// Bytes of a value by its type, 1...13; 0 for what is none.
    package static let typeBytes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4]

    /// Nil for bytes without a TIFF header.
    package init?(_ bytes: [UInt8]) {
        if bytes.starts(with: [0x4d, 0x4d, 0, 42]) {
            isBigEndian = true
        } else if bytes.starts(with: [0x49, 0x49, 42, 0]) {
            isBigEndian = false
        } else {
            return nil
        }
        self.bytes = bytes
    }

    /// The unsigned integer of `byteCount` bytes at `at`; nil outside of the block.
    package func number(at: Int, byteCount: Int) -> Int? {
        guard at >= 0, at <= bytes.count - byteCount else { return nil }
        let part = bytes[at..<at + byteCount]
        return isBigEndian ? part.reduce(0) { $0 << 8 | Int($1) } : part.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    /// Overwrites `byteCount` bytes inside the block.
    package mutating func setNumber(_ value: Int, at: Int, byteCount: Int) {
        for i in 0..<byteCount {
            bytes[at + i] = UInt8(truncatingIfNeeded: value >> (8 * (isBigEndian ? byteCount - 1 - i : i)))
        }
    }

    /// Where the first directory begins.
    package var firstDirectory: Int? { number(at: 4, byteCount: 4) }

    /// The fields of the directory at `at`, as far as they lie inside.
    package func entries(at: Int) -> [Entry] {
        guard let count = number(at: at, byteCount: 2) else { return [] }
        var entries: [Entry] = []
        for i in 0..<count {
            let at = at + 2 + 12 * i
            guard let tag = number(at: at, byteCount: 2), let type = number(at: at + 2, byteCount: 2),
                let values = number(at: at + 4, byteCount: 4), number(at: at + 8, byteCount: 4) != nil
            else { break }
            entries.append(Entry(tag: tag, type: type, count: values, at: at))
        }
        return entries
    }

    /// Where the offset of the directory after the one at `at` stands; nil when the directory is cut.
    package func nextDirectoryAt(_ at: Int) -> Int? {
        guard let count = number(at: at, byteCount: 2), number(at: at + 2 + 12 * count, byteCount: 4) != nil else { return nil }
        return at + 2 + 12 * count
    }

    /// The value of a field that is an integer, the first where it holds two.
    package func value(_ entry: Entry) -> Int? {
        switch entry.type {
        case Self.short where entry.count == 1 || entry.count == 2: number(at: entry.valueAt, byteCount: 2)
        case Self.long where entry.count == 1, Self.signedLong where entry.count == 1, Self.directory where entry.count == 1: number(at: entry.valueAt, byteCount: 4)
        default: nil
        }
    }

    /// The values of a field of SHORTs or LONGs, wherever they stand, as far as they lie inside.
    package func values(_ entry: Entry) -> [Int] {
        guard entry.type == Self.short || entry.type == Self.long else { return [] }
        let byteCount = Self.typeBytes[entry.type]
        guard byteCount * entry.count > 4 else {
            return (0..<entry.count).compactMap { number(at: entry.valueAt + byteCount * $0, byteCount: byteCount) }
        }
        guard let bytes = outerBytes(entry) else { return [] }
        return stride(from: bytes.lowerBound, to: bytes.upperBound, by: byteCount).compactMap { number(at: $0, byteCount: byteCount) }
    }

    /// Makes a field that has such a value another number, 0...2^31 - 1: one LONG, where its type does not hold it.
    package mutating func setValue(_ value: Int, _ entry: Entry) {
        if entry.type == Self.short && value < 0x10000 { return setNumber(value, at: entry.valueAt, byteCount: 2) }
        if entry.type == Self.short {
            setNumber(Self.long, at: entry.at + 2, byteCount: 2)
            setNumber(1, at: entry.at + 4, byteCount: 4)
        }
        setNumber(value, at: entry.valueAt, byteCount: 4)
    }

    /// The bytes that a field's value takes outside of its directory; nil where it has none, or they are not all there.
    package func outerBytes(_ entry: Entry) -> Range<Int>? {
        guard Self.typeBytes.indices.contains(entry.type), let offset = number(at: entry.valueAt, byteCount: 4) else { return nil }
        let count = Self.typeBytes[entry.type] * entry.count
        return count > 4 && offset <= bytes.count && count <= bytes.count - offset ? offset..<offset + count : nil
    }
}
