import ImageCore

extension JPEGHead {
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

    /// What stays of XMP. A part of it in further segments that cannot be joined to it goes.
    private func xmp(_ editor: MetadataEditor) -> [UInt8]? {
        guard editor.choice.keepsAny(of: .xmp), let whole = wholeXMP else { return xmpPacket.flatMap(editor.xmp) }
        if !whole.isJoined { editor.report.warn("extended XMP is not whole, or not of a known shape; it is dropped") }
        return editor.xmp(whole.packet)
    }

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
