import ImageCore

/// Blocks of metadata with what of them stays, whatever container they come in; and an account of it.
final class MetadataEditor {
    let choice: MetadataChoice
    let limits: Limits
    var report = StripReport()
    #if DEBUG
        /// For the test of the walker: metadata that goes is let through.
        var plantsFault = false
    #endif

    /// What of EXIF stays: without the orientation, where the pixel stream has a place of its own for it.
    private let exifChoice: MetadataChoice

    init(_ choice: MetadataChoice, limits: Limits, isStream: Bool = false) {
        (self.choice, self.limits) = (choice, limits)
        exifChoice = isStream ? choice.withoutOrientation : choice
    }

    /// EXIF from its TIFF header on; nil where nothing of it stays.
    func exif(_ block: [UInt8]) -> [UInt8]? {
        #if DEBUG
            if plantsFault { return block }
        #endif
        let orientation = Exif.orientation(of: block) ?? 1
        if orientation != 1 && exifChoice == choice && !choice.keeps(.orientation, in: .exif) {
            report.warn("its orientation (\(orientation)) is dropped; it will be shown as it lies in the file")
        }
        switch ExifEditor.edited(block, exifChoice) {
        case .kept(let edited): return edited
        case .nothing: return nil
        case .malformed(let rest):
            report.warn("its EXIF is malformed, and dropped" + (rest == nil ? "" : " but for the orientation"))
            return rest
        }
    }

    /// EXIF as a chunk of its own: some writers put JPEG's signature before the block.
    func exifChunk(_ bytes: [UInt8]) -> [UInt8]? {
        let signature = JPEGSegment.exifSignature
        return exif(bytes.starts(with: signature) ? Array(bytes[signature.count...]) : bytes)
    }

    /// Why what was edited is not to be used: found on the way, to be seen before the end.
    private(set) var failure: ImageError?

    /// An XMP packet, all of it; nil where nothing of it stays.
    func xmp(_ packet: [UInt8]) -> [UInt8]? {
        let result: EditedBlock
        do throws(ImageError) {
            result = try XMPFilter.edited(packet, choice)
        } catch {
            failure = error
            return nil
        }
        switch result {
        case .kept(let edited): return edited
        case .nothing: return nil
        case .malformed:
            report.warn("its XMP is malformed, and dropped")
            return nil
        }
    }

    /// IPTC datasets; nil where none of them stays.
    func iptc(_ block: [UInt8]) -> [UInt8]? {
        switch IPTCBlock.edited(block, choice) {
        case .kept(let edited): return edited
        case .nothing: return nil
        case .malformed:
            report.warn("its IPTC is malformed, and dropped")
            return nil
        }
    }

    /// Photoshop's image resources; nil where none of them stays.
    func resources(_ block: [UInt8]) -> [UInt8]? {
        switch PhotoshopResources.edited(block, choice) {
        case .kept(let edited): return edited
        case .nothing: return nil
        case .malformed:
            report.warn("its Photoshop resources, IPTC among them, are malformed, and dropped")
            return nil
        }
    }

    /// Whether a profile stays. `profile`: nil for one that could not be read.
    func keepsICC(_ profile: [UInt8]?) -> Bool {
        if choice.keeps(.icc) {
            if choice.keepsUnknown || profile.flatMap({ ICCProfile($0) })?.isWhole ?? false { return true }
            report.warn("its ICC profile is malformed, and dropped")
            return false
        }
        if let profile, let icc = ICCProfile(profile), !icc.isSRGB {
            report.warn("its ICC profile (\(icc.description ?? icc.space)) is dropped; colours will change; use imgdecode --color srgb")
        }
        return false
    }

    /// Throws `overLimit` for more bytes of metadata than may be held.
    func check(held byteCount: some BinaryInteger) throws(ImageError) { try limits.check(.metadata, UInt64(byteCount)) }
}
