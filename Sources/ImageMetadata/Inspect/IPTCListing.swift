import ImageCore

/// Datasets of IPTC that people ask for: IIM 4.2, record 2.
package enum IPTCListing {
    /// Names as ExifTool's, each once; values in the block's order.
    package static func fields(in block: [UInt8]) -> [(name: String, values: [String])] {
        let datasets = IPTCBlock(block).datasets
        // ISO 2022's escape sequence for UTF-8.
        let isUTF8 = datasets.contains { $0.record == 1 && $0.number == 90 && block[$0.value].elementsEqual([0x1b, 0x25, 0x47]) }
        var fields: [(name: String, values: [String])] = []
        for dataset in datasets where dataset.record == 2 {
            guard let name = FieldNames.iptc[Int(dataset.number)], let value = value(block[dataset.value], dataset.number, isUTF8) else { continue }
            if let i = fields.firstIndex(where: { $0.name == name }) {
                fields[i].values.append(value)
            } else {
                fields.append((String(name), [value]))
            }
        }
        return fields
    }

    private static func value(_ bytes: ArraySlice<UInt8>, _ number: UInt8, _ isUTF8: Bool) -> String? {
        // The version, and what is for machines.
        if number == 0 { return bytes.count == 2 ? String(Int(bytes.first!) << 8 | Int(bytes.last!)) : nil }
        if bytes.count > 4096 || [125, 200, 201, 202, 230, 231, 232].contains(number) { return nil }
        let content = bytes.prefix { $0 != 0 }
        return isUTF8 ? String(decoding: content, as: UTF8.self) : String(validating: content, as: UTF8.self) ?? String(latin1: content)
    }
}
