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
    private var isExtended = false
    /// Chunks that were there, outside of frames and in the last one.
    private var types: Set<String> = []
    private var inFrame: Set<String> = []

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

    func mayEnd(holding count: Int) -> Bool {
        if case .head = state { left == 0 && count == 0 } else { false }
    }

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
            guard 8 + even <= (frameLeft > 0 ? frameLeft : left) else { throw .internalError("\(type) reaches over the end") }
            try place(type, length)
            switch type {
            case "VP8X", "ANMF":
                state = .chunk(type == "VP8X" ? 18 : 24)
                return 0
            case "EXIF" where !choice.keepsAll(of: .exif), "XMP " where !choice.keepsAll(of: .xmp), "ICCP" where !(choice.keepsUnknown && choice.keeps(.icc)):
                state = .chunk(8 + Int(even))
                return 0
            default: break
            }
            take(8)
            state = even > 0 ? .passing(even) : .head
        case .chunk:
            take(UInt64(held.count))
            state = .head
            let length = Int(Self.number(held[4..<8]))
            switch held[0] {
            case UInt8(ascii: "V"):
                flags = held[8]
                isExtended = true
            case UInt8(ascii: "A"):
                frameLeft = UInt64(length) + UInt64(length % 2) - 16
                inFrame = []
            case UInt8(ascii: "I"): try judge.profile(held[8..<8 + length])
            case UInt8(ascii: "E"): try judge.exif(Array(held[8..<8 + length]))
            default: try judge.xmp(held[8..<8 + length])
            }
        case .passing: throw .internalError("the walker is lost")
        }
        return held.count
    }

    /// Throws where a chunk is not where it may be, or is longer than any decoder reads.
    private mutating func place(_ type: String, _ length: UInt64) throws(ImageError) {
        let isInFrame = frameLeft > 0
        let isFirst = isInFrame ? inFrame.insert(type).inserted : types.insert(type).inserted
        let isAnimation = flags & 0x02 != 0
        let pixels = isInFrame ? inFrame : types
        let isAllowed: Bool
        switch type {
        case "VP8X": isAllowed = types.count == 1 && length == 10 && isFirst
        case "ANMF": isAllowed = isAnimation && !isInFrame && length >= 16
        case "ANIM": isAllowed = isAnimation && !isInFrame && isFirst && length == 6
        case "VP8 ": isAllowed = isAnimation == isInFrame && isFirst && !pixels.contains("VP8L")
        case "VP8L": isAllowed = isAnimation == isInFrame && isFirst && !pixels.contains("VP8 ")
        case "ALPH": isAllowed = isAnimation == isInFrame && isFirst && isExtended && pixels.isDisjoint(with: ["VP8 ", "VP8L"])
        case _ where isInFrame: isAllowed = choice.keepsUnknown && !["ICCP", "EXIF", "XMP "].contains(type)
        case "ICCP": isAllowed = choice.keepsEverything || isFirst && choice.keeps(.icc) && flags & 0x20 != 0
        case "EXIF": isAllowed = choice.keepsEverything || isFirst && choice.keepsAny(of: .exif) && flags & 0x08 != 0
        case "XMP ": isAllowed = choice.keepsEverything || isFirst && choice.keepsAny(of: .xmp) && flags & 0x04 != 0
        case "C2PA": isAllowed = choice.keepsC2PA
        default: isAllowed = choice.keepsUnknown
        }
        if !isAllowed { throw .internalError("\(type) is still there, or not where it may be") }
    }
}
