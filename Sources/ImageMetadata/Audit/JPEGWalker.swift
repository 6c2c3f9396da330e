import Glibc
import ImageCore

/// The walker of a JPEG.
struct JPEGWalker: Walker {
    private enum State {
        case start, marker, length, segment(Int), scan, behind, rest
    }

    private let choice: MetadataChoice
    private let judge: PayloadJudge
    private var extendedXMP: XMPJudge
    private var state = State.start

    init(_ choice: MetadataChoice) {
        self.choice = choice
        judge = PayloadJudge(choice)
        extendedXMP = XMPJudge(choice)
    }

    var need: WalkerNeed {
        switch state {
        case .start: .hold(2)
        case .marker: .hold(2)
        case .length: .hold(4)
        case .segment(let count): .hold(count)
        case .scan: .scan
        case .behind: choice.keeps(.mpf) ? .hold(1) : .end
        case .rest: .pass(.max)
        }
    }

    var mayEnd: Bool {
        switch state {
        case .behind, .rest: true
        default: false
        }
    }

    mutating func passed(_ count: UInt64) {}

    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int {
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

    mutating func judge(_ held: [UInt8]) throws(ImageError) -> Int {
        switch state {
        case .start:
            guard held == [0xff, 0xd8] else { throw .internalError("no JPEG") }
            state = .marker
            return 2
        case .marker:
            guard held[0] == 0xff else { throw .internalError("bytes between segments are still there") }
            switch held[1] {
            case 0xff: return 1
            case 0xd9:
                state = .behind
                return 2
            case 0x00, 0x01, 0xd0...0xd8: throw .internalError("a marker out of place")
            default: break
            }
            state = .length
            return 0
        case .length:
            state = .segment(2 + Int(held[2]) << 8 + Int(held[3]))
            return 0
        case .segment:
            state = held[1] == 0xda ? .scan : .marker
            try segment(held[1], Array(held[4...]))
            return held.count
        case .behind:
            if held[0] == 0 { return 1 }
            if held[0] == 0xff {
                state = .start
                return 0
            }
            guard choice.keepsTrailingData else { throw .internalError("data behind the picture is still there") }
            state = .rest
            return 1
        case .scan, .rest: throw .internalError("the walker is lost")
        }
    }

    private mutating func segment(_ code: UInt8, _ payload: [UInt8]) throws(ImageError) {
        func begins(_ text: StaticString) -> Bool {
            payload.count >= text.utf8CodeUnitCount && (0..<text.utf8CodeUnitCount).allSatisfy { payload[$0] == text.utf8Start[$0] }
        }
        func must(_ isRight: Bool, _ what: String) throws(ImageError) {
            if !isRight { throw .internalError("\(what) is still there") }
        }
        switch code {
        case 0xe0 where begins("JFIF\0") && payload.count >= 14:
            try must(choice.keepsNamed(.thumbnail) || payload.count == 14, "a thumbnail in JFIF")
            try must(choice.keepsDensity || payload[7] == 0, "the resolution in JFIF")
        case 0xe0 where begins("JFXX"): try must(choice.keepsNamed(.thumbnail), "a thumbnail in JFXX")
        case 0xe1 where begins("Exif\0\0"): try judge.exif(Array(payload[6...]))
        case 0xe1 where begins("http://ns.adobe.com/xap/1.0/\0"): try judge.xmp(payload[29...])
        case 0xe1 where begins("http://ns.adobe.com/xmp/extension/\0"): try extendedXMP.take(payload.dropFirst(35 + 40))
        case 0xe2 where begins("ICC_PROFILE\0"): try must(choice.keeps(.icc), "the ICC profile")
        case 0xe2 where begins("MPF\0") || begins("urn:iso:std:iso:ts:21496:-1\0"): try must(choice.keeps(.mpf), "MPF or a gain map")
        case 0xeb where begins("JP"): try must(choice.keeps(.c2pa), "C2PA")
        case 0xed where begins("Photoshop 3.0\0"): try judge.resources(payload[14...])
        case 0xee where begins("Adobe"): try must(payload.count == 12, "more than Adobe's transform")
        case 0xe0...0xef: try must(choice.keepsUnknown, "APP\(code & 15)")
        case 0xfe: try must(choice.keeps(.comment), "a comment")
        default: return
        }
    }
}
