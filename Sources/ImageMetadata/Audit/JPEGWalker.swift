import Glibc
import ImageCore

/// The walker of a JPEG.
struct JPEGWalker: Walker {
    private enum State {
        case start, marker, fill, length
        case segment(Int)
        /// A block that goes on in further segments, as far as it is there.
        case parts(Int)
        case scan, zeros, behind, rest
    }

    private let choice: MetadataChoice
    private let judge: PayloadJudge
    private var extendedXMP: XMPJudge
    private var state = State.start
    /// The segment that is held begins here, behind the parts that it goes on from.
    private var partAt = 0
    private var profile = Profile()
    /// Of the segments of which there is one in a picture, whether it was there.
    private var hasJFIF = false, hasAdobe = false
    /// The components of the frame, once it was there.
    private var components: [UInt8]?

    init(_ choice: MetadataChoice) {
        self.choice = choice
        judge = PayloadJudge(choice)
        extendedXMP = XMPJudge(choice)
    }

    var need: WalkerNeed {
        switch state {
        case .start, .marker: .hold(2)
        case .length: .hold(partAt + 4)
        case .segment(let count): .hold(count)
        case .parts(let count): .hold(count + 4)
        case .fill, .scan: .scan
        case .zeros: choice.keeps(.mpf) ? .scan : .end
        case .behind: .hold(3)
        case .rest: .pass(.max)
        }
    }

    func mayEnd(holding count: Int) -> Bool {
        switch state {
        case .zeros, .rest: count == 0
        case .behind: count == 0 || choice.keepsTrailingData
        default: false
        }
    }

    mutating func passed(_ count: UInt64) {}

    // MARK: Long runs of bytes

    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch state {
        case .fill:
            let count = bytes.prefix { $0 == 0xff }.count
            // The last of them belongs to the marker.
            if count < bytes.count { state = .marker }
            return max(0, count - 1)
        case .zeros:
            let count = bytes.prefix { $0 == 0 }.count
            if count < bytes.count { state = .behind }
            return count
        default: return scanEntropyCoded(bytes)
        }
    }

    private mutating func scanEntropyCoded(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        let last = bytes.count - 1
        var i = 0
        while i < last, let found = memchr(start + i, 0xff, last - i) {
            i = UnsafeRawPointer(found) - start
            let next = bytes[i + 1]
            if next == 0 || next & 0xf8 == 0xd0 {
                i += 2
            } else if next == 0xff {
                i += 1
            } else {
                state = .marker
                return i
            }
        }
        // A last 0xff may begin a marker.
        return i <= last && bytes[last] == 0xff ? last : bytes.count
    }

    // MARK: Markers and segments

    mutating func judge(_ held: [UInt8]) throws(ImageError) -> Int {
        switch state {
        case .start:
            guard held.starts(with: [0xff, 0xd8]) else { throw .internalError("no JPEG") }
            (profile, hasJFIF, hasAdobe, components) = (Profile(), false, false, nil)
            state = .marker
            return 2
        case .marker:
            guard held[0] == 0xff else { throw .internalError("bytes between segments are still there") }
            switch held[1] {
            case 0xff:
                state = .fill
                return 1
            case 0xd9:
                state = .zeros
                return 2
            case 0x00, 0x01, 0xd0...0xd8: throw .internalError("a marker out of place")
            default: break
            }
            state = .length
            return 0
        case .length:
            let length = Int(held[partAt + 2]) << 8 + Int(held[partAt + 3])
            guard length >= 2 else { throw .internalError("a segment of length \(length)") }
            // A block goes on where a segment is as long as one can be.
            state = length == 0xffff && isDivided(held[partAt + 1]) ? .parts(partAt + 2 + length) : .segment(partAt + 2 + length)
            return 0
        case .parts(let count):
            if held[count] == 0xff && held[count + 1] == held[1] {
                partAt = count
                state = .length
                return 0
            }
            try block(Array(held[..<count]))
            state = .marker
            return count
        case .segment:
            try block(held)
            state = held[1] == 0xda ? .scan : .marker
            return held.count
        case .behind:
            if held[0] == 0xff && held[1] == 0xd8 && held[2] == 0xff {
                state = .start
                return 0
            }
            guard choice.keepsTrailingData else { throw .internalError("data behind the picture is still there") }
            state = .rest
            return 1
        case .fill, .scan, .zeros, .rest: throw .internalError("the walker is lost")
        }
    }

    /// EXIF and Photoshop's resources, where they are edited.
    private func isDivided(_ code: UInt8) -> Bool { code == 0xe1 && !choice.keepsAll(of: .exif) || code == 0xed && !choice.keepsUnknown }

    /// A segment, or several of one code of which all but the last are full.
    private mutating func block(_ held: [UInt8]) throws(ImageError) {
        partAt = 0
        var segments: [ArraySlice<UInt8>] = []
        var at = 0
        while at < held.count {
            let end = at + 2 + Int(held[at + 2]) << 8 + Int(held[at + 3])
            segments.append(held[(at + 4)..<end])
            at = end
        }
        while !segments.isEmpty {
            var payload = Array(segments.removeFirst())
            if let signature = Self.divided.first(where: payload.starts) {
                while let next = segments.first, next.starts(with: signature), !Self.isNewExif(next) {
                    payload += next.dropFirst(signature.count)
                    segments.removeFirst()
                }
            }
            try segment(held[1], payload)
        }
    }

    /// Whether EXIF begins in a segment, instead of going on: with the order of its bytes.
    private static func isNewExif(_ payload: ArraySlice<UInt8>) -> Bool {
        ["Exif\0\0II*\0", "Exif\0\0MM\0*"].contains { payload.starts(with: $0.utf8) }
    }

    private static let divided = ["Exif\0\0", "Photoshop 3.0\0"].map { Array($0.utf8) }

    private mutating func segment(_ code: UInt8, _ payload: [UInt8]) throws(ImageError) {
        func begins(_ text: StaticString) -> Bool {
            payload.count >= text.utf8CodeUnitCount && (0..<text.utf8CodeUnitCount).allSatisfy { payload[$0] == text.utf8Start[$0] }
        }
        func must(_ isRight: Bool, _ what: String) throws(ImageError) {
            if !isRight { throw .internalError("\(what) is still there") }
        }
        switch code {
        case 0xe0 where begins("JFIF\0") && payload.count >= 14:
            try must(!hasJFIF || choice.keepsUnknown, "a second JFIF")
            hasJFIF = true
            try must(choice.keepsNamed(.thumbnail) || payload.count == 14, "a thumbnail in JFIF")
            try must(choice.keepsDensity || payload[7] == 0, "the resolution in JFIF")
        case 0xe0 where begins("JFXX\0"):
            try must(choice.keepsNamed(.thumbnail), "a thumbnail in JFXX")
            if !choice.keepsUnknown { try judge.extensionThumbnail(payload[5...]) }
        case 0xe1 where begins("Exif\0\0"): try judge.exif(Array(payload[6...]))
        case 0xe1 where begins("http://ns.adobe.com/xap/1.0/\0"): try judge.xmp(payload[29...])
        case 0xe1 where begins("http://ns.adobe.com/xmp/extension/\0"):
            try must(choice.keepsAny(of: .xmp), "extended XMP")
            try extendedXMP.take(payload.dropFirst(35 + 40))
        case 0xe2 where begins("ICC_PROFILE\0"):
            try must(choice.keeps(.icc), "the ICC profile")
            if !choice.keepsUnknown { try profile.take(payload.dropFirst(12)) }
        case 0xe2 where begins("MPF\0") || begins("urn:iso:std:iso:ts:21496:-1\0"): try must(choice.keeps(.mpf), "MPF or a gain map")
        case 0xeb where begins("JP"): try must(choice.keepsC2PA, "C2PA")
        case 0xed where begins("Photoshop 3.0\0"): try judge.resources(payload[14...])
        case 0xee where begins("Adobe"):
            try must(payload.count == 12 || choice.keepsUnknown, "more than Adobe's transform")
            try must(!hasAdobe || choice.keepsUnknown, "a second Adobe segment")
            hasAdobe = true
        case 0xe0...0xef: try must(choice.keepsUnknown, "APP\(code & 15)")
        case 0xfe: try must(choice.keeps(.comment), "a comment")
        default:
            try must(Self.length(code, payload) == payload.count, "what no decoder reads in a segment of code 0x\(String(code, radix: 16))")
            if code == 0xda {
                let isKnown = (0..<Int(payload[0])).allSatisfy { components?.contains(payload[1 + 2 * $0]) ?? false }
                try must(isKnown, "a scan of nothing in the frame")
            } else if code & 0xf0 == 0xc0 && code & 3 != 0 || code == 0xc0 {
                try must(components == nil, "a second frame")
                components = (0..<Int(payload[5])).map { payload[6 + 3 * $0] }
            }
            if code == 0xda && !profile.isOver { throw .internalError("what is no ICC profile is still there") }
        }
    }

    /// How long a segment that draws is by what stands in it; 0 where that cannot be said.
    private static func length(_ code: UInt8, _ payload: [UInt8]) -> Int {
        switch code {
        case 0xc4:
            var at = 0
            while at + 17 <= payload.count, payload[at] & 0x0f < 4, payload[at] >> 4 < 2 { at += 17 + payload[at + 1..<at + 17].reduce(0) { $0 + Int($1) } }
            return at
        case 0xcc: return stride(from: 0, to: payload.count, by: 2).allSatisfy { payload[$0] & 0xec == 0 } ? min(payload.count & ~1, 16) : 0
        case 0xda: return payload.first.map { 4 + 2 * Int($0) } ?? 0
        case 0xdb:
            var at = 0
            while at < payload.count, payload[at] & 0x0f < 4, payload[at] >> 4 < 2 { at += payload[at] < 16 ? 65 : 129 }
            return at
        case 0xdc, 0xdd: return 2
        case 0xc0...0xcf: return payload.count > 5 ? 6 + 3 * Int(payload[5]) : 0
        default: return 0
        }
    }

    /// A profile in one segment or several: they are numbered, and end where it says.
    private struct Profile {
        private var number = 0, count = 0, left = 0

        var isOver: Bool { number == count && left == 0 }

        /// `part`: behind the signature.
        mutating func take(_ part: ArraySlice<UInt8>) throws(ImageError) {
            let head = Array(part.prefix(42))
            number += 1
            if number == 1 && head.count == 42 {
                count = Int(head[1])
                left = head[2..<6].reduce(0) { $0 << 8 | Int($1) }
            }
            guard head.count >= 2, number == Int(head[0]), count == Int(head[1]), number <= count, number > 1 || head[38...].elementsEqual("acsp".utf8) else {
                throw .internalError("what is no ICC profile is still there")
            }
            let content = part.dropFirst(2)
            guard content.dropFirst(left).allSatisfy({ $0 == 0 }) else { throw .internalError("data behind the ICC profile is still there") }
            left -= min(left, content.count)
        }
    }
}
