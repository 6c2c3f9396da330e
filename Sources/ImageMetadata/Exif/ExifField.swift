import ImageCore

/// Directories of EXIF: CIPA DC-008 (EXIF 2.32), 4.5 and 4.6.
package enum ExifDirectory: CaseIterable, Sendable {
    case primary, exif, gps, interoperability, thumbnail

    /// Its place in a list of all.
    var index: Int {
        switch self {
        case .primary: 0
        case .exif: 1
        case .gps: 2
        case .interoperability: 3
        case .thumbnail: 4
        }
    }

    /// The directory that a field of this one leads to.
    func next(tag: Int) -> ExifDirectory? {
        switch (self, tag) {
        case (.primary, 0x8769): .exif
        case (.primary, 0x8825): .gps
        case (.exif, 0xa005): .interoperability
        default: nil
        }
    }
}

package enum ExifTag {
    static let xmp = 0x02bc
    static let makerNote = 0x927c
    static let thumbnailOffset = 0x0201
    static let thumbnailByteCount = 0x0202
    package static let orientation = 0x0112
    static let copyright = 0x8298
    static let artist = 0x013b
}

extension MetadataGroup {
    /// What a field of EXIF is about; `exif` where it is nothing that has a name here. Nil for what carries another container or belongs to
    /// nobody's list, and so stays only where all does.
    static func group(tag: Int, in directory: ExifDirectory) -> MetadataGroup? {
        switch directory {
        case .gps: return .gps
        case .thumbnail: return .thumbnail
        case .primary, .exif, .interoperability: break
        }
        switch tag {
        case ExifTag.makerNote: return .makernote
        case ExifTag.orientation: return directory == .primary ? .orientation : .exif
        case ExifTag.artist, ExifTag.copyright: return .copyright
        // XResolution, YResolution, ResolutionUnit.
        case 0x011a, 0x011b, 0x0128: return .resolution
        // DateTime, DateTimeOriginal and -Digitized, OffsetTime..., SubSecTime..., TimeZoneOffset.
        case 0x0132, 0x9003, 0x9004, 0x9010...0x9012, 0x9290...0x9292, 0x882a: return .time
        // GeoTIFF.
        case 0x830e, 0x8482, 0x85d8, 0x87af...0x87b1: return .gps
        // XMP, IPTC, Photoshop's resources, ICC; PrintIM, Microsoft's padding and offsets, DNG's private data: containers of their own.
        case ExifTag.xmp, 0x83bb, 0x8649, 0x8773, 0xc4a5, 0xea1c, 0xea1d, 0xc634, 0x014a: return nil
        default: return .exif
        }
    }
}

extension MetadataChoice {
    /// Whether a field of EXIF stays.
    func keepsField(tag: Int, in directory: ExifDirectory) -> Bool {
        if directory == .primary && tag == ExifTag.makerNote { return false }
        // GPSTimeStamp and GPSDateStamp are of the time too.
        if directory == .gps && (tag == 0x07 || tag == 0x1d) && !keepsSubjects([.time]) { return false }
        guard let group = MetadataGroup.group(tag: tag, in: directory) else { return keepsUnknown }
        return group == .makernote ? keepsMakerNote : keeps(group, in: .exif)
    }
}
