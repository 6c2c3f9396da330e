import ImageCore

/// What metadata is about, or the container that it is in: the words of imgstrip's `--keep` and `--drop`.
public enum MetadataGroup: UInt8, CaseIterable, Sendable {
    // Containers.
    case exif, xmp, iptc, icc, comment, c2pa, mpf
    // What a field is about, in whichever container.
    case gps, thumbnail, makernote, copyright, orientation, resolution, time
    case all

    /// Of all cases, in their order.
    public static let words = [
        "exif", "xmp", "iptc", "icc", "comment", "c2pa", "mpf", "gps", "thumbnail", "makernote", "copyright", "orientation", "resolution", "time", "all",
    ]

    public var word: String { Self.words[Int(rawValue)] }

    public init?(word: String) {
        guard let i = Self.words.firstIndex(of: word) else { return nil }
        self.init(rawValue: UInt8(i))
    }
}

/// A set of groups, as bits: a hashed set would take a fifth of the time of a short run, to find out how to hash.
public struct MetadataGroups: Equatable, Sendable, ExpressibleByArrayLiteral {
    private var bits: UInt16 = 0

    public init(arrayLiteral groups: MetadataGroup...) { for group in groups { insert(group) } }

    /// What fields are about.
    static let subjects: MetadataGroups = [.gps, .thumbnail, .makernote, .copyright, .orientation, .resolution, .time]

    public func contains(_ group: MetadataGroup) -> Bool { bits >> group.rawValue & 1 == 1 }
    public mutating func insert(_ group: MetadataGroup) { bits |= 1 << group.rawValue }
    public mutating func remove(_ group: MetadataGroup) { bits &= ~(1 << group.rawValue) }
    func union(_ other: MetadataGroups) -> MetadataGroups { MetadataGroups(bits: bits | other.bits) }
    func intersection(_ other: MetadataGroups) -> MetadataGroups { MetadataGroups(bits: bits & other.bits) }
    func subtracting(_ other: MetadataGroups) -> MetadataGroups { MetadataGroups(bits: bits & ~other.bits) }
    public var isEmpty: Bool { bits == 0 }
    public var groups: [MetadataGroup] { MetadataGroup.allCases.filter(contains) }

    private init(bits: UInt16) { self.bits = bits }

    /// `lists`: words with commas between, of the option `option`. Throws `usage` for what is none.
    public init(words lists: [String], of option: String) throws(ImageError) {
        bits = 0
        for word in lists.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            guard let group = MetadataGroup(word: String(word)) else {
                let words = MetadataGroup.allCases.map(\.word).joined(separator: ", ")
                throw .usage("--\(option) \(word) is none of \(words)")
            }
            insert(group)
        }
    }
}

/// What stays and what goes.
///
/// The most specific word that is said about a field decides: what the field is about (gps), else the container that it is in (exif),
/// else all. Where nothing is said, the ICC profile and the orientation stay.
public struct MetadataChoice: Equatable, Sendable {
    public private(set) var kept: MetadataGroups
    public private(set) var dropped: MetadataGroups

    /// Throws `usage` for what is in both.
    public init(keeping kept: MetadataGroups = [], dropping dropped: MetadataGroups = []) throws(ImageError) {
        if let both = kept.intersection(dropped).groups.first {
            throw .usage("\(both.word) is in --keep and in --drop")
        }
        (self.kept, self.dropped) = (kept, dropped)
    }

    /// `kept`, `dropped`: words, with commas between. Throws `usage` for what is none.
    public init(keeping kept: [String], dropping dropped: [String]) throws(ImageError) {
        try self.init(keeping: MetadataGroups(words: kept, of: "keep"), dropping: MetadataGroups(words: dropped, of: "drop"))
    }

    /// What is said by a word; nil where nothing is.
    private func isSaid(_ group: MetadataGroup) -> Bool? { dropped.contains(group) ? false : kept.contains(group) ? true : nil }

    /// Whether a field about `group` in `container` stays. The same twice is the container itself, as far as nothing more is known of what
    /// is in it.
    func keeps(_ group: MetadataGroup, in container: MetadataGroup) -> Bool {
        isSaid(group) ?? isSaid(container) ?? isSaid(.all) ?? (container == .icc || (group == .orientation && container == .exif))
    }

    func keeps(_ container: MetadataGroup) -> Bool { keeps(container, in: container) }

    /// Whether what is in no container stays, or in one that no word is for.
    func keepsNamed(_ group: MetadataGroup) -> Bool { isSaid(group) ?? isSaid(.all) ?? false }

    /// Whether anything of a container may stay.
    func keepsAny(of container: MetadataGroup) -> Bool {
        keeps(container) || !kept.intersection(.subjects).isEmpty || (container == .exif && keeps(.orientation, in: .exif))
    }

    /// Whether all of a container stays, so that nobody has to look into it.
    func keepsAll(of container: MetadataGroup) -> Bool {
        // EXIF has a place for XMP, IPTC and a profile; XMP speaks of C2PA and of further pictures.
        let inside: MetadataGroups = container == .exif ? [.xmp, .iptc, .icc] : container == .xmp ? [.c2pa, .mpf] : []
        return keeps(container) && dropped.intersection(MetadataGroups.subjects.union(inside)).isEmpty
    }

    /// A MakerNote is nobody's but its camera's: it may hold a position, so who drops positions drops it; and names and times, so that it
    /// stays with these dropped only where it is to stay by its own name.
    var keepsMakerNote: Bool {
        keeps(.makernote, in: .exif) && !dropped.contains(.gps) && (kept.contains(.makernote) || keepsSubjects([.time, .copyright, .thumbnail]))
    }

    /// What belongs to no group may hold anything: it stays with all, unless something goes that it may be a copy of.
    var keepsUnknown: Bool { kept.contains(.all) && dropped.subtracting([.icc, .orientation, .resolution, .c2pa, .mpf]).isEmpty }

    /// A manifest is signed and stays as it is or goes; it may hold a position.
    var keepsC2PA: Bool { kept.contains(.c2pa) || (keepsNamed(.c2pa) && !dropped.contains(.gps)) }

    /// Whether a field about several things may stay: it goes with any of them that is to go, unless that is said to stay.
    func keepsSubjects(_ subjects: MetadataGroups) -> Bool { dropped.intersection(subjects).isEmpty }

    /// Pictures behind the picture, and videos, of which nobody here knows what they tell.
    var keepsTrailingData: Bool { keeps(.mpf) && !dropped.contains(.gps) }

    /// The density of samples outside of EXIF, in JFIF or pHYs: it says how a picture is shown, so it stays unless told otherwise.
    var keepsDensity: Bool { isSaid(.resolution) ?? isSaid(.all) ?? true }

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
        return dropped.subtracting([.icc, .orientation, .exif, .resolution]).groups
    }
}

extension MetadataChoice {
    /// Whether a text of the pixel stream stays: one that carries another container only where all of that does.
    func keepsTextRecord(_ keyword: String) -> Bool {
        switch PNGText.container(keyword) {
        case nil: keepsText(keyword)
        case .icc?, .iptc?, .all?: keepsUnknown
        case let container?: keepsAll(of: container)
        }
    }

    /// Whether a text that carries no other container stays: PNG specification, 3rd edition, 11.3.3.1.
    func keepsText(_ keyword: String) -> Bool {
        let lowered = keyword.lowercased()
        // ImageMagick's date:create among them.
        if lowered.contains("time") || lowered.contains("date") { return keeps(.time, in: .comment) }
        if lowered == "copyright" || lowered == "author" { return keeps(.copyright, in: .comment) }
        if ["gps", "geo:", "latitude", "longitude"].contains(where: lowered.contains) { return keeps(.gps, in: .comment) }
        return keeps(.comment)
    }
}
