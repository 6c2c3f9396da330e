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

    var mayEnd: Bool {
        if case .behind = state { true } else { false }
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
            switch type {
            case "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB", "cICP", "mDCV", "mDCv", "cLLI", "cLLi", "sBIT", "bKGD", "acTL",
                "fcTL", "fdAT":
                state = .passing(length + 4)
            case "pHYs" where choice.keepsDensity: state = .passing(length + 4)
            case "iCCP": state = try allowed(choice.keeps(.icc), type, length)
            case "caBX": state = try allowed(choice.keepsNamed(.c2pa), type, length)
            case "tIME": state = try allowed(choice.keepsNamed(.time), type, length)
            case "eXIf" where choice.keepsAll(of: .exif): state = .passing(length + 4)
            case "pHYs", "eXIf", "tEXt", "zTXt", "iTXt":
                if choice.keepsEverything {
                    state = .passing(length + 4)
                } else {
                    state = .chunk(Int(length) + 12)
                    return 0
                }
            default: state = try allowed(choice.keepsUnknown, type, length)
            }
        case .chunk:
            try chunk(String(decoding: held[4..<8], as: UTF8.self), Array(held[8..<(held.count - 4)]))
            state = .head
        case .passing, .behind: throw .internalError("the walker is lost")
        }
        return held.count
    }

    private func allowed(_ isAllowed: Bool, _ type: String, _ length: UInt64) throws(ImageError) -> State {
        if !isAllowed { throw .internalError("\(type) is still there") }
        return .passing(length + 4)
    }

    private func chunk(_ type: String, _ bytes: [UInt8]) throws(ImageError) {
        switch type {
        case "pHYs": if bytes.last != 0 { throw .internalError("the resolution in pHYs is still there") }
        case "eXIf": try judge.exif(bytes)
        default: try text(type, bytes)
        }
    }

    private func text(_ type: String, _ bytes: [UInt8]) throws(ImageError) {
        let keyword = String(bytes.prefix { $0 != 0 }.map { Character(Unicode.Scalar($0)) })
        let what = "a text (\(keyword.prefix(20)))"
        func must(_ isRight: Bool) throws(ImageError) { if !isRight { throw .internalError("\(what) is still there") } }
        if keyword == "XML:com.adobe.xmp" {
            if choice.keepsAll(of: .xmp) { return }
            // What is written anew is written plain.
            try must(type == "iTXt" && bytes.count > 22 && bytes[18] == 0)
            return try judge.xmp(bytes[22...])
        }
        guard keyword.hasPrefix("Raw profile type ") else {
            return try must(keyword.hasPrefix("exif:") ? choice.keepsAll(of: .exif) : choice.keepsText(keyword))
        }
        switch keyword.dropFirst(17).lowercased() {
        case "exif": try must(choice.keepsAll(of: .exif))
        case "app1": try must(choice.keepsAll(of: .exif))
        case "xmp": try must(choice.keepsAll(of: .xmp))
        case "icc", "icm": try must(choice.keeps(.icc))
        case "iptc", "8bim":
            if choice.keepsUnknown { return }
            try must(type == "tEXt")
            try judge.iptc(try Self.bytes(ofHexadecimal: bytes.dropFirst(keyword.utf8.count + 1))[...])
        default: try must(choice.keepsUnknown)
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
