import CExpat
import Glibc

/// An element of what S3 answers: text or elements. Attributes and namespaces say nothing there.
struct XMLAnswer {
    let name: String
    private(set) var content = ""
    private(set) var children: [XMLAnswer] = []

    private init(name: String) { self.name = name }

    /// The first child of that name.
    subscript(_ name: String) -> XMLAnswer? { children.first { $0.name == name } }

    func text(_ name: String) -> String? { self[name]?.content }

    /// Deeper, or of more elements, is no answer of S3: a list has a thousand keys, and ten elements for each.
    private static let mostDepth = 16
    private static let mostElements = 1 << 16

    private final class Builder {
        let parser: XML_Parser
        var open: [XMLAnswer] = []
        var root: XMLAnswer?
        var count = 0

        init(_ parser: XML_Parser) { self.parser = parser }

        func begin(_ name: String) {
            count += 1
            guard open.count < mostDepth, count <= mostElements else { return refuse() }
            open.append(XMLAnswer(name: name))
        }

        func end() {
            guard let element = open.popLast() else { return }
            if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
        }

        func add(_ text: String) {
            if !open.isEmpty { open[open.count - 1].content += text }
        }

        func refuse() { XML_StopParser(parser, 0) }
    }

    /// Nil for what is no XML, and for what declares a document type: no store has one, and entities are defined there.
    init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty, bytes.count < Int(Int32.max), let parser = XML_ParserCreate(nil) else { return nil }
        defer { XML_ParserFree(parser) }
        let builder = Builder(parser)
        XML_SetUserData(parser, Unmanaged.passUnretained(builder).toOpaque())
        XML_SetElementHandler(parser) { context, name, _ in
            let text = String(cString: name!)
            XMLAnswer.builder(context).begin(text.lastIndex(of: ":").map { String(text[text.index(after: $0)...]) } ?? text)
        } _: { context, _ in
            XMLAnswer.builder(context).end()
        }
        XML_SetCharacterDataHandler(parser) { context, characters, count in
            XMLAnswer.builder(context).add(String(decoding: UnsafeRawBufferPointer(start: characters, count: Int(count)), as: UTF8.self))
        }
        XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in XMLAnswer.builder(context).refuse() }
        let status = bytes.withUnsafeBytes { XML_Parse(parser, $0.bindMemory(to: CChar.self).baseAddress, Int32($0.count), 1) }
        guard status == XML_STATUS_OK, let root = builder.root else { return nil }
        self = root
    }

    private static func builder(_ context: UnsafeMutableRawPointer?) -> Builder {
        Unmanaged<Builder>.fromOpaque(context!).takeUnretainedValue()
    }
}
