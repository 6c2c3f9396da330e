import ImageCore

/// Chunks of a PNG: PNG specification, 3rd edition, 5 and 11.
enum PNGChunk {
    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

    /// What draws, or says how: cli.md; and the bytes that such a chunk has. Decoders pass over one that is longer. The last two are
    /// older spellings.
    static let rendering: [FourCC: ClosedRange<Int>] = [
        FourCC("IHDR"): 13...13, FourCC("PLTE"): 3...768, FourCC("IDAT"): 0...Int.max, FourCC("IEND"): 0...0, FourCC("tRNS"): 1...256,
        FourCC("gAMA"): 4...4, FourCC("cHRM"): 32...32, FourCC("sRGB"): 1...1, FourCC("cICP"): 4...4, FourCC("mDCV"): 24...24, FourCC("cLLI"): 8...8,
        FourCC("sBIT"): 1...4, FourCC("bKGD"): 1...6, FourCC("acTL"): 8...8, FourCC("fcTL"): 26...26, FourCC("fdAT"): 4...Int.max,
        FourCC("mDCv"): 24...24, FourCC("cLLi"): 8...8,
    ]

    static func isRendering(_ type: FourCC) -> Bool { rendering[type] != nil }
}

extension FourCC {
    /// Four letters.
    var isPNGChunk: Bool { bytes.allSatisfy { (0x61...0x7a).contains($0 | 0x20) } }
    /// A capital first: a decoder must know it.
    var isCritical: Bool { bytes[0] & 0x20 == 0 }
}
