import ImageCore

/// What metadata is about, or the container that it is in: the words of imgstrip's `--keep` and `--drop`.
public enum MetadataGroup: String, CaseIterable, Sendable {
    // Containers.
    case exif, xmp, iptc, icc, comment, c2pa, mpf
    // What a field is about, in whichever container.
    case gps, thumbnail, makernote, copyright, orientation, resolution, time
    case all

    /// What fields are about.
    static let subjects: Set<MetadataGroup> = [.gps, .thumbnail, .makernote, .copyright, .orientation, .resolution, .time]
}

/// What stays and what goes.
///
/// The most specific word that is said about a field decides: what the field is about (gps), else the container that it is in (exif),
/// else all. Where nothing is said, the ICC profile and the orientation stay.
public struct MetadataChoice: Equatable, Sendable {
    public private(set) var kept: Set<MetadataGroup>
    public private(set) var dropped: Set<MetadataGroup>

    /// Throws `usage` for what is in both.
    public init(keeping kept: Set<MetadataGroup> = [], dropping dropped: Set<MetadataGroup> = []) throws(ImageError) {
        if let both = MetadataGroup.allCases.first(where: { kept.contains($0) && dropped.contains($0) }) {
            throw .usage("\(both.rawValue) is in --keep and in --drop")
        }
        (self.kept, self.dropped) = (kept, dropped)
    }

    /// What is said of a field by the words that fit it, the most specific one first; nil where nothing is.
    private func isSaid(_ groups: [MetadataGroup]) -> Bool? {
        for group in groups + [.all] {
            if dropped.contains(group) { return false }
            if kept.contains(group) { return true }
        }
        return nil
    }

    /// Whether a field about `group` in `container` stays. The same twice is the container itself, as far as nothing more is known of what
    /// is in it.
    func keeps(_ group: MetadataGroup, in container: MetadataGroup) -> Bool {
        isSaid([group, container]) ?? (container == .icc || (group == .orientation && container == .exif))
    }

    func keeps(_ container: MetadataGroup) -> Bool { keeps(container, in: container) }

    /// Whether what is in no container stays, or in one that no word is for.
    func keepsNamed(_ group: MetadataGroup) -> Bool { isSaid([group]) ?? false }

    /// Whether anything of a container may stay.
    func keepsAny(of container: MetadataGroup) -> Bool {
        keeps(container) || MetadataGroup.subjects.contains { keeps($0, in: container) }
    }

    /// Whether all of a container stays, so that nobody has to look into it.
    func keepsAll(of container: MetadataGroup) -> Bool {
        // EXIF has a place for XMP, IPTC and a profile; XMP speaks of C2PA and of further pictures.
        let inside: Set<MetadataGroup> = container == .exif ? [.xmp, .iptc, .icc] : container == .xmp ? [.c2pa, .mpf] : []
        return keeps(container) && dropped.isDisjoint(with: MetadataGroup.subjects.union(inside))
    }

    /// A MakerNote is nobody's but its camera's: it may hold a position, so who drops positions drops it.
    var keepsMakerNote: Bool { keeps(.makernote, in: .exif) && !dropped.contains(.gps) }

    /// What belongs to no group may hold anything: it stays with all, unless something goes that it may be a copy of.
    var keepsUnknown: Bool { kept.contains(.all) && dropped.isSubset(of: [.icc, .orientation, .resolution, .c2pa, .mpf]) }

    /// Pictures behind the picture, and videos, of which nobody here knows what they tell.
    var keepsTrailingData: Bool { keeps(.mpf) && !dropped.contains(.gps) }

    /// The density of samples outside of EXIF, in JFIF or pHYs: it says how a picture is shown, so it stays unless told otherwise.
    var keepsDensity: Bool { isSaid([.resolution]) ?? true }

    /// The same, where an orientation in EXIF that stays only by itself is said elsewhere.
    var withoutOrientation: MetadataChoice {
        if keeps(.exif) { return self }
        var choice = self
        choice.kept.remove(.orientation)
        choice.dropped.insert(.orientation)
        return choice
    }

    /// Whether nothing goes at all.
    public var keepsEverything: Bool { kept.contains(.all) && dropped.isEmpty }

    /// The words of `--drop` that change nothing, because what they name goes anyway.
    public var wordsWithoutEffect: [MetadataGroup] {
        guard kept.isEmpty, !dropped.contains(.all) else { return [] }
        return dropped.subtracting([.icc, .orientation, .exif, .resolution]).sorted { $0.rawValue < $1.rawValue }
    }
}
