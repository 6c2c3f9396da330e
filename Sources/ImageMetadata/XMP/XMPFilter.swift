/// XMP with only the properties that stay, written anew: XMP specification part 1, 7.
enum XMPFilter {
    enum Result: Equatable {
        case kept([UInt8])
        /// Nothing in it stays.
        case nothing
        /// No XML, or no XMP.
        case malformed
    }

    /// `packet`: all of it, extended XMP included.
    static func edited(_ packet: [UInt8], _ choice: MetadataChoice) -> Result {
        if choice.keepsAll(of: .xmp) { return .kept(packet) }
        guard choice.keepsAny(of: .xmp) else { return .nothing }
        // Some writers put zeros behind.
        guard let descriptions = XMPTree.descriptions(in: Array(packet[...(packet.lastIndex { $0 != 0 } ?? -1)])) else { return .malformed }
        var kept: [XMLElement] = []
        for description in descriptions {
            let attributes = description.attributes.filter { attribute in
                attribute.name.namespace != XMPTree.rdf && attribute.name.namespace != xml && choice.keepsProperty(attribute.name)
            }
            let elements = description.elements.filter { choice.keepsProperty($0.name) }.map { cleaned($0, choice, inSpecific: false) }
            guard !attributes.isEmpty || !elements.isEmpty else { continue }
            kept.append(XMLElement(name: description.name, attributes: attributes, children: elements.map { .element($0) }))
        }
        if kept.isEmpty { return .nothing }
        return .kept(XMPWriter.packet(kept))
    }

    static let xml = "http://www.w3.org/XML/1998/namespace"

    /// An element without what in it goes, however deep: a place in a list of places has its position.
    private static func cleaned(_ element: XMLElement, _ choice: MetadataChoice, inSpecific: Bool) -> XMLElement {
        if inSpecific || choice.keepsWhole(element.name) { return element }
        var result = element
        result.attributes.removeAll { !choice.keepsInside($0.name) }
        result.children = element.children.compactMap { node in
            guard case .element(let inner) = node else { return node }
            return choice.keepsInside(inner.name) ? .element(cleaned(inner, choice, inSpecific: false)) : nil
        }
        return result
    }
}

extension MetadataGroup {
    /// What a property is about; nil where it is nothing that has a name here.
    static func group(property name: XMLName) -> MetadataGroup? {
        if positionSchemas.contains(where: name.namespace.hasPrefix) { return .gps }
        switch (name.namespace, name.local) {
        case ("http://purl.org/dc/elements/1.1/", "rights"), ("http://purl.org/dc/elements/1.1/", "creator"): return .copyright
        case ("http://ns.adobe.com/xap/1.0/rights/", _): return .copyright
        case ("http://ns.adobe.com/tiff/1.0/", "Orientation"): return .orientation
        case ("http://ns.adobe.com/tiff/1.0/", "XResolution"), ("http://ns.adobe.com/tiff/1.0/", "YResolution"),
            ("http://ns.adobe.com/tiff/1.0/", "ResolutionUnit"): return .resolution
        case ("http://ns.adobe.com/exif/1.0/", "MakerNote"): return .makernote
        case ("http://ns.adobe.com/xap/1.0/", "Thumbnails"): return .thumbnail
        case ("http://purl.org/dc/terms/", "provenance"): return .c2pa
        case ("http://ns.adobe.com/hdr-gain-map/1.0/", _), ("http://ns.google.com/photos/1.0/container/", _), ("http://ns.google.com/photos/1.0/container/item/", _):
            return .mpf
        case ("http://ns.google.com/photos/1.0/camera/", let local) where local.hasPrefix("MotionPhoto") || local.hasPrefix("MicroVideo"): return .mpf
        default: return group(local: name.local)
        }
    }

    /// By the name alone, for the namespaces are many: drones, phones and panoramas have their own.
    private static func group(local: String) -> MetadataGroup? {
        let lowered = local.lowercased()
        if ["gps", "geo"].contains(where: lowered.hasPrefix) || positions.contains(lowered) || positionParts.contains(where: lowered.contains) { return .gps }
        if local.contains("Date") || local == "when" || lowered.contains("timestamp") { return .time }
        return nil
    }

    private static let positions: Set = ["lat", "lon", "long", "lng", "latlong", "latlon"]
    private static let positionParts = ["gps", "latitude", "longitude", "longtitude", "altitude", "coordinate", "geotag", "geoloc"]

    /// Schemas of nothing but positions: WGS 84 in RDF, GeoRSS, GML, KML.
    private static let positionSchemas = [
        "http://www.w3.org/2003/01/geo/", "http://www.georss.org/georss", "http://www.opengis.net/gml", "http://www.opengis.net/kml",
    ]
}

extension MetadataChoice {
    /// Whether a property of the picture stays.
    func keepsProperty(_ name: XMLName) -> Bool {
        // A maker's note, and what is of another container, goes with that.
        if name.namespace == "http://ns.adobe.com/xmp/note/" { return false }
        guard let group = MetadataGroup.group(property: name) else { return keeps(.xmp) }
        return group == .makernote ? keeps(.makernote, in: .xmp) && !dropped.contains(.gps) : keeps(group, in: .xmp)
    }

    /// Whether a property stays with all that is in it, because it is what is to be kept.
    func keepsWhole(_ name: XMLName) -> Bool { MetadataGroup.group(property: name).map(kept.contains) ?? false }

    /// Whether what is inside of a property that stays may stay: all but what is dropped by its name.
    func keepsInside(_ name: XMLName) -> Bool {
        guard let group = MetadataGroup.group(property: name) else { return true }
        return !dropped.contains(group) || kept.contains(group)
    }
}
