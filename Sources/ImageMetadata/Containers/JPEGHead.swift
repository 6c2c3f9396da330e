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

    var xmpPacket: [UInt8]? { contents(.xmp, JPEGSegment.xmpSignature).first.map(Array.init) }

    /// The packet, with what extends it where that could be joined to it; nil where there is none.
    var wholeXMP: (packet: [UInt8], isJoined: Bool)? {
        xmpPacket.map { ExtendedXMP.whole($0, parts: contents(.extendedXMP, JPEGSegment.extendedXMPSignature)) }
    }
}
