import CExpat
import Glibc
import ImageCore

/// A name of XML in its namespace.
package struct XMLName: Equatable, Sendable {
    package let namespace: String
    package let local: String
    /// As the packet has it; for writing.
    let prefix: String

    var subject: XMPSubject { XMPSubject.known(namespace, local) }

    package static func == (a: XMLName, b: XMLName) -> Bool { a.namespace == b.namespace && a.local == b.local }
}

/// An element of XML.
package struct XMLElement: Sendable {
    package enum Node: Sendable {
        case element(XMLElement)
        case text(String)
    }

    package let name: XMLName
    package var attributes: [(name: XMLName, value: String)]
    package var children: [Node] = []

    package var elements: [XMLElement] {
        children.compactMap { if case .element(let element) = $0 { element } else { nil } }
    }

    /// All characters in it.
    package var text: String {
        children.map { if case .text(let text) = $0 { text } else { "" } }.joined()
    }
}

/// An XMP packet as a tree: read by Expat, which knows XML and its encodings; names come with their namespaces. A document type is
/// refused, for XMP has none and entities are declared there.
package enum XMPTree {
    package static let rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

    /// Deeper, or of more elements and attributes, is no XMP that anybody writes; a tree takes a hundred times the bytes of its text.
    private static let mostDepth = 100
    private static let mostNodes = 1 << 17

    private final class Builder {
        let parser: XML_Parser
        var open: [XMLElement] = []
        /// What Expat has given since the last tag, in pieces.
        var text = ""
        var root: XMLElement?
        var isRefused = false
        var nodeCount = 0
        /// Those that were met: a packet has few, many times. By their bytes, for to make strings of them takes longer than all else.
        private var names: [(text: [CChar], name: XMLName)?] = Array(repeating: nil, count: 256)

        init(_ parser: XML_Parser) { self.parser = parser }

        func endText() {
            if !text.isEmpty && !open.isEmpty { open[open.count - 1].children.append(.text(text)) }
            text = ""
        }

        /// Namespace, name and prefix, with a space between: the last or the first may be missing.
        func name(_ text: UnsafePointer<CChar>) -> XMLName {
            let length = strlen(text)
            // FNV-1a.
            let hash = UnsafeBufferPointer(start: text, count: length).reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32(UInt8(bitPattern: $1))) &* 16_777_619 }
            let place = Int((hash ^ hash >> 16) & 255)
            if let met = names[place], met.text.count == length, memcmp(met.text, text, length) == 0 { return met.name }
            let parts = String(cString: text).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            let name = switch parts.count {
            case 1: XMLName(namespace: "", local: parts[0], prefix: "")
            case 2: XMLName(namespace: parts[0], local: parts[1], prefix: "")
            default: XMLName(namespace: parts[0], local: parts[1], prefix: parts[2])
            }
            names[place] = (Array(UnsafeBufferPointer(start: text, count: length)), name)
            return name
        }

        func refuse() {
            isRefused = true
            XML_StopParser(parser, 0)
        }
    }

    /// The descriptions in the packet's rdf:RDF, whose attributes and elements are its properties; nil for what is no XMP.
    package static func descriptions(in packet: [UInt8]) throws(ImageError) -> [XMLElement]? {
        guard let root = try root(of: packet), let rdf = isRDF(root, "RDF") ? root : root.elements.first(where: { isRDF($0, "RDF") }) else { return nil }
        return rdf.elements.filter { isRDF($0, "Description") }
    }

    private static func isRDF(_ element: XMLElement, _ local: String) -> Bool { element.name.local == local && element.name.namespace == rdf }

    private static func root(of packet: [UInt8]) throws(ImageError) -> XMLElement? {
        // Between the parts of a name: in no URI, no name and no prefix.
        guard packet.count < Int(Int32.max) else { return nil }
        guard let parser = XML_ParserCreateNS(nil, 0x20) else { throw .outOfMemory }
        defer { XML_ParserFree(parser) }
        XML_SetReturnNSTriplet(parser, 1)
        let builder = Builder(parser)
        XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
        XML_SetElementHandler(parser) { context, name, attributes in
            let builder = XMPTree.builder(context)
            guard builder.open.count < XMPTree.mostDepth, let name, let attributes else { return builder.refuse() }
            builder.endText()
            var pairs: [(name: XMLName, value: String)] = []
            var i = 0
            while let key = attributes[i], let value = attributes[i + 1] {
                pairs.append((builder.name(key), String(cString: value)))
                i += 2
                if builder.nodeCount + pairs.count > XMPTree.mostNodes { return builder.refuse() }
            }
            builder.nodeCount += 1 + pairs.count
            if builder.nodeCount > XMPTree.mostNodes { return builder.refuse() }
            builder.open.append(XMLElement(name: builder.name(name), attributes: pairs))
        } _: { context, _ in
            let builder = XMPTree.builder(context)
            builder.endText()
            guard let element = builder.open.popLast() else { return }
            if builder.open.isEmpty { builder.root = element } else { builder.open[builder.open.count - 1].children.append(.element(element)) }
        }
        XML_SetCharacterDataHandler(parser) { context, characters, count in
            let builder = XMPTree.builder(context)
            guard let characters else { return }
            builder.text += String(decoding: UnsafeRawBufferPointer(start: characters, count: Int(count)), as: UTF8.self)
        }
        XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in XMPTree.builder(context).refuse() }
        let status = packet.withUnsafeBytes { XML_Parse(parser, $0.bindMemory(to: CChar.self).baseAddress, Int32($0.count), 1) }
        if status != XML_STATUS_OK && XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY { throw .outOfMemory }
        return status == XML_STATUS_OK && !builder.isRefused ? builder.root : nil
    }

    private static func builder(_ context: UnsafeMutableRawPointer?) -> Builder {
        Unmanaged<Builder>.fromOpaque(context!).takeUnretainedValue()
    }
}
