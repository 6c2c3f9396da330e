import ImageCore

/// The segments of a JPEG up to its first scan, held until all are there: EXIF, XMP and resources may take several.
struct JPEGHead {
    /// A segment as it comes, or as it goes out.
    struct Piece {
        let code: UInt8
        let kind: JPEGSegmentKind?
        /// Behind marker and length; empty where it is known to go.
        let payload: [UInt8]
        /// Its bytes in the file, and what nobody needs before it.
        let fileBytes: Int
    }

    private(set) var pieces: [Piece] = []
    private var heldBytes = 0

    mutating func add(_ piece: Piece, _ limits: Limits) throws(ImageError) {
        heldBytes += piece.payload.count + Int(Limits.metadataRecordBytes)
        try limits.check(.metadata, UInt64(heldBytes))
        pieces.append(piece)
    }

    var hasMPF: Bool { pieces.contains { $0.kind == .mpf } }

    /// For each piece the bytes that go out in its place, none where it goes.
    func edited(_ editor: MetadataEditor) -> [[UInt8]] {
        let choice = editor.choice
        if choice.keepsEverything { return pieces.map { JPEGSegment.bytes($0.code, $0.payload) } }
        // What is put together anew, if it is; not in a dictionary, which costs more than all of this.
        var newExif: [UInt8]?, newXMP: [UInt8]?, newResources: [UInt8]?
        if !choice.keepsAll(of: .exif) { newExif = exif.flatMap(editor.exif).map { Self.segments(0xe1, JPEGSegment.exifSignature, $0) } ?? [] }
        if !choice.keepsAll(of: .xmp) { newXMP = xmp(editor).map { Self.xmpSegments($0) } ?? [] }
        if !choice.keepsUnknown { newResources = resources.flatMap(editor.resources).map { Self.segments(0xed, JPEGSegment.photoshopSignature, $0) } ?? [] }
        let keepsICC = !pieces.contains { $0.kind == .icc } || editor.keepsICC(profile)
        // Of several, decoders take the last.
        let last = [JPEGSegmentKind.jfif, .adobe].compactMap { kind in pieces.lastIndex { $0.kind == kind } }
        return pieces.enumerated().map { i, piece in
            guard let kind = piece.kind else { return JPEGSegment.bytes(piece.code, piece.payload) }
            // It takes the place of the first of its segments.
            func taken(_ block: inout [UInt8]?) -> [UInt8]? {
                defer { if block != nil { block = [] } }
                return block
            }
            let block: [UInt8]? = switch kind {
            case .exif: taken(&newExif)
            case .xmp: taken(&newXMP)
            case .photoshop: taken(&newResources)
            default: nil
            }
            if let block { return block }
            if (kind == .jfif || kind == .adobe) && !last.contains(i) { return [] }
            return keepsICC || kind != .icc ? Self.edited(kind, piece, choice) : []
        }
    }

    /// A segment behind the first scan, where none is looked for.
    static func editedBehindScan(_ kind: JPEGSegmentKind, _ piece: Piece, _ choice: MetadataChoice) -> [UInt8] {
        if choice.keepsEverything { return JPEGSegment.bytes(piece.code, piece.payload) }
        return kind == .jfif || kind == .adobe || (kind == .icc && !choice.keepsUnknown) ? [] : edited(kind, piece, choice)
    }

    /// A segment that is looked at by itself.
    private static func edited(_ kind: JPEGSegmentKind, _ piece: Piece, _ choice: MetadataChoice) -> [UInt8] {
        let stays = switch kind {
        case .jfif, .adobe: true
        case .jfifExtension: choice.keepsNamed(.thumbnail)
        case .exif: choice.keepsAll(of: .exif)
        case .xmp, .extendedXMP: choice.keepsAll(of: .xmp)
        case .icc: choice.keeps(.icc)
        case .mpf, .gainMap: choice.keeps(.mpf)
        case .photoshop: choice.keepsUnknown
        case .c2pa: choice.keepsC2PA
        case .comment: choice.keeps(.comment)
        case .unknown: choice.keepsUnknown
        }
        return switch kind {
        case .jfifExtension where !choice.keepsUnknown: stays ? JFIFExtension.stripped(piece.payload).map { JPEGSegment.bytes(piece.code, $0) } ?? [] : []
        case .jfif: JPEGSegment.jfif(piece.payload, keepsDensity: choice.keepsDensity, keepsThumbnail: choice.keepsNamed(.thumbnail))
        case .adobe: JPEGSegment.bytes(piece.code, Array(piece.payload.prefix(JPEGSegment.adobeBytes)))
        default: stays ? JPEGSegment.bytes(piece.code, piece.payload) : []
        }
    }

    // MARK: What takes several segments

    private func contents(_ kind: JPEGSegmentKind, _ signature: [UInt8]) -> [ArraySlice<UInt8>] {
        pieces.filter { $0.kind == kind }.map { $0.payload[signature.count...] }
    }

    private func joined(_ kind: JPEGSegmentKind, _ signature: [UInt8]) -> [UInt8]? {
        let parts = contents(kind, signature)
        return parts.isEmpty ? nil : Self.joined(parts)
    }

    /// The parts as one block; `joined()` takes byte by byte.
    private static func joined(_ parts: [ArraySlice<UInt8>]) -> [UInt8] { parts.reduce(into: []) { $0 += $1 } }

    /// Photoshop's image resources.
    var resources: [UInt8]? { joined(.photoshop, JPEGSegment.photoshopSignature) }

    /// Some writers go on in a second segment where one is too small; a second block is none.
    var exif: [UInt8]? {
        let parts = contents(.exif, JPEGSegment.exifSignature)
        guard let first = parts.first else { return nil }
        return Self.joined([first] + parts.dropFirst().filter { !$0.starts(with: [0x49, 0x49, 42, 0]) && !$0.starts(with: [0x4d, 0x4d, 0, 42]) })
    }

    /// The profile, of parts that come as they are numbered, 1 to their count: ICC.1:2022, annex B.4. Nil for others.
    var profile: [UInt8]? {
        let parts = contents(.icc, JPEGSegment.iccSignature)
        // A reader of parts wants the head of the profile in the first.
        guard parts.count < 256, parts.first.map({ $0.count >= 42 }) ?? false else { return nil }
        let isWhole = parts.enumerated().allSatisfy { i, part in part.starts(with: [UInt8(truncatingIfNeeded: i + 1), UInt8(truncatingIfNeeded: parts.count)]) }
        return isWhole ? Self.joined(parts.map { $0.dropFirst(2) }) : nil
    }

    /// What stays of XMP. A part of it in further segments that cannot be joined to it goes.
    private func xmp(_ editor: MetadataEditor) -> [UInt8]? {
        guard editor.choice.keepsAny(of: .xmp), let whole = wholeXMP else { return xmpPacket.flatMap(editor.xmp) }
        if !whole.isJoined { editor.report.warn("extended XMP is not whole, or not of a known shape; it is dropped") }
        return editor.xmp(whole.packet)
    }

    private var xmpPacket: [UInt8]? { contents(.xmp, JPEGSegment.xmpSignature).first.map(Array.init) }

    /// The packet, with what extends it where that could be joined to it; nil where there is none.
    var wholeXMP: (packet: [UInt8], isJoined: Bool)? {
        guard let packet = xmpPacket else { return nil }
        guard let digest = ExtendedXMP.digest(in: packet) else { return (packet, true) }
        let parts = contents(.extendedXMP, JPEGSegment.extendedXMPSignature).filter { $0.count > Self.partHeadBytes && $0.starts(with: digest) }
        var whole: [UInt8] = []
        let ordered = parts.map { ($0.dropFirst(36).prefix(4).reduce(0) { $0 << 8 | Int($1) }, $0.dropFirst(Self.partHeadBytes)) }
        for (offset, part) in ordered.sorted(by: { $0.0 < $1.0 }) where offset == whole.count { whole += part }
        guard let joined = ExtendedXMP.joined(packet, whole) else { return (ExtendedXMP.withoutNote(packet), false) }
        return (joined, true)
    }

    /// Digest, length of the whole, offset of the part: XMP specification part 3, table 3.
    private static let partHeadBytes = ExtendedXMP.digestCount + 8

    private static func segments(_ code: UInt8, _ signature: [UInt8], _ content: [UInt8]) -> [UInt8] {
        let most = JPEGSegment.maximumBytes - signature.count
        return stride(from: 0, to: content.count, by: most).flatMap { at in
            JPEGSegment.bytes(code, signature + content[at..<min(at + most, content.count)])
        }
    }

    private static func xmpSegments(_ packet: [UInt8]) -> [UInt8] {
        if packet.count <= JPEGSegment.maximumBytes - JPEGSegment.xmpSignature.count { return JPEGSegment.bytes(0xe1, JPEGSegment.xmpSignature + packet) }
        return ExtendedXMP.segments(packet).flatMap { JPEGSegment.bytes(0xe1, $0) }
    }
}
