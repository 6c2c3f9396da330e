/// Writes descriptions as an XMP packet: XMP specification part 1, 7.3.
enum XMPWriter {
    /// `keepsPrefixes`: namespaces have the packet's own names, which are as free as any text; else the usual ones.
    static func packet(_ descriptions: [XMLElement], keepsPrefixes: Bool) -> [UInt8] {
        var prefixes = Prefixes(areKept: keepsPrefixes)
        for description in descriptions { prefixes.collect(description) }
        var text = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n"
        text += " <rdf:RDF xmlns:rdf=\"\(XMPTree.rdf)\""
        for (namespace, prefix) in prefixes.declared { text += "\n  xmlns:\(prefix)=\"\(escaped(namespace))\"" }
        text += ">\n"
        for description in descriptions {
            text += "  <rdf:Description rdf:about=\"\""
            append(description.attributes, to: &text, prefixes)
            text += ">"
            for node in description.children {
                text += "\n   "
                append(node, to: &text, prefixes)
            }
            text += "\n  </rdf:Description>\n"
        }
        return Array((text + " </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>").utf8)
    }

    /// One prefix for each namespace, the packet's own where no other has taken it.
    private struct Prefixes {
        let areKept: Bool
        private(set) var declared: [(namespace: String, prefix: String)] = []
        private var byNamespace = [XMPTree.rdf: "rdf", XMPFilter.xml: "xml"]
        private var taken: Set = ["rdf", "xml", "x", "xmlns"]
        private var number = 0
        private static let usual = [
            "http://purl.org/dc/elements/1.1/": "dc", "http://ns.adobe.com/xap/1.0/rights/": "xmpRights", "http://ns.adobe.com/xap/1.0/": "xmp",
            "http://ns.adobe.com/tiff/1.0/": "tiff", "http://ns.adobe.com/exif/1.0/": "exif", "http://ns.adobe.com/photoshop/1.0/": "photoshop",
        ]

        init(areKept: Bool) { self.areKept = areKept }

        mutating func collect(_ element: XMLElement) {
            add(element.name)
            for attribute in element.attributes { add(attribute.name) }
            for inner in element.elements { collect(inner) }
        }

        private mutating func add(_ name: XMLName) {
            guard !name.namespace.isEmpty, byNamespace[name.namespace] == nil else { return }
            var prefix = areKept ? name.prefix : Self.usual[name.namespace] ?? ""
            while prefix.isEmpty || taken.contains(prefix) {
                number += 1
                prefix = "ns\(number)"
            }
            taken.insert(prefix)
            byNamespace[name.namespace] = prefix
            declared.append((name.namespace, prefix))
        }

        func text(_ name: XMLName) -> String {
            byNamespace[name.namespace].map { "\($0):\(name.local)" } ?? name.local
        }
    }

    private static func append(_ attributes: [(name: XMLName, value: String)], to text: inout String, _ prefixes: Prefixes) {
        for attribute in attributes { text += " \(prefixes.text(attribute.name))=\"\(escaped(attribute.value))\"" }
    }

    private static func append(_ node: XMLElement.Node, to text: inout String, _ prefixes: Prefixes) {
        switch node {
        case .text(let characters): text += escaped(characters)
        case .element(let element):
            let name = prefixes.text(element.name)
            text += "<\(name)"
            append(element.attributes, to: &text, prefixes)
            if element.children.isEmpty {
                text += "/>"
            } else {
                text += ">"
                for child in element.children { append(child, to: &text, prefixes) }
                text += "</\(name)>"
            }
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            // A parser makes spaces of these in attributes.
            case "\t", "\n", "\r": result += "&#\(scalar.value);"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
