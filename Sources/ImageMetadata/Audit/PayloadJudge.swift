import ImageCore

/// Looks into blocks of metadata that are on their way out: by code of its own, so that a fault of what has made them does not hide
/// itself.
struct PayloadJudge {
    private let choice: MetadataChoice

    init(_ choice: MetadataChoice) { self.choice = choice }

    private func fault(_ what: String) -> ImageError { .internalError("\(what) is still there") }

    // MARK: EXIF

    func exif(_ block: [UInt8]) throws(ImageError) {
        if choice.keepsAll(of: .exif) { return }
        guard choice.keepsAny(of: .exif) else { throw fault("EXIF") }
        guard block.count >= 14, block[0] == block[1], block[0] == 0x49 || block[0] == 0x4d else { throw fault("malformed EXIF") }
        let isLittle = block[0] == 0x49
        func number(_ at: Int, _ count: Int) throws(ImageError) -> Int {
            guard at >= 0, at + count <= block.count else { throw fault("EXIF that reaches over its end") }
            return (0..<count).reduce(0) { $0 | Int(block[at + $1]) << (8 * (isLittle ? $1 : count - 1 - $1)) }
        }
        var isSeen = [Bool](repeating: false, count: block.count)
        // Values may share bytes, but no block is made of them.
        var seenCount = 0
        func see(_ at: Int, _ count: Int) throws(ImageError) {
            guard at >= 0, count >= 0, at + count <= block.count else { throw fault("EXIF that reaches over its end") }
            seenCount += count
            guard seenCount <= 4 * block.count + 4096 else { throw fault("EXIF whose values lie over one another") }
            for i in at..<at + count { isSeen[i] = true }
        }
        try see(0, 8)
        var waiting: [(ExifDirectory, Int)] = [(.primary, try number(4, 4))]
        var visited: [Int] = []
        while let (directory, at) = waiting.popLast() {
            if visited.contains(at) { continue }
            visited.append(at)
            guard visited.count <= 8 else { throw fault("EXIF of many directories") }
            let count = try number(at, 2)
            try see(at, 2 + 12 * count)
            var thumbnail = (at: 0, count: 0)
            for i in 0..<count {
                let entry = at + 2 + 12 * i
                let tag = try number(entry, 2), type = try number(entry + 2, 2), values = try number(entry + 4, 4)
                let pointer: ExifDirectory? =
                    switch (directory, tag) {
                    case (.primary, 0x8769): .exif
                    case (.primary, 0x8825): .gps
                    case (.exif, 0xa005): .interoperability
                    default: nil
                    }
                if let pointer {
                    waiting.append((pointer, try number(entry + 8, type == 3 ? 2 : 4)))
                    continue
                }
                guard choice.keepsField(tag: tag, in: directory) else { throw fault("EXIF field 0x\(String(tag, radix: 16))") }
                if directory == .primary && tag == 0x112 && (type != 3 || values != 1) { throw fault("an orientation that is none") }
                let size = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4]
                guard size.indices.contains(type) else { throw fault("an EXIF field of unknown type") }
                if size[type] * values > 4 { try see(try number(entry + 8, 4), size[type] * values) }
                if directory == .thumbnail && tag == 0x201 { thumbnail.at = try number(entry + 8, type == 3 ? 2 : 4) }
                if directory == .thumbnail && tag == 0x202 { thumbnail.count = try number(entry + 8, type == 3 ? 2 : 4) }
            }
            if thumbnail.count > 0 {
                try see(thumbnail.at, thumbnail.count)
                try jpeg(block[thumbnail.at..<thumbnail.at + thumbnail.count])
            }
            let link = at + 2 + 12 * count
            guard directory == .primary, link + 4 <= block.count else { continue }
            try see(link, 4)
            let next = try number(link, 4)
            if next != 0 { waiting.append((.thumbnail, next)) }
        }
        // Nothing hides between what is referred to.
        if zip(block, isSeen).contains(where: { $0 != 0 && !$1 }) { throw fault("EXIF that no field refers to") }
    }

    /// A thumbnail: a JPEG of nothing but what draws it.
    private func jpeg(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        let audited = AuditedSink(CountingSink(), JPEGWalker(try MetadataChoice(keeping: [.resolution], dropping: [.all])))
        try audited.write(bytes.span.bytes)
        try audited.end()
    }

    /// The thumbnail of JFXX behind its signature.
    func extensionThumbnail(_ payload: ArraySlice<UInt8>) throws(ImageError) {
        guard payload.first != 0x10 else { return try jpeg(payload.dropFirst()) }
        let head = Array(payload.prefix(3))
        let size = head.count == 3 ? Int(head[1]) * Int(head[2]) : 0
        guard head.first == 0x11 && payload.count == 771 + size || head.first == 0x13 && payload.count == 3 + 3 * size else { throw fault("what is no thumbnail") }
    }

    // MARK: ICC

    /// A profile that is as long as it says.
    func profile(_ bytes: some Collection<UInt8>) throws(ImageError) {
        if choice.keepsUnknown && choice.keeps(.icc) { return }
        guard choice.keeps(.icc) else { throw fault("the ICC profile") }
        let size = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        guard size >= 132, size <= bytes.count, bytes.dropFirst(36).starts(with: "acsp".utf8), bytes.dropFirst(size).allSatisfy({ $0 == 0 }) else {
            throw fault("what is no ICC profile")
        }
    }

    // MARK: IPTC

    func iptc(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        if choice.keepsAll(of: .iptc) { return }
        guard choice.keepsAny(of: .iptc) else { throw fault("IPTC") }
        var rest = bytes
        var charsets = 0
        while rest.count >= 5, rest.first == 0x1c {
            let head = Array(rest.prefix(9))
            guard choice.keepsDataset(head[1], head[2]) || (head[1], head[2]) == (1, 90) else { throw fault("IPTC \(head[1]):\(head[2])") }
            // From 0x80 on it is the length of a length.
            let digits = head[3] < 0x80 ? 0 : Int(head[4])
            guard digits <= 4, head.count >= 5 + digits, digits == 0 || head[3] == 0x80 else { throw fault("IPTC of an extended length") }
            let count = head[(digits == 0 ? 3 : 5)..<(5 + digits)].reduce(0) { $0 << 8 | Int($1) }
            guard count <= rest.count - 5 - digits else { throw fault("IPTC that reaches over its end") }
            if head[1] == 1 && head[2] == 90 {
                charsets += 1
                guard charsets == 1, count <= 8, rest.dropFirst(5 + digits).first == 0x1b else { throw fault("what is no character set of IPTC") }
            }
            rest = rest.dropFirst(5 + digits + count)
        }
        if !rest.isEmpty { throw fault("what is no IPTC") }
    }

    func resources(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        if choice.keepsUnknown { return }
        var rest = bytes
        while !rest.isEmpty {
            let head = Array(rest.prefix(7))
            guard head.count == 7, head.starts(with: "8BIM".utf8) else { throw fault("what is no resource of Photoshop's") }
            let id = Int(head[4]) << 8 | Int(head[5])
            guard head[6] == 0, rest.dropFirst(7).first == 0 else { throw fault("the name of a resource of Photoshop's") }
            rest = rest.dropFirst(8)
            let count = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            let content = rest.dropFirst(4).prefix(count)
            guard content.count == count else { throw fault("a resource of Photoshop's that reaches over its end") }
            if id == 0x0404 {
                try iptc(content)
            } else if !choice.keepsResource(id, byteCount: count) {
                throw fault("resource 0x\(String(id, radix: 16)) of Photoshop's")
            }
            rest = rest.dropFirst(4 + (count + 1) / 2 * 2)
        }
    }

    // MARK: Texts

    /// Whether a text may be there by its keyword, as it is.
    func allowsText(_ keyword: String) -> Bool {
        let lowered = keyword.lowercased()
        if choice.keepsEverything { return true }
        if lowered.hasPrefix("raw profile type ") { return choice.keepsUnknown }
        if lowered.hasPrefix("exif:") { return choice.keepsAll(of: .exif) }
        return keyword == "XML:com.adobe.xmp" ? choice.keepsAll(of: .xmp) : choice.keepsText(keyword)
    }

    // MARK: XMP

    func xmp(_ packet: ArraySlice<UInt8>) throws(ImageError) {
        guard choice.keepsAny(of: .xmp) else { throw fault("XMP") }
        var judge = XMPJudge(choice)
        try judge.take(packet)
    }
}
