import ImageCore

/// A PNG without the chunks that go: PNG specification, 3rd edition, 5. Chunks that draw go through as they are, their checksums looked at.
final class PNGStripper {
    private let source: ByteSource
    private let sink: any ByteSink
    private let editor: MetadataEditor
    private var hasExif = false, hasXMP = false
    /// Chunks of which there is one.
    private var seen: Set<FourCC> = []
    private var depth = 0, colorType = 0, paletteCount = 0
    private var hasFrameBehindPicture = false
    private var heldBytes = 0

    /// Those of which there may be more than one.
    private static let animationChunks: Set = [FourCC("acTL"), FourCC("fcTL"), FourCC("fdAT")]
    private static let repeatedChunks: Set = [FourCC("IDAT"), FourCC("fcTL"), FourCC("fdAT")]

    init(_ source: ByteSource, _ sink: any ByteSink, _ editor: MetadataEditor) {
        (self.source, self.sink, self.editor) = (source, sink, editor)
    }

    func strip() throws(ImageError) {
        try source.prefetch(8)
        source.skip(8)
        let signature = PNGChunk.signature
        try sink.write(signature.span.bytes)
        var isFirst = true
        var hasPixels = false
        var before: FourCC?
        while true {
            try source.prefetch(8)
            guard source.waitingCount >= 8 else { throw .truncated(atByte: source.positionBytes + UInt64(source.waitingCount)) }
            let head = Array(source.window.prefix(8))
            let length = head[..<4].reduce(0) { $0 << 8 | Int($1) }
            let type = FourCC(head[4..<8])
            guard length < 1 << 31, type.isPNGChunk else { throw .damaged("no chunk of a PNG", atByte: source.positionBytes) }
            guard isFirst == (type == FourCC("IHDR")) else { throw .damaged(isFirst ? "no IHDR" : "a second IHDR", atByte: source.positionBytes) }
            isFirst = false
            if type == FourCC("IDAT") {
                // Decoders take them for one stream that ends at another chunk: 5.6.
                if hasPixels && before != type { throw .damaged("another chunk between IDATs", atByte: source.positionBytes) }
                hasPixels = true
            }
            before = type
            if let lengths = PNGChunk.rendering[type] {
                try stripRendering(type, length, lengths)
                if type != FourCC("IEND") { continue }
                guard hasPixels else { throw .damaged("no IDAT", atByte: source.positionBytes) }
                return try stripTrailing()
            }
            if type.isCritical { throw .damaged("unknown critical chunk \(type.text)", atByte: source.positionBytes) }
            try stripMetadata(type, length)
        }
    }

    /// A chunk that draws goes through as it is; one that no decoder heeds is a place to hide in, and goes.
    private func stripRendering(_ type: FourCC, _ length: Int, _ lengths: ClosedRange<Int>) throws(ImageError) {
        let at = source.positionBytes
        let isFirst = !seen.contains(type) || Self.repeatedChunks.contains(type)
        if isFirst && lengths.contains(length) && fitsColors(type, length) && isInPlace(type) {
            switch type {
            case FourCC("IHDR"): try readHeader()
            case FourCC("PLTE"): paletteCount = length / 3
            case FourCC("fcTL") where seen.contains(FourCC("IDAT")): hasFrameBehindPicture = true
            default: break
            }
            seen.insert(type)
            // A small chunk whose checksum is wrong is passed over by decoders; of pixels, and of the animation that these are of, it is damage.
            if type.isCritical || Self.animationChunks.contains(type) { return try copy(type, length, isCritical: true) }
            return try edit(type, length, type.text, keepsAll: false) { (type, $0) }
        }
        // Decoders take as many colours as indices can name, and none for grey.
        if type == FourCC("PLTE"), isFirst, length > 0, length % 3 == 0, !seen.contains(FourCC("IDAT")) {
            let most = colorType == 3 ? 3 << depth : 0
            seen.insert(type)
            paletteCount = most / 3
            editor.report.warn("its palette has more colours than a pixel can name; they are dropped")
            return try edit(type, length, type.text, keepsAll: false) { most == 0 ? nil : (FourCC("PLTE"), Array($0.prefix(most))) }
        }
        if type == FourCC("IEND") {
            try copyOrDrop(type, length, "data in IEND", false)
            return try write(type, [])
        }
        if type.isCritical { throw .damaged(isFirst ? "\(type.text) of \(length) bytes" : "a second \(type.text)", atByte: at) }
        editor.report.warn("its \(type.text) is malformed, or not the first, and dropped")
        try copyOrDrop(type, length, type.text, false)
    }

    /// Of what there is one, all stands before the pixels; what belongs to further frames, behind the first's.
    private func isInPlace(_ type: FourCC) -> Bool {
        switch type {
        case FourCC("IHDR"), FourCC("IDAT"), FourCC("IEND"): true
        case FourCC("fcTL"): seen.contains(FourCC("acTL")) && (seen.contains(FourCC("IDAT")) || !seen.contains(type))
        case FourCC("fdAT"): hasFrameBehindPicture
        default: !seen.contains(FourCC("IDAT"))
        }
    }

    private func readHeader() throws(ImageError) {
        try source.prefetch(21)
        guard source.waitingCount >= 21 else { return }
        let header = Array(source.window[8..<21])
        (depth, colorType) = (Int(header[8]), Int(header[9]))
        let depths: [Int] = switch colorType {
        case 0: [1, 2, 4, 8, 16]
        case 3: [1, 2, 4, 8]
        case 2, 4, 6: [8, 16]
        default: []
        }
        let hasSize = header[..<4].contains { $0 != 0 } && header[4..<8].contains { $0 != 0 }
        guard depths.contains(depth), hasSize, header[10] == 0, header[11] == 0, header[12] <= 1 else { throw .damaged("no IHDR of a PNG", atByte: source.positionBytes) }
    }

    /// Whether a chunk is as long as the kind of colours wants it: 11.2.2, 11.3.1.1, 11.3.2.2 and 11.3.4.1.
    private func fitsColors(_ type: FourCC, _ length: Int) -> Bool {
        let (isPalette, isColor, hasAlpha) = (colorType == 3, colorType & 2 != 0, colorType & 4 != 0)
        return switch type {
        case FourCC("PLTE"): length % 3 == 0 && isColor && (!isPalette || length / 3 <= 1 << depth)
        case FourCC("tRNS"): isPalette ? length <= paletteCount : !hasAlpha && length == (isColor ? 6 : 2)
        case FourCC("bKGD"): length == (isPalette ? 1 : isColor ? 6 : 2)
        case FourCC("sBIT"): length == (isColor ? 3 : 1) + (hasAlpha ? 1 : 0)
        default: true
        }
    }

    private func stripMetadata(_ type: FourCC, _ length: Int) throws(ImageError) {
        let choice = editor.choice
        switch type {
        case FourCC("eXIf"): try edit(type, length, "EXIF", keepsAll: choice.keepsAll(of: .exif)) { block in self.exif(block).map { (FourCC("eXIf"), $0) } }
        case FourCC("tEXt"), FourCC("zTXt"), FourCC("iTXt"):
            try edit(type, length, "text", keepsAll: choice.keepsEverything) { (bytes) throws(ImageError) in try self.text(type, bytes) }
        case FourCC("pHYs"):
            try edit(type, length, "pHYs", keepsAll: choice.keepsUnknown && choice.keepsDensity) { bytes in
                guard bytes.count == 9, self.seen.insert(type).inserted else { return nil }
                if choice.keepsDensity { return (FourCC("pHYs"), bytes) }
                // Of no unit it says the ratio of a pixel's sides: 11.3.4.3.
                return bytes[..<4] != bytes[4..<8] ? (FourCC("pHYs"), Array(bytes[..<8]) + [0]) : nil
            }
        case FourCC("iCCP"):
            try edit(type, length, "ICC profile", keepsAll: choice.keepsUnknown && choice.keeps(.icc)) { (bytes) throws(ImageError) in
                guard self.seen.insert(type).inserted else { return nil }
                return try self.profileChunk(bytes).map { (FourCC("iCCP"), $0) }
            }
        case FourCC("tIME"):
            try edit(type, length, "tIME", keepsAll: choice.keepsUnknown && choice.keepsNamed(.time)) { bytes in
                bytes.count == 7 && choice.keepsNamed(.time) && self.seen.insert(type).inserted ? (FourCC("tIME"), bytes) : nil
            }
        case FourCC("caBX"):
            if choice.keepsC2PA { editor.report.keepsManifest = true }
            try copyOrDrop(type, length, "C2PA", choice.keepsC2PA)
        default: try copyOrDrop(type, length, type.text, choice.keepsUnknown)
        }
    }

    // MARK: Metadata

    /// The first block counts.
    private func exif(_ bytes: [UInt8]) -> [UInt8]? {
        if hasExif { return nil }
        hasExif = true
        return editor.exifChunk(bytes)
    }

    /// An iCCP of the profile alone: its name is as free as any text, and behind its stream no decoder reads. Nil where it goes.
    private func profileChunk(_ bytes: [UInt8]) throws(ImageError) -> [UInt8]? {
        var stream: ArraySlice<UInt8> = []
        var profile: [UInt8]?
        if let name = PNGText.keyword(bytes), bytes.count > name.utf8Count + 2, bytes[name.utf8Count + 1] == 0 {
            stream = bytes[(name.utf8Count + 2)...]
            let plain = try Zlib.inflated(stream, limitBytes: editor.limits.metadata)
            stream = stream.prefix(plain.takenCount)
            if plain.isWhole { profile = plain.bytes }
        }
        return editor.keepsICC(profile) ? Array("ICC profile".utf8) + [0, 0] + stream : nil
    }

    private func text(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) -> (FourCC, [UInt8])? {
        let choice = editor.choice
        guard let keyword = PNGText.keyword(bytes)?.text else { return nil }
        let whole = (type, bytes)
        guard let container = PNGText.container(keyword) else { return try choice.keepsText(keyword) ? plain(type, bytes, whole) : nil }
        let isRaw = PNGText.rawProfileContainer(keyword) != nil
        // A profile in a text colours nothing, and a raw profile may hold another than it says.
        if container == .icc || container == .all || isRaw {
            if choice.keepsUnknown && choice.keeps(container) { return whole }
        } else if choice.keepsAll(of: container) {
            return whole
        }
        guard choice.keepsAny(of: container), container != .icc, !(container == .exif && hasExif), let text = try decoded(type, bytes) else { return nil }
        if keyword == PNGText.xmpKeyword { return xmpChunk(text.text) }
        return switch text.rawProfile {
        case .exif(let block): exif(block).map { (FourCC("eXIf"), $0) }
        case .xmp(let packet): xmpChunk(packet)
        case .iptc(let block): editor.iptc(block).map { (FourCC("tEXt"), PNGText.chunk(iptc: $0)) }
        case nil: nil
        }
    }

    private func decoded(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) -> PNGText? {
        try PNGText(type: type, bytes, limitBytes: editor.limits.metadata) { (count) throws(ImageError) in
            heldBytes += count
            try editor.check(held: heldBytes)
        }
    }

    /// A text that stays for what it is about is written anew: nothing stands behind its stream, nor beside it.
    private func plain(_ type: FourCC, _ bytes: [UInt8], _ whole: (FourCC, [UInt8])) throws(ImageError) -> (FourCC, [UInt8])? {
        if editor.choice.keeps(.comment) { return whole }
        guard let text = try decoded(type, bytes), let chunk = PNGText.chunk(keyword: Array(text.keyword.utf8), text: text.text.prefix { $0 != 0 }) else { return nil }
        return (FourCC(chunk.type), chunk.payload)
    }

    /// The first packet counts.
    private func xmpChunk(_ packet: [UInt8]) -> (FourCC, [UInt8])? {
        if hasXMP { return nil }
        hasXMP = true
        return editor.xmp(packet).map { (FourCC("iTXt"), PNGText.internationalChunk(Array(PNGText.xmpKeyword.utf8), $0)) }
    }

    // MARK: Chunks

    private func edit(
        _ type: FourCC, _ length: Int, _ name: String, keepsAll: Bool, _ edited: ([UInt8]) throws(ImageError) -> (FourCC, [UInt8])?
    ) throws(ImageError) {
        if keepsAll { return try copy(type, length, isCritical: false) }
        heldBytes += length
        try editor.check(held: heldBytes)
        var bytes: [UInt8] = []
        let isSound = try read(type, length) { bytes.append(contentsOf: $0) }
        guard isSound, let new = try edited(bytes) else { return editor.report.remove(name, length + 12) }
        guard new.1 != bytes || new.0 != type else { return try write(new.0, bytes) }
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
        if isCritical && !isSound { throw .damaged("\(type.text): wrong checksum", atByte: at) }
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

    private func write(_ type: FourCC, _ bytes: [UInt8]) throws(ImageError) {
        let named = type.bytes + bytes
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
