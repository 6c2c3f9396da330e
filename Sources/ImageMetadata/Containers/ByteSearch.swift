import Glibc

extension RandomAccessCollection<UInt8> where Index == Int {
    /// The first place of a text, by memchr(3) and memcmp(3): the standard library's generic search takes a hundred times as long.
    func firstPlace(of text: some Collection<UInt8>) -> Range<Int>? {
        let text = Array(text)
        let found: Int?? = withContiguousStorageIfAvailable { bytes in
            guard let start = bytes.baseAddress, let first = text.first else { return nil }
            var at = 0
            while at + text.count <= bytes.count, let hit = memchr(start + at, Int32(first), bytes.count - text.count - at + 1) {
                at = UnsafeRawPointer(hit) - UnsafeRawPointer(start)
                if memcmp(start + at, text, text.count) == 0 { return at }
                at += 1
            }
            return nil
        }
        return found.flatMap { $0 }.map { startIndex + $0..<startIndex + $0 + text.count }
    }
}

extension String {
    /// Without the white space of XML around it.
    package var trimmed: String {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
        guard let first = utf8.firstIndex(where: { !isSpace($0) }), let last = utf8.lastIndex(where: { !isSpace($0) }) else { return "" }
        return first == startIndex && utf8.index(after: last) == endIndex ? self : String(self[first..<utf8.index(after: last)])
    }
}
