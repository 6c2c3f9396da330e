import Glibc

/// What an ICC profile says of itself, read without a colour engine: ICC.1:2022, 7 and 9.
package struct ICCProfile {
    private let bytes: [UInt8]
    private let tags: [(signature: UInt32, range: Range<Int>)]

    /// Nil for bytes that are no profile.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count >= 132, bytes[36..<40].elementsEqual("acsp".utf8) else { return nil }
        self.bytes = bytes
        var tags: [(UInt32, Range<Int>)] = []
        let count = Int(Self.uint32(bytes, 128) ?? 0)
        for i in 0..<min(count, 100) {
            let at = 132 + 12 * i
            guard let signature = Self.uint32(bytes, at), let offset = Self.uint32(bytes, at + 4), let size = Self.uint32(bytes, at + 8),
                UInt64(offset) + UInt64(size) <= UInt64(bytes.count)
            else { continue }
            tags.append((signature, Int(offset)..<Int(offset) + Int(size)))
        }
        self.tags = tags
    }

    /// Whether it is as long as it says, but for zeros behind it: what is longer is not the profile alone.
    package var isWhole: Bool {
        guard let size = Self.uint32(bytes, 0), size >= 132, size <= UInt32(clamping: bytes.count) else { return false }
        return bytes[Int(size)...].allSatisfy { $0 == 0 }
    }

    private static func uint32(_ bytes: some Collection<UInt8>, _ at: Int) -> UInt32? {
        let part = bytes.dropFirst(at).prefix(4)
        return part.count == 4 ? part.reduce(0) { $0 << 8 | UInt32($1) } : nil
    }

    private func tag(_ name: StaticString) -> ArraySlice<UInt8>? {
        let signature = name.withUTF8Buffer { $0.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
        return tags.first { $0.signature == signature }.map { bytes[$0.range] }
    }

    /// The name that people know it by: textDescriptionType of version 2, or the first of multiLocalizedUnicodeType.
    package var description: String? {
        guard let tag = tag("desc"), tag.count >= 12 else { return nil }
        let name: String
        if tag.starts(with: "mluc".utf8) {
            guard let length = Self.uint32(tag, 20), let offset = Self.uint32(tag, 24), UInt64(offset) + UInt64(length) <= UInt64(tag.count) else { return nil }
            let characters = tag.dropFirst(Int(offset)).prefix(Int(length) & ~1)
            let units = stride(from: characters.startIndex, to: characters.endIndex, by: 2).map { UInt16(characters[$0]) << 8 | UInt16(characters[$0 + 1]) }
            name = String(decoding: units, as: UTF16.self)
        } else if tag.starts(with: "desc".utf8) {
            name = String(decoding: tag.dropFirst(12).prefix(Int(Self.uint32(tag, 8) ?? 0)), as: UTF8.self)
        } else {
            return nil
        }
        let text = name.prefix { $0 != "\0" }
        return text.isEmpty ? nil : String(text)
    }

    /// The space of the samples: "RGB", "GRAY", "CMYK".
    package var space: String { String(decoding: bytes[16..<20], as: UTF8.self).filter { $0 != " " } }

    /// Whether samples without the profile mean the same: primaries within 0.003 of sRGB's in XYZ under D50 (IEC 61966-2-1, adapted), and
    /// curves within a hundredth of sRGB's.
    package var isSRGB: Bool {
        switch space {
        case "GRAY": return isSRGBCurve("kTRC")
        case "RGB":
            let primaries: [(StaticString, [Double])] = [
                ("rXYZ", [0.4361, 0.2225, 0.0139]), ("gXYZ", [0.3851, 0.7169, 0.0971]), ("bXYZ", [0.1431, 0.0606, 0.7141]),
            ]
            return primaries.allSatisfy { name, wanted in
                guard let tag = tag(name), tag.starts(with: "XYZ ".utf8) else { return false }
                return (0..<3).allSatisfy { i in
                    Self.fixed(tag, 8 + 4 * i).map { abs($0 - wanted[i]) < 0.003 } ?? false
                }
            } && ["rTRC", "gTRC", "bTRC"].allSatisfy(isSRGBCurve) && tag("A2B0") == nil
        default: return false
        }
    }

    /// s15Fixed16Number.
    private static func fixed(_ bytes: some Collection<UInt8>, _ at: Int) -> Double? {
        uint32(bytes, at).map { Double(Int32(bitPattern: $0)) / 65536 }
    }

    private func isSRGBCurve(_ name: StaticString) -> Bool {
        guard let tag = tag(name) else { return false }
        return (0...32).allSatisfy { step in
            let sample = Double(step) / 32
            let wanted = sample <= 0.04045 ? sample / 12.92 : Self.power((sample + 0.055) / 1.055, 2.4)
            return Self.light(tag, sample).map { abs($0 - wanted) < 0.01 } ?? false
        }
    }

    /// What a curve makes of a sample: curveType, or parametricCurveType of the forms that are written for RGB.
    private static func light(_ curve: ArraySlice<UInt8>, _ sample: Double) -> Double? {
        if curve.starts(with: "curv".utf8), let count = uint32(curve, 8), UInt64(curve.count) >= 12 + 2 * UInt64(count) {
            func value(_ i: Int) -> Double { Double(UInt16(curve[curve.startIndex + 12 + 2 * i]) << 8 | UInt16(curve[curve.startIndex + 13 + 2 * i])) }
            if count == 0 { return sample }
            if count == 1 { return power(sample, value(0) / 256) }
            let place = sample * Double(count - 1)
            let i = min(Int(place), Int(count) - 2)
            return (value(i) + (value(i + 1) - value(i)) * (place - Double(i))) / 65535
        }
        guard curve.starts(with: "para".utf8), curve.count >= 16 else { return nil }
        let form = Int(curve[curve.startIndex + 9])
        let parameters = [1, 3, 4, 5, 7]
        guard parameters.indices.contains(form) else { return nil }
        let p = (0..<parameters[form]).compactMap { fixed(curve, 12 + 4 * $0) }
        guard p.count == parameters[form] else { return nil }
        switch form {
        case 0: return power(sample, p[0])
        case 1: return sample >= -p[2] / p[1] ? power(p[1] * sample + p[2], p[0]) : 0
        case 2: return sample >= -p[2] / p[1] ? power(p[1] * sample + p[2], p[0]) + p[3] : p[3]
        case 3: return sample >= p[4] ? power(p[1] * sample + p[2], p[0]) : p[3] * sample
        default: return sample >= p[4] ? power(p[1] * sample + p[2], p[0]) + p[5] : p[3] * sample + p[6]
        }
    }

    private static func power(_ base: Double, _ exponent: Double) -> Double { base <= 0 ? 0 : pow(base, exponent) }
}
