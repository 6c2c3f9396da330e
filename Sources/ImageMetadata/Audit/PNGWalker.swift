import ImageCore

/// The walker of a PNG.
struct PNGWalker: Walker {
    private enum State {
        case signature, head, chunk(Int), passing(UInt64), behind
    }

    private let choice: MetadataChoice
    private let judge: PayloadJudge
    private var state = State.signature
    private var isLast = false
    /// Samples of a pixel, 0 for an index into the palette; and how many colours that has.
    private var channels = 0, depth = 0
    private var colors = 0
    private var hasPixels = false, hasFirstFrame = false, hasFrame = false
    /// Of the chunks of which there is one, those that were there.
    private var types: Set<String> = []

    init(_ choice: MetadataChoice) {
        self.choice = choice
        judge = PayloadJudge(choice)
    }

    var need: WalkerNeed {
        switch state {
        case .signature, .head: .hold(8)
        case .chunk(let count): .hold(count)
        case .passing(let count): .pass(count)
        case .behind: choice.keepsTrailingData ? .pass(.max) : .end
        }
    }

    func mayEnd(holding count: Int) -> Bool {
        if case .behind = state { count == 0 } else { false }
    }

    mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Int { bytes.count }

    mutating func passed(_ count: UInt64) {
        guard case .passing(let left) = state else { return }
        state = left > count ? .passing(left - count) : isLast ? .behind : .head
    }

    mutating func judge(_ held: [UInt8]) throws(ImageError) -> Int {
        switch state {
        case .signature:
            guard held == [137, 80, 78, 71, 13, 10, 26, 10] else { throw .internalError("no PNG") }
            state = .head
        case .head:
            let length = held[..<4].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let type = String(decoding: held[4...], as: UTF8.self)
            isLast = type == "IEND"
            if type == "IHDR" && length == 13 && !types.contains(type) {
                types.insert(type)
                state = .chunk(25)
                return 0
            } else if let lengths = lengths(type) {
                let isRepeated = !types.insert(type).inserted && !["IDAT", "fcTL", "fdAT"].contains(type)
                if isRepeated || isOutOfPlace(type) || !lengths.contains(length) { throw .internalError("data in \(type) that no decoder reads is still there") }
                if type == "PLTE" { colors = Int(length / 3) }
                state = .passing(length + 4)
            } else if isAllowed(type) {
                state = .passing(length + 4)
            } else if ["pHYs", "iCCP", "eXIf", "tEXt", "zTXt", "iTXt", "tIME"].contains(type) {
                state = .chunk(Int(length) + 12)
                return 0
            } else {
                throw .internalError("\(type) is still there")
            }
        case .chunk:
            try chunk(String(decoding: held[4..<8], as: UTF8.self), Array(held[8..<(held.count - 4)]))
            state = .head
        case .passing, .behind: throw .internalError("the walker is lost")
        }
        return held.count
    }

    private mutating func isOutOfPlace(_ type: String) -> Bool {
        let isBehind = hasPixels
        switch type {
        case "IDAT": hasPixels = true
        case "IHDR", "IEND": break
        case "fcTL":
            defer { if isBehind { hasFrame = true } else { hasFirstFrame = true } }
            return !types.contains("acTL") || (!isBehind && hasFirstFrame)
        case "fdAT": return !hasFrame
        default: return isBehind
        }
        return false
    }

    /// The bytes that a chunk has that draws; nil for other chunks.
    private func lengths(_ type: String) -> ClosedRange<UInt64>? {
        switch type {
        case "IDAT", "fdAT": 0...UInt64.max
        case "IEND": 0...0
        case "sRGB": 1...1
        case "sBIT": [1: 1...1, 2: 2...2, 3: 3...3, 4: 4...4][channels] ?? 3...3
        case "gAMA", "cICP": 4...4
        case "bKGD": channels == 0 ? 1...1 : channels > 2 ? 6...6 : 2...2
        case "acTL", "cLLI", "cLLi": 8...8
        case "IHDR": 13...13
        case "mDCV", "mDCv": 24...24
        case "fcTL": 26...26
        case "cHRM": 32...32
        case "tRNS": channels == 0 ? 1...UInt64(max(1, colors)) : channels == 1 ? 2...2 : channels == 3 ? 6...6 : 0...0
        // Grey has none: 0 is no length of one.
        case "PLTE": channels == 0 ? 3...UInt64(3 << min(depth, 8)) : channels > 2 ? 3...768 : 0...0
        default: nil
        }
    }

    /// Whether a chunk may be there whatever is in it.
    private func isAllowed(_ type: String) -> Bool {
        switch type {
        case "caBX": choice.keepsC2PA
        case "tIME": choice.keepsUnknown && choice.keepsNamed(.time)
        case "eXIf": choice.keepsAll(of: .exif)
        case "tEXt", "zTXt", "iTXt": choice.keepsEverything
        case "iCCP", "pHYs": false
        default: choice.keepsUnknown
        }
    }

    private mutating func chunk(_ type: String, _ bytes: [UInt8]) throws(ImageError) {
        switch type {
        case "IHDR":
            depth = Int(bytes[8])
            channels = [0: 1, 2: 3, 4: 2, 6: 4][bytes[9]] ?? 0
        case "pHYs":
            let isOne = bytes.count == 9 && types.insert(type).inserted
            if !isOne && !choice.keepsUnknown { throw .internalError("data in pHYs that no decoder reads is still there") }
            if !choice.keepsDensity && bytes.last != 0 { throw .internalError("the resolution in pHYs is still there") }
        case "iCCP":
            if choice.keepsUnknown && choice.keeps(.icc) { return }
            let name = Array("ICC profile\0\0".utf8)
            guard types.insert(type).inserted, bytes.starts(with: name) else { throw .internalError("what is no ICC profile is still there") }
            let profile = try Zlib.inflated(bytes[name.count...], limitBytes: 1 << 30)
            guard profile.takenCount == bytes.count - name.count else { throw .internalError("data behind the ICC profile is still there") }
            try judge.profile(profile.bytes)
        case "tIME":
            guard choice.keepsNamed(.time), bytes.count == 7, types.insert(type).inserted else { throw .internalError("tIME is still there") }
        case "eXIf": try judge.exif(bytes)
        default: try text(type, bytes)
        }
    }

    private func text(_ type: String, _ bytes: [UInt8]) throws(ImageError) {
        let keyword = String(bytes.prefix { $0 != 0 }.map { Character(Unicode.Scalar($0)) })
        // What is written anew is written plain.
        let content = bytes.dropFirst(keyword.unicodeScalars.count + 1)
        let isPlain = type == "tEXt" ? !content.contains(0) : type == "iTXt" && content.starts(with: [0, 0, 0, 0])
        if judge.allowsText(keyword) && (isPlain || choice.keeps(.comment) || keyword == "XML:com.adobe.xmp" || keyword.lowercased().hasPrefix("exif:")) { return }
        switch (type, keyword) {
        case ("iTXt", "XML:com.adobe.xmp") where content.starts(with: [0, 0, 0, 0]): try judge.xmp(content.dropFirst(4))
        case ("tEXt", "Raw profile type iptc"): try judge.iptc(try Self.bytes(ofHexadecimal: content)[...])
        default: throw .internalError("a text (\(keyword.prefix(20))) is still there")
        }
    }

    /// Behind a name and a length, each in its line.
    private static func bytes(ofHexadecimal text: ArraySlice<UInt8>) throws(ImageError) -> [UInt8] {
        var lines = 0
        var digits: [UInt8] = []
        for byte in text {
            if byte == 10 {
                lines += 1
            } else if lines >= 3 {
                guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw .internalError("a raw profile is still there") }
                digits.append(UInt8(digit))
            }
        }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
