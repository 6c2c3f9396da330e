import ImageCore

/// A command line, taken apart as GNU's getopt_long does: options before, between and behind other words; `--name value`,
/// `--name=value`, `-n value`, `-nvalue`, short ones joined; `--` ends options, `-` is none. The last of equal ones counts.
/// Names are not abbreviated: a new option would change what an old script says.
///
/// Ours, because start-up is most of a small picture's time: swift-argument-parser took 1.8 of the 4.2 ms of a process, looking up types
/// at run time (docs/measurements.md).
public struct GivenOptions: Sendable {
    /// What is asked for instead of work.
    enum Question: String { case help, version, completions }

    private let declaration: CommandDeclaration
    private let options: [OptionDeclaration]
    /// Places in `options`, and the text given; flags have none.
    private var given: [(option: Int, text: String?)] = []
    private(set) var question: Question?
    /// The words that are no options.
    public private(set) var operands: [String] = []

    /// `words`: without the program's name. Throws `usage`.
    package init(_ declaration: CommandDeclaration, _ words: [String]) throws(ImageError) {
        (self.declaration, options) = (declaration, declaration.allOptions)
        var rest = words[...]
        while let word = rest.popFirst(), question == nil {
            if word == "--" {
                operands += rest
                break
            } else if word.hasPrefix("--") {
                try takeLong(word.dropFirst(2), &rest)
            } else if word.hasPrefix("-"), word != "-" {
                try takeShort(word.dropFirst(), &rest)
            } else {
                operands.append(word)
            }
        }
        if question == nil && operands.count < declaration.operandCount.lowerBound {
            throw seeHelp("\(declaration.operands.split(separator: " ")[operands.count]) is missing")
        }
        // As of "$unset".
        if question == nil && operands.contains("") { throw .usage("an empty word where a name or a value is wanted") }
    }

    private mutating func takeLong(_ word: Substring, _ rest: inout ArraySlice<String>) throws(ImageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let option = options.firstIndex(where: { $0.name == parts[0] }) else { throw unknown("--\(parts[0])") }
        let joined = parts.count == 2 ? String(parts[1]) : nil
        if case .none = options[option].value, joined != nil { throw .usage("--\(parts[0]) takes no value") }
        try take(option, joined, &rest)
    }

    private mutating func takeShort(_ letters: Substring, _ rest: inout ArraySlice<String>) throws(ImageError) {
        var letters = letters
        while question == nil, let letter = letters.popFirst() {
            guard let option = options.firstIndex(where: { $0.short == letter }) else { throw unknown("-\(letter)") }
            if case .none = options[option].value {
                try take(option, nil, &rest)
            } else {
                return try take(option, letters.isEmpty ? nil : String(letters), &rest)
            }
        }
    }

    private mutating func take(_ option: Int, _ joined: String?, _ rest: inout ArraySlice<String>) throws(ImageError) {
        let declared = options[option]
        switch declared.value {
        case .none:
            given.append((option, nil))
        case .numberOr(_, let alone, _):
            let isNext = joined == nil && rest.first.flatMap { Int($0) } != nil
            given.append((option, joined ?? (isNext ? rest.removeFirst() : String(alone))))
        case .any, .path, .oneOf, .listOf, .number:
            guard let text = joined ?? rest.popFirst() else { throw seeHelp("--\(declared.name) needs a value") }
            given.append((option, text))
        }
        // A list may be empty; nothing else has an empty value.
        if case .listOf = declared.value {} else if given.last?.text == "" { throw .usage("--\(declared.name) is empty") }
        question = Question(rawValue: declared.name)
    }

    /// Asked for when values have been looked at: of "-quality 45" the option is what is wrong.
    package func checkOperandCount() throws(ImageError) {
        let most = declaration.operandCount.upperBound
        if operands.count > most { throw seeHelp("\(Self.printable(operands[most])) is one word too many") }
    }

    private func unknown(_ name: String) -> ImageError { seeHelp("unknown option \(Self.printable(name))") }

    private func seeHelp(_ fault: String) -> ImageError { .usage("\(fault); see \(declaration.name) --help") }

    static func printable(_ word: String) -> String { Console.printable(RawArguments.bytes(word)) }

    // MARK: What was given

    /// What is given otherwise than by words, as by a member of JSON.
    public enum Member: Sendable, Equatable {
        case text(String)
        case flag(Bool)
        /// As if it had not been given.
        case unset
    }

    /// These, and `members`, which count where both say something. Only names of `allowed` may be among them. Throws `usage`.
    package func adding(_ members: [(name: String, value: Member)], allowed: [OptionDeclaration]) throws(ImageError) -> GivenOptions {
        var sum = self
        for (name, value) in members {
            guard allowed.contains(where: { $0.name == name }), let option = options.firstIndex(where: { $0.name == name }) else {
                throw .usage("unknown option \(Self.printable(name))")
            }
            sum.given.removeAll { $0.option == option }
            switch (options[option].value, value) {
            case (_, .unset), (.none, .flag(false)): break
            case (.none, .flag(true)): sum.given.append((option, nil))
            case (.none, .text): throw .usage("--\(name) is true or false")
            case (.numberOr(_, let alone, _), .flag(true)): sum.given.append((option, String(alone)))
            case (_, .flag): throw .usage("--\(name) needs a value")
            case (_, .text(let text)): sum.given.append((option, text))
            }
        }
        return sum
    }

    /// The words that say the same of `declarations` as these options do: in their order, each once, but for those that may stand several times.
    package func words(of declarations: [OptionDeclaration]) -> [String] {
        declarations.flatMap { declaration in
            let option = option(declaration.name)
            return given.filter { $0.option == option }.map { $0.text.map { "--\(declaration.name)=\($0)" } ?? "--\(declaration.name)" }
        }
    }

    private func option(_ name: String) -> Int {
        guard let option = options.firstIndex(where: { $0.name == name }) else { preconditionFailure("--\(name) is not declared") }
        return option
    }

    public func flag(_ name: String) -> Bool {
        let option = option(name)
        return given.contains { $0.option == option }
    }

    /// The text given, or the default.
    public func text(_ name: String) -> String? {
        let option = option(name)
        return given.last { $0.option == option }?.text ?? options[option].defaultText
    }

    /// All texts given, of an option that may stand several times.
    public func texts(_ name: String) -> [String] {
        let option = option(name)
        return given.compactMap { $0.option == option ? $0.text : nil }
    }

    /// What `make` makes of the text; nil without one. Throws `usage` where it makes nothing.
    public func value<T>(_ name: String, _ make: (String) -> T?) throws(ImageError) -> T? {
        guard let text = text(name) else { return nil }
        if let value = make(text) { return value }
        throw .usage("--\(name) \(Self.printable(text)) is \(options[option(name)].value.denial)")
    }

    /// The choice given, or the default one.
    public func choice<T: RawRepresentable<String>>(_ name: String, _ type: T.Type) throws(ImageError) -> T? {
        try value(name) { T(rawValue: $0) }
    }

    /// The number given, or the default one; in its range.
    public func number(_ name: String) throws(ImageError) -> Int? {
        guard let number = try value(name, { Int($0) }) else { return nil }
        switch options[option(name)].value {
        case .number(_, let range), .numberOr(_, _, let range):
            guard range.contains(number) else { throw .usage("--\(name) \(number) is not in \(range.lowerBound)...\(range.upperBound)") }
        default: preconditionFailure("--\(name) is declared as no number")
        }
        return number
    }
}

extension OptionDeclaration.Value {
    /// What a text is that is not one of these.
    fileprivate var denial: String {
        switch self {
        case .none: "no value"
        case .any(let noun), .path(let noun, _), .listOf(let noun, _): "no \(noun)"
        case .oneOf(_, let choices): "none of " + choices().joined(separator: ", ")
        case .number, .numberOr: "no number"
        }
    }
}
