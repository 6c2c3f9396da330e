import ImageCore

/// Reads the names of elements and attributes in XMP as it goes by, without an XML parser.
struct XMPJudge {
    private enum State {
        case text, tag, value(UInt8), skipped
    }

    private let choice: MetadataChoice
    private var state = State.text
    /// The tag that is open: its words, and the namespaces that it declares.
    private var word: [UInt8] = []
    private var words: [String] = []
    private var value: [UInt8] = []
    private var namespaces: [String: String] = [:]
    /// Names that were met since a namespace was declared.
    private var names: [String: XMLName] = [:]
    /// For each open element, whether it is a property or inside of one.
    private var open: [Bool] = []

    init(_ choice: MetadataChoice) { self.choice = choice }

    mutating func take(_ bytes: ArraySlice<UInt8>) throws(ImageError) {
        if choice.keepsAll(of: .xmp) { return }
        var rest = bytes
        while let byte = rest.popFirst() {
            switch state {
            case .text:
                guard byte != UInt8(ascii: "<") else {
                    (state, word, words) = (.tag, [], [])
                    continue
                }
                rest = rest[(rest.firstIndex(of: UInt8(ascii: "<")) ?? rest.endIndex)...]
            case .skipped: if byte == UInt8(ascii: ">") { state = .text }
            case .value(let quote):
                if byte != quote {
                    value.append(byte)
                    continue
                }
                if let name = words.last, name.hasPrefix("xmlns:") {
                    let (prefix, namespace) = (String(name.dropFirst(6)), String(decoding: value, as: UTF8.self))
                    if namespaces.updateValue(namespace, forKey: prefix) != namespace { names = [:] }
                }
                state = .tag
            case .tag:
                switch byte {
                case UInt8(ascii: "?") where word.isEmpty && words.isEmpty, UInt8(ascii: "!") where word.isEmpty && words.isEmpty: state = .skipped
                case UInt8(ascii: "\""), UInt8(ascii: "'"): (state, value) = (.value(byte), [])
                case UInt8(ascii: ">"):
                    endWord()
                    try endTag()
                    state = .text
                case UInt8(ascii: "="), 0x20, 0x09, 0x0a, 0x0d: endWord()
                default: word.append(byte)
                }
            }
        }
    }

    private mutating func endWord() {
        if !word.isEmpty { words.append(String(decoding: word, as: UTF8.self)) }
        word = []
    }

    private mutating func endTag() throws(ImageError) {
        guard var name = words.first else { return }
        if name.hasPrefix("/") && name != "/" {
            _ = open.popLast()
            return
        }
        var isEmpty = false
        if words.last == "/" {
            isEmpty = true
            words.removeLast()
        } else if words.last!.hasSuffix("/") {
            isEmpty = true
            words[words.count - 1].removeLast()
            name = words[0]
        }
        let isInside = open.last ?? false
        let element = property(name)
        if let element { try check(element, isInside: isInside) }
        for word in words.dropFirst() {
            if let attribute = property(word) { try check(attribute, isInside: isInside || element != nil) }
        }
        if !isEmpty { open.append(isInside || element != nil) }
    }

    /// A name, where it is one of a property and not of RDF's, XML's or the wrapper's.
    private mutating func property(_ text: String) -> XMLName? {
        if let name = names[text] { return name }
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard parts.count == 2, !["xmlns", "xml", "rdf", "x"].contains(parts[0]) else { return nil }
        let name = XMLName(namespace: namespaces[parts[0]] ?? "", local: parts[1], prefix: parts[0])
        names[text] = name
        return name
    }

    private func check(_ name: XMLName, isInside: Bool) throws(ImageError) {
        // What names a packet's further parts, by a digest, is no property of the picture.
        if name.namespace == "http://ns.adobe.com/xmp/note/" && name.local == "HasExtendedXMP" { return }
        let isAllowed = isInside ? choice.keepsInside(name) : choice.keepsProperty(name)
        if !isAllowed || (Self.isPosition(name) && choice.dropped.contains(.gps)) { throw .internalError("XMP property \(name.local) is still there") }
    }

    /// By a list of its own: names that no property has but one about where a picture was taken.
    private static func isPosition(_ name: XMLName) -> Bool {
        let text = name.local.lowercased()
        return name.namespace.contains("/geo/wgs84_pos") || ["lat", "lon", "long"].contains(text)
            || ["gps", "latitude", "longitude"].contains { text.contains($0) }
    }
}
