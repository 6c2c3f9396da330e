import ImageCore

/// A PNG without the chunks that go: PNG specification, 3rd edition, 5. Chunks that draw go through as they are, their checksums looked at.
final class PNGStripper {
    private let source: ByteSource
    private let sink: any ByteSink
    private let editor: MetadataEditor
    private var hasExif = false
    private var heldBytes = 0

    /// What draws, or says how: cli.md. The last two are older spellings.
    static let renderingChunks: Set<FourCC> = [
        FourCC("IHDR"), FourCC("PLTE"), FourCC("IDAT"), FourCC("IEND"), FourCC("tRNS"), FourCC("gAMA"), FourCC("cHRM"), FourCC("sRGB"),
        FourCC("cICP"), FourCC("mDCV"), FourCC("cLLI"), FourCC("sBIT"), FourCC("bKGD"), FourCC("acTL"), FourCC("fcTL"), FourCC("fdAT"),
        FourCC("mDCv"), FourCC("cLLi"),
    ]

    static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

    init(_ source: ByteSource, _ sink: any ByteSink, _ editor: MetadataEditor) {
        (self.source, self.sink, self.editor) = (source, sink, editor)
    }

    func strip() throws(ImageError) {
        try source.prefetch(8)
        source.skip(8)
        try sink.write(Self.signature.span.bytes)
        var isFirst = true
        var hasPixels = false
        while true {
            try source.prefetch(8)
            guard source.waitingCount >= 8 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
            let head = Array(source.window.prefix(8))
            let length = head[..<4].reduce(0) { $0 << 8 | Int($1) }
            let type = FourCC(head[4..<8])
            guard length < 1 << 31, type.isPNGChunk else { throw .damaged("no chunk of a PNG", atByte: source.positionBytes) }
            guard isFirst == (type == FourCC("IHDR")) else { throw .damaged(isFirst ? "no IHDR" : "a second IHDR", atByte: source.positionBytes) }
            isFirst = false
            if type == FourCC("IDAT") { hasPixels = true }
            if Self.renderingChunks.contains(type) {
                try copy(type, length, isCritical: type.isCritical)
                if type != FourCC("IEND") { continue }
                guard hasPixels else { throw .damaged("no IDAT", atByte: source.positionBytes) }
                return try stripTrailing()
            }
            if type.isCritical { throw .damaged("unknown critical chunk \(type.letters)", atByte: source.positionBytes) }
            try stripMetadata(type, length)
        }
    }

    private func stripMetadata(_ type: FourCC, _ length: Int) throws(ImageError) {
        let choice = editor.choice
        switch type {
        case FourCC("eXIf"): try edit(type, length, "EXIF", keepsAll: choice.keepsAll(of: .exif)) { block in self.exif(block).map { ("eXIf", $0) } }
        case FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt"):
            try edit(type, length, "text", keepsAll: choice.keepsEverything) { (bytes) throws(ImageError) in try self.text(type, bytes) }
        case FourCC("pHYs"):
            try edit(type, length, "pHYs", keepsAll: choice.keepsDensity) { bytes in
                // Of no unit it says the ratio of a pixel's sides: 11.3.4.3.
                bytes.count == 9 && bytes[..<4] != bytes[4..<8] ? ("pHYs", Array(bytes[..<8]) + [0]) : nil
            }
        case FourCC("iCCP"):
            try edit(type, length, "ICC profile", keepsAll: choice.keeps(.icc)) { (bytes) throws(ImageError) in
                _ = self.editor.keepsICC(try self.profile(bytes))
                return nil
            }
        case FourCC("tIME"): try copyOrDrop(type, length, "tIME", choice.keepsNamed(.time))
        case FourCC("caBX"): try copyOrDrop(type, length, "C2PA", choice.keepsNamed(.c2pa))
        default: try copyOrDrop(type, length, type.letters, choice.keepsUnknown)
        }
    }

    // MARK: Metadata

    /// The first block counts.
    private func exif(_ bytes: [UInt8]) -> [UInt8]? {
        if hasExif { return nil }
        hasExif = true
        return editor.exifChunk(bytes)
    }

    private func profile(_ bytes: [UInt8]) throws(ImageError) -> [UInt8]? {
        guard let keyword = PNGText.keyword(bytes), bytes.count > keyword.utf8Count + 2 else { return nil }
        return try Zlib.inflated(bytes[(keyword.utf8Count + 2)...], limitBytes: editor.limits.metadata).bytes
    }

    private func text(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) -> (StaticString, [UInt8])? {
        let choice = editor.choice
        guard let keyword = PNGText.keyword(bytes)?.text else { return nil }
        let whole: (StaticString, [UInt8]) = (type == FourCC("tEXt") ? "tEXt" : type == FourCC("zTXt") ? "zTXt" : "iTXt", bytes)
        guard let container = PNGText.container(keyword) else { return choice.keepsText(keyword) ? whole : nil }
        if container == .icc { return choice.keeps(.icc) ? whole : nil }
        if container == .all { return choice.keepsUnknown ? whole : nil }
        // A raw profile of IPTC may bring all of Photoshop's resources.
        if choice.keepsAll(of: container) && (container != .iptc || choice.keepsUnknown) { return whole }
        guard choice.keepsAny(of: container), let text = try PNGText(type: type, bytes, limitBytes: editor.limits.metadata) else { return nil }
        if keyword == PNGText.xmpKeyword { return editor.xmp(text.text).map(Self.xmpChunk) }
        return switch text.rawProfile {
        case .exif(let block): exif(block).map { ("eXIf", $0) }
        case .xmp(let packet): editor.xmp(packet).map(Self.xmpChunk)
        case .iptc(let block): editor.iptc(block).map { ("tEXt", PNGText.chunk(iptc: $0)) }
        case nil: nil
        }
    }

    private static func xmpChunk(_ packet: [UInt8]) -> (StaticString, [UInt8]) {
        ("iTXt", PNGText.internationalChunk(Array(PNGText.xmpKeyword.utf8), packet))
    }

    // MARK: Chunks

    private func edit(
        _ type: FourCC, _ length: Int, _ name: String, keepsAll: Bool, _ edited: ([UInt8]) throws(ImageError) -> (StaticString, [UInt8])?
    ) throws(ImageError) {
        if keepsAll { return try copy(type, length, isCritical: false) }
        heldBytes += length
        try editor.check(held: heldBytes)
        var bytes: [UInt8] = []
        let isSound = try read(type, length) { bytes.append(contentsOf: $0) }
        guard isSound, let new = try edited(bytes) else { return editor.report.remove(name, length + 12) }
        guard new.1 != bytes else { return try write(new.0, bytes) }
        editor.report.replace(name, length, by: new.1.count)
        try write(new.0, new.1)
    }

    private func copyOrDrop(_ type: FourCC, _ length: Int, _ name: String, _ stays: Bool) throws(ImageError) {
        if stays { return try copy(type, length, isCritical: false) }
        _ = try read(type, length) { _ in }
        editor.report.remove(name, length + 12)
    }

    /// A chunk as it is. Of one that must be sound a wrong checksum is damage.
    private func copy(_ type: FourCC, _ length: Int, isCritical: Bool) throws(ImageError) {
        let at = source.positionBytes
        try sink.write((UInt32(length).bigEndianBytes + type.bytes).span.bytes)
        var fault: ImageError?
        let isSound = try read(type, length) { part in
            do throws(ImageError) {
                if fault == nil { try sink.write(part) }
            } catch {
                fault = error
            }
        }
        if let fault { throw fault }
        if isCritical && !isSound { throw .damaged("\(type.letters): wrong checksum", atByte: at) }
        try sink.write(lastCRC.bigEndianBytes.span.bytes)
    }

    /// The checksum of the chunk that was read, as the file has it.
    private var lastCRC: UInt32 = 0

    /// Gives the bytes of a chunk as they come; whether its checksum is right.
    private func read(_ type: FourCC, _ length: Int, _ take: (UnsafeRawBufferPointer) -> Void) throws(ImageError) -> Bool {
        var crc = Zlib.crc(0, type.bytes.span.bytes)
        source.skip(8)
        var left = length
        while left > 0 {
            if source.waitingCount == 0, try source.refill() == 0 { throw .truncated(atByte: source.positionBytes) }
            let count = min(left, source.waitingCount)
            let part = UnsafeRawBufferPointer(rebasing: source.window.prefix(count))
            crc = Zlib.crc(crc, part.bytes)
            take(part)
            source.skip(count)
            left -= count
        }
        try source.prefetch(4)
        guard source.waitingCount >= 4 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
        lastCRC = (0..<4).reduce(0) { $0 << 8 | UInt32(source.window[$1]) }
        source.skip(4)
        return crc == lastCRC
    }

    private func write(_ type: StaticString, _ bytes: [UInt8]) throws(ImageError) {
        let named = FourCC(type).bytes + bytes
        try sink.write((UInt32(bytes.count).bigEndianBytes + named + Zlib.crc(0, named.span.bytes).bigEndianBytes).span.bytes)
    }

    private func stripTrailing() throws(ImageError) {
        guard editor.choice.keepsTrailingData else { return editor.report.remove("data behind the picture", try source.countRest()) }
        repeat {
            try sink.write(source.window)
            source.skip(source.waitingCount)
        } while try source.refill() > 0
    }
}

extension FourCC {
    /// For messages.
    var letters: String { String(decoding: bytes, as: UTF8.self) }
    /// Four letters.
    var isPNGChunk: Bool { bytes.allSatisfy { (0x61...0x7a).contains($0 | 0x20) } }
    /// A capital first: a decoder must know it.
    var isCritical: Bool { bytes[0] & 0x20 == 0 }
}

extension PNGText {
    /// The container that a text carries or copies; nil for a text that is one.
    static func container(_ keyword: String) -> MetadataGroup? {
        if keyword == xmpKeyword { return .xmp }
        // As ImageMagick writes fields one by one.
        if keyword.hasPrefix("exif:") { return .exif }
        return rawProfileContainer(keyword)
    }
}

extension MetadataChoice {
    /// Whether a text that carries no other container stays: PNG specification, 3rd edition, 11.3.3.1.
    func keepsText(_ keyword: String) -> Bool {
        switch keyword {
        case "Copyright", "Author": keeps(.copyright, in: .comment)
        case "Creation Time", "date:create", "date:modify", "date:timestamp": keeps(.time, in: .comment)
        default: keyword.lowercased().contains("gps") ? keeps(.gps, in: .comment) : keeps(.comment)
        }
    }
}
