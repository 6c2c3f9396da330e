/// Datasets of IPTC: IIM 4.2, section 1.5. Each is 0x1c, a record, a number, a length of two bytes or a longer one, and its value.
package struct IPTCBlock {
    package struct Dataset {
        package let record: UInt8
        package let number: UInt8
        let range: Range<Int>
        package let value: Range<Int>
    }

    package let bytes: [UInt8]
    package private(set) var datasets: [Dataset] = []
    /// Nothing but whole datasets was there, and zeros behind them.
    package private(set) var isWhole = false

    package init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var at = 0
        while at + 5 <= bytes.count, bytes[at] == 0x1c {
            var count = Int(bytes[at + 3]) << 8 | Int(bytes[at + 4])
            var start = at + 5
            if count & 0x8000 != 0 {
                // The length of the length.
                let digits = count & 0x7fff
                guard (1...4).contains(digits), start + digits <= bytes.count else { return }
                count = bytes[start..<start + digits].reduce(0) { $0 << 8 | Int($1) }
                start += digits
            }
            guard count <= bytes.count - start else { return }
            datasets.append(Dataset(record: bytes[at + 1], number: bytes[at + 2], range: at..<start + count, value: start..<start + count))
            at = start + count
        }
        isWhole = bytes[at...].allSatisfy { $0 == 0 }
    }

    /// The block with only the datasets that stay.
    static func edited(_ bytes: [UInt8], _ choice: MetadataChoice) -> EditedBlock {
        if choice.keepsAll(of: .iptc) { return .kept(bytes) }
        guard choice.keepsAny(of: .iptc) else { return .nothing }
        let block = IPTCBlock(bytes)
        guard block.isWhole else { return .malformed }
        func isCharset(_ dataset: Dataset) -> Bool { dataset.record == 1 && dataset.number == 90 }
        // An escape sequence of ISO 2022; of several the first.
        let charset = block.datasets.first { isCharset($0) && $0.value.count <= 8 && bytes[$0.value].first == 0x1b }
        var kept = block.datasets.filter { isCharset($0) ? $0.range == charset?.range : choice.keepsDataset($0.record, $0.number) }
        // 1:90 tells how the others are to be read, so it stays with them where that matters.
        let others = kept.filter { !isCharset($0) }
        if others.isEmpty { return .nothing }
        if !choice.keeps(.iptc) && others.allSatisfy({ bytes[$0.value].allSatisfy { $0 < 0x80 } }) { kept = others }
        return .kept(kept.flatMap { bytes[$0.range] })
    }
}

extension MetadataGroup {
    /// What a dataset is about; nil where it is nothing that has a name here.
    static func group(record: UInt8, number: UInt8) -> MetadataGroup? {
        switch (record, number) {
        // By-line, CopyrightNotice.
        case (2, 80), (2, 116): .copyright
        // Of creation, digitisation, release, expiration, reference and sending.
        case (2, 30), (2, 35), (2, 37), (2, 38), (2, 47), (2, 55), (2, 60), (2, 62), (2, 63), (1, 70), (1, 80): .time
        default: nil
        }
    }
}

extension MetadataChoice {
    func keepsDataset(_ record: UInt8, _ number: UInt8) -> Bool {
        // Pictures of their own, which nobody has stripped.
        if record == 2 && (number == 125 || (200...202).contains(number)) { return keepsUnknown }
        guard let group = MetadataGroup.group(record: record, number: number) else { return keeps(.iptc) }
        return keeps(group, in: .iptc)
    }
}
