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
        case (.primary, ExifTag.exifDirectory): .exif
        case (.primary, ExifTag.gpsDirectory): .gps
        case (.exif, ExifTag.interoperabilityDirectory): .interoperability
        default: nil
        }
    }
}

extension ExifTag {
    /// Containers of their own, and what only their writers know: XMP, IPTC, Photoshop's resources, ICC; PrintIM, Microsoft's padding and offsets,
    /// DNG's private data, further directories. No set, which would have to find out how to hash.
    static func isContainer(_ tag: Int) -> Bool {
        switch tag {
        case xmp, 0x83bb, 0x8649, 0x8773, 0xc4a5, 0xea1c, 0xea1d, 0xc634, subDirectories: true
        default: false
        }
    }
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
        default: return ExifTag.isContainer(tag) ? nil : .exif
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
