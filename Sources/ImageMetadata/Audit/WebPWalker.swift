import ImageCore

/// The walker of a WebP.
struct WebPWalker: Walker {
    private enum State {
        case riff, head, chunk(Int), passing(UInt64)
    }

    private let choice: MetadataChoice
    private let judge: PayloadJudge
    private var state = State.riff
    /// Of what RIFF states, and of the frame that is open.
    private var left: UInt64 = 0
    private var frameLeft: UInt64 = 0
    private var flags: UInt8 = 0

    init(_ choice: MetadataChoice) {
        self.choice = choice
        judge = PayloadJudge(choice)
    }

    var need: WalkerNeed {
        switch state {
        case .riff: .hold(12)
        case .head: left > 0 ? .hold(8) : choice.keepsTrailingData ? .pass(.max) : .end
        case .chunk(let count): .hold(count)
        case .passing(let count): .pass(count)
        }
    }

    var mayEnd: Bool { if case .head = state { left == 0 } else { false } }

    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int { bytes.count }

    mutating func passed(_ count: UInt64) {
        guard case .passing(let waiting) = state else { return }
        take(count)
        state = waiting > count ? .passing(waiting - count) : .head
    }

    private mutating func take(_ count: UInt64) {
        left -= min(left, count)
        frameLeft -= min(frameLeft, count)
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    mutating func judge(_ held: [UInt8]) throws(ImageError) -> Int {
        switch state {
        case .riff:
            guard held.starts(with: "RIFF".utf8), held[8...].elementsEqual("WEBP".utf8) else { throw .internalError("no WebP") }
            left = Self.number(held[4..<8]) - 4
            state = .head
        case .head:
            let length = Self.number(held[4...])
            let type = String(decoding: held[..<4], as: UTF8.self)
            let even = length + length % 2
            guard 8 + even <= left else { throw .internalError("\(type) reaches over the end") }
            switch type {
            case "VP8X" where length == 10 && frameLeft == 0, "ANMF" where length >= 16 && frameLeft == 0:
                state = .chunk(type == "VP8X" ? 18 : 24)
                return 0
            case "VP8 ", "VP8L", "ALPH": break
            case "ANIM" where frameLeft == 0: break
            case "ICCP" where frameLeft == 0: try must(choice.keeps(.icc), type, flag: 0x20)
            case "EXIF" where frameLeft == 0:
                try must(choice.keepsAny(of: .exif), type, flag: 0x08)
                if !choice.keepsAll(of: .exif) {
                    state = .chunk(8 + Int(even))
                    return 0
                }
            case "XMP " where frameLeft == 0:
                try must(choice.keepsAny(of: .xmp), type, flag: 0x04)
                if !choice.keepsAll(of: .xmp) {
                    state = .chunk(8 + Int(even))
                    return 0
                }
            case "C2PA" where frameLeft == 0: try must(choice.keepsNamed(.c2pa), type, flag: 0)
            default: try must(choice.keepsUnknown, type, flag: 0)
            }
            take(8)
            state = even > 0 ? .passing(even) : .head
        case .chunk:
            take(UInt64(held.count))
            state = .head
            let length = Int(Self.number(held[4..<8]))
            switch held[0] {
            case UInt8(ascii: "V"): flags = held[8]
            case UInt8(ascii: "A"): frameLeft = UInt64(length) + UInt64(length % 2) - 16
            case UInt8(ascii: "E"): try judge.exif(Array(held[8..<8 + length]))
            default: try judge.xmp(held[8..<8 + length])
            }
        case .passing: throw .internalError("the walker is lost")
        }
        return held.count
    }

    /// A chunk is there only where it may be, and VP8X tells of it.
    private func must(_ isAllowed: Bool, _ type: String, flag: UInt8) throws(ImageError) {
        if !isAllowed { throw .internalError("\(type) is still there") }
        if flag != 0 && flags & flag == 0 { throw .internalError("VP8X does not tell of \(type)") }
    }
}
