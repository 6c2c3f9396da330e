import ImageCore

/// The properties of XMP that people ask for: XMP specification parts 1 and 2, IPTC Photo Metadata Standard.
package enum XMPListing {
    /// A property's values: one, or those of a list. Of a text in several languages the default one.
    package struct Property: Equatable, Sendable {
        /// With the usual prefix: "dc:title".
        package let name: String
        package let values: [String]
    }

    private static let schemas = [
        "http://purl.org/dc/elements/1.1/": "dc", "http://ns.adobe.com/xap/1.0/": "xmp", "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
        "http://ns.adobe.com/photoshop/1.0/": "photoshop", "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
        "http://iptc.org/std/Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt", "http://ns.adobe.com/lightroom/1.0/": "lr",
        "http://ns.useplus.org/ldf/xmp/1.0/": "plus", "http://creativecommons.org/ns#": "cc",
    ]

    /// What of these schemas a packet says, without structures and what is long; empty for what is no XMP.
    package static func properties(in packet: [UInt8]) throws(ImageError) -> [Property] {
        var properties: [Property] = []
        guard let descriptions = try XMPTree.descriptions(in: trimmed(packet)) else { return [] }
        for description in descriptions {
            for attribute in description.attributes { add(attribute.name, [attribute.value], to: &properties) }
            for element in description.elements { add(element.name, values(of: element), to: &properties) }
        }
        return properties
    }

    private static let exif = "http://ns.adobe.com/exif/1.0/"

    /// Where the picture was taken; nil where the packet does not say it.
    package static func position(in packet: [UInt8]) throws(ImageError) -> GPSPosition? {
        var texts: [String: String] = [:]
        for description in try XMPTree.descriptions(in: trimmed(packet)) ?? [] {
            for attribute in description.attributes where attribute.name.namespace == exif { texts[attribute.name.local] = attribute.value }
            for element in description.elements where element.name.namespace == exif { texts[element.name.local] = element.text.trimmed }
        }
        guard let latitude = texts["GPSLatitude"].flatMap({ degrees($0, "N", "S", most: 90) }),
            let longitude = texts["GPSLongitude"].flatMap({ degrees($0, "E", "W", most: 180) })
        else { return nil }
        let altitude = texts["GPSAltitude"].flatMap(fraction).map { texts["GPSAltitudeRef"] == "1" ? -$0 : $0 }
        return GPSPosition(latitude: latitude, longitude: longitude, altitude: altitude)
    }

    /// Of "48,6,30N" or "48,6.5N" (XMP specification part 2, GPSCoordinate).
    private static func degrees(_ text: String, _ positive: Character, _ negative: Character, most: Double) -> Double? {
        guard let letter = text.last, letter == positive || letter == negative else { return nil }
        let parts = text.dropLast().split(separator: ",", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
        guard (2...3).contains(parts.count) else { return nil }
        let value = parts[0] + parts[1] / 60 + (parts.count == 3 ? parts[2] / 3600 : 0)
        guard parts.allSatisfy({ $0 >= 0 }), value <= most else { return nil }
        return letter == negative ? -value : value
    }

    /// Of "4302/10", or a number.
    private static func fraction(_ text: String) -> Double? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Double($0) ?? .nan }
        let value = parts.count == 2 ? parts[0] / parts[1] : parts.count == 1 ? parts[0] : .nan
        return value.isFinite ? value : nil
    }

    private static func trimmed(_ packet: [UInt8]) -> [UInt8] { Array(packet[...(packet.lastIndex { $0 != 0 } ?? -1)]) }

    private static let longestBytes = 4096

    private static func add(_ name: XMLName, _ values: [String], to properties: inout [Property]) {
        let values = values.filter { !$0.isEmpty && $0.utf8.count <= longestBytes }
        guard let prefix = schemas[name.namespace], !values.isEmpty else { return }
        properties.append(Property(name: "\(prefix):\(name.local)", values: values))
    }

    private static func values(of element: XMLElement) -> [String] {
        guard let list = element.elements.first else { return [element.text.trimmed] }
        guard list.name.namespace == XMPTree.rdf, ["Bag", "Seq", "Alt"].contains(list.name.local) else { return [] }
        let items = list.elements.filter(\.elements.isEmpty)
        guard list.name.local == "Alt" else { return items.map { $0.text.trimmed } }
        let main = items.first { item in item.attributes.contains { $0.name.local == "lang" && $0.value == "x-default" } } ?? items.first
        return main.map { [$0.text.trimmed] } ?? []
    }
}
