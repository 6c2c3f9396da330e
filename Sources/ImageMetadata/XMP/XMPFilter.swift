import ImageCore
import Synchronization

/// XMP with only the properties that stay, written anew: XMP specification part 1, 7.
enum XMPFilter {
    /// `packet`: all of it, extended XMP included.
    static func edited(_ packet: [UInt8], _ choice: MetadataChoice) throws(ImageError) -> EditedBlock {
        if choice.keepsAll(of: .xmp) { return .kept(packet) }
        guard choice.keepsAny(of: .xmp) else { return .nothing }
        // Some writers put zeros behind.
        guard let descriptions = try XMPTree.descriptions(in: Array(packet[...(packet.lastIndex { $0 != 0 } ?? -1)])) else { return .malformed }
        var kept: [XMLElement] = []
        for description in descriptions {
            let attributes = description.attributes.filter { attribute in
                attribute.name.namespace != XMPTree.rdf && attribute.name.namespace != xml && choice.keepsProperty(attribute.name)
            }
            let elements = description.elements.filter { choice.keepsProperty($0.name) }.map { cleaned($0, choice) }
            guard !attributes.isEmpty || !elements.isEmpty else { continue }
            kept.append(XMLElement(name: description.name, attributes: attributes, children: elements.map { .element($0) }))
        }
        if kept.isEmpty { return .nothing }
        return .kept(XMPWriter.packet(kept, keepsPrefixes: choice.keeps(.xmp)))
    }

    static let xml = "http://www.w3.org/XML/1998/namespace"

    /// An element without what in it goes, however deep: a place in a list of places has its position.
    private static func cleaned(_ element: XMLElement, _ choice: MetadataChoice) -> XMLElement {
        var result = element
        result.attributes.removeAll { !choice.keepsInside($0.name) || ($0.value.hasPrefix("geo:") && choice.dropped.contains(.gps)) }
        result.children = element.children.compactMap { node in
            switch node {
            case .element(let inner): choice.keepsInside(inner.name) ? .element(cleaned(inner, choice)) : nil
            // RFC 5870.
            case .text(let text): text.trimmed.hasPrefix("geo:") && choice.dropped.contains(.gps) ? nil : node
            }
        }
        return result
    }
}

/// What a property of XMP is about, by its name.
struct XMPSubject: Equatable, Sendable {
    /// Nil where it is nothing that has a name here.
    let group: MetadataGroup?
    /// All that it is about.
    let subjects: MetadataGroups
    /// A file of its own in base 64, with metadata that nobody has stripped.
    let isEmbedded: Bool

    private struct Name: Hashable {
        let namespace: String
        let local: String
    }

    /// Those of names that were met: pictures have the same few, many times.
    private static let cache = Mutex<[Name: XMPSubject]>([:])
    private static let mostCached = 4096

    static func known(_ namespace: String, _ local: String) -> XMPSubject {
        let name = Name(namespace: namespace, local: local)
        if let subject = cache.withLock({ $0[name] }) { return subject }
        let subject = XMPSubject(namespace: namespace, local: local)
        cache.withLock { cache in
            if cache.count >= mostCached { cache = [:] }
            cache[name] = subject
        }
        return subject
    }

    init(namespace: String, local: String) {
        // Its own names say how values are held.
        if namespace == XMPTree.rdf {
            (group, subjects, isEmbedded) = (nil, [], false)
            return
        }
        isEmbedded = Self.embeddedSchemas.contains(namespace) || (namespace == "http://ns.adobe.com/xap/1.0/" && local == "Thumbnails")
        let words = Self.words(local)
        var subjects: MetadataGroups = []
        if Self.isPosition(namespace, local.lowercased(), words) { subjects.insert(.gps) }
        if Self.isTime(words) { subjects.insert(.time) }
        group = Self.group(namespace, local) ?? (subjects.contains(.gps) ? .gps : subjects.contains(.time) ? .time : nil)
        if let group { subjects.insert(group) }
        self.subjects = subjects
    }

    private static func group(_ namespace: String, _ local: String) -> MetadataGroup? {
        switch (namespace, local) {
        case ("http://purl.org/dc/elements/1.1/", "rights"), ("http://purl.org/dc/elements/1.1/", "creator"): .copyright
        case ("http://ns.adobe.com/xap/1.0/rights/", _): .copyright
        case ("http://ns.adobe.com/tiff/1.0/", "Orientation"): .orientation
        case ("http://ns.adobe.com/tiff/1.0/", "XResolution"), ("http://ns.adobe.com/tiff/1.0/", "YResolution"),
            ("http://ns.adobe.com/tiff/1.0/", "ResolutionUnit"): .resolution
        case ("http://ns.adobe.com/exif/1.0/", "MakerNote"): .makernote
        case ("http://purl.org/dc/terms/", "provenance"): .c2pa
        case ("http://ns.adobe.com/hdr-gain-map/1.0/", _), ("http://ns.google.com/photos/1.0/container/", _), ("http://ns.google.com/photos/1.0/container/item/", _):
            .mpf
        case ("http://ns.google.com/photos/1.0/camera/", let local) where local.hasPrefix("MotionPhoto") || local.hasPrefix("MicroVideo"): .mpf
        default: nil
        }
    }

    private static let embeddedSchemas = [
        "http://ns.adobe.com/xap/1.0/g/img/", "http://ns.google.com/photos/1.0/image/", "http://ns.google.com/photos/1.0/audio/",
        "http://ns.google.com/photos/1.0/depthmap/",
    ]

    /// Schemas of nothing but positions: WGS 84 in RDF, GeoRSS, GML, KML.
    private static let positionSchemas = [
        "http://www.w3.org/2003/01/geo/", "http://www.georss.org/georss", "http://www.opengis.net/gml", "http://www.opengis.net/kml",
    ]

    /// By the name alone, for the namespaces are many: drones, phones and panoramas have their own.
    private static func isPosition(_ namespace: String, _ lowered: String, _ words: [String]) -> Bool {
        if positionSchemas.contains(where: namespace.hasPrefix) || lowered.hasPrefix("geo") || lowered == "position" || lowered == "coverage" { return true }
        if ["gps", "latitude", "lattitude", "longitude", "longtitude", "altitude", "coordinate", "geotag", "geoloc"].contains(where: lowered.contains) { return true }
        return words.last == "alt" || lowered == "what3words" || words.contains { ["lat", "lon", "long", "lng", "latlong", "latlon", "latlng", "wkt"].contains($0) }
    }

    private static func isTime(_ words: [String]) -> Bool {
        // A duration.
        if words == ["exposure", "time"] { return false }
        // IPTC's LocationCreated is a place.
        if words == ["created"] || words == ["modified"] { return true }
        return words.contains { word in
            word == "when" || word.hasPrefix("date") || word.hasSuffix("date") || word.hasPrefix("timestamp") || word == "time"
                || word == "timezone"
        }
    }

    /// The words of a name that joins them with capitals, or with what is no letter; in small letters.
    private static func words(_ name: String) -> [String] {
        var words: [[UInt8]] = [[]]
        var before: UInt8 = 0
        for byte in name.utf8 {
            let isCapital = (0x41...0x5a).contains(byte), isLetter = (0x61...0x7a).contains(byte | 0x20) || byte >= 0x80
            if !isLetter || (isCapital && !(0x41...0x5a).contains(before)) { words.append([]) }
            // The last of several capitals begins the next word: "GPSTime".
            if !isCapital && isLetter && (0x41...0x5a).contains(before), let last = words.last, last.count > 1 {
                words[words.count - 1].removeLast()
                words.append([before | 0x20])
            }
            if isLetter { words[words.count - 1].append(isCapital ? byte | 0x20 : byte) }
            before = byte
        }
        return words.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
    }
}

extension MetadataChoice {
    /// Whether a property of the picture stays.
    func keepsProperty(_ name: XMLName) -> Bool {
        // What is of another container goes with that.
        if name.namespace == "http://ns.adobe.com/xmp/note/" { return false }
        let subject = name.subject
        guard keepsSubjects(subject.subjects), !subject.isEmbedded || keepsUnknown else { return false }
        guard let group = subject.group else { return keeps(.xmp) }
        return group == .makernote ? keeps(.makernote, in: .xmp) && !dropped.contains(.gps) : keeps(group, in: .xmp)
    }

    /// Whether what is inside of a property that stays may stay: all but what is dropped by its name, and where it stays for its subject, what
    /// is about another.
    func keepsInside(_ name: XMLName) -> Bool {
        let subjects = name.subject.subjects
        return keepsSubjects(subjects) && (keeps(.xmp) || subjects.subtracting(kept).isEmpty) && (!name.subject.isEmbedded || keepsUnknown)
    }
}
