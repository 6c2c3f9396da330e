import ImageCore

/// The names of outputs: `-o out/%n.jpg`. Letters as in ImageMagick where it has them.
///
///     %n stem   %e extension   %f both   %d directory of the name as it was given   %i %05i number in the input   %w %h size   %%
public struct OutputTemplate: Sendable {
    private enum Part: Sendable, Equatable {
        case text([UInt8])
        case stem, fileExtension, fileName, directory, width, height
        case number(digits: Int)
    }

    private let parts: [Part]
    /// As it was given.
    public let text: [UInt8]

    /// Throws `usage` for a letter that means nothing.
    public init(_ path: FilePath) throws(ImageError) {
        var parts: [Part] = []
        var text: [UInt8] = []
        var rest = path.bytes[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                text.append(byte)
                continue
            }
            var digits = 0
            var spelled = "%"
            while let digit = rest.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit), spelled.count < 4 {
                digits = digits * 10 + Int(digit - UInt8(ascii: "0"))
                spelled.append(Character(Unicode.Scalar(digit)))
                rest.removeFirst()
            }
            let letter = rest.popFirst().map { Character(Unicode.Scalar($0)) }
            if let letter { spelled.append(letter) }
            let isPlain = spelled.count == 2
            let part: Part
            switch letter {
            case "%" where isPlain:
                text.append(byte)
                continue
            case "n" where isPlain: part = .stem
            case "e" where isPlain: part = .fileExtension
            case "f" where isPlain: part = .fileName
            case "d" where isPlain: part = .directory
            case "w" where isPlain: part = .width
            case "h" where isPlain: part = .height
            case "i": part = .number(digits: digits)
            default: throw .usage("\(Console.printable(Array(spelled.utf8))) in the name of the output means nothing; a percent sign is %%")
            }
            if !text.isEmpty { parts.append(.text(text)) }
            text = []
            parts.append(part)
        }
        if !text.isEmpty { parts.append(.text(text)) }
        (self.parts, self.text) = (parts, path.bytes)
    }

    /// Whether several pictures can have a name each.
    public var isTemplate: Bool {
        parts.contains { if case .text = $0 { false } else { true } }
    }

    /// Whether directories are made as needed.
    public var makesDirectories: Bool { parts.contains(.directory) }

    /// Where the files of these names are made, for the sandbox.
    public var place: Sandbox.Output { isTemplate ? .template(self) : .file(path(name: [], number: 1, size: (0, 0))) }

    /// The directory that all names are beneath.
    public var fixedDirectory: FilePath {
        if case .text(let text) = parts.first { FilePath(text + [UInt8(ascii: "x")]).directory } else { FilePath(".") }
    }

    /// The name for a picture. `name`: its input's, empty for standard input; it never leads out of the template's directory.
    public func path(name: [UInt8], number: Int, info: ImageInfo) -> FilePath {
        path(name: name, number: number, size: info.uprightSize)
    }

    /// The name for a file whose size is not known; nil for a template that asks for it.
    public func path(name: [UInt8], number: Int) -> FilePath? {
        parts.contains(.width) || parts.contains(.height) ? nil : path(name: name, number: number, size: (0, 0))
    }

    /// The name for a picture of this size, upright.
    public func path(name: [UInt8], number: Int, width: UInt32, height: UInt32) -> FilePath { path(name: name, number: number, size: (width, height)) }

    private func path(name: [UInt8], number: Int, size: (width: UInt32, height: UInt32)) -> FilePath {
        let input = FilePath(name.isEmpty ? Array("stdin".utf8) : name)
        let file = input.lastComponent
        // A leading dot begins a hidden name, not an extension.
        let dot = file.lastIndex(of: UInt8(ascii: ".")).flatMap { $0 == 0 ? nil : $0 }
        var bytes: [UInt8] = []
        for part in parts {
            switch part {
            case .text(let text): bytes += text
            case .stem: bytes += Self.harmless(Array(file[..<(dot ?? file.count)]))
            case .fileExtension: bytes += dot.map { Array(file[($0 + 1)...]) } ?? []
            case .fileName: bytes += Self.harmless(file)
            case .directory: bytes += Self.relative(input.directory)
            case .width: bytes += Array(String(size.width).utf8)
            case .height: bytes += Array(String(size.height).utf8)
            case .number(let digits):
                let text = String(number)
                bytes += Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
            }
        }
        return FilePath(bytes)
    }

    /// A component that is no name for here or above.
    private static func harmless(_ component: [UInt8]) -> [UInt8] {
        component.allSatisfy { $0 == UInt8(ascii: ".") } ? [UInt8(ascii: "_")] + component : component
    }

    /// A directory without what leads to the root or upwards; "." when nothing is left.
    private static func relative(_ directory: FilePath) -> [UInt8] {
        let components = directory.bytes.split(separator: UInt8(ascii: "/")).filter { !$0.elementsEqual("..".utf8) && !$0.elementsEqual(".".utf8) }
        return components.isEmpty ? [UInt8(ascii: ".")] : Array(components.joined(separator: [UInt8(ascii: "/")]))
    }
}
