/// What a filter says of itself: its options are parsed, explained and completed from this.
public struct CommandDeclaration: Sendable {
    public let name: String
    /// The words that are no options, as usage has them: "GEOMETRY", "[FILE]...", "".
    public let operands: String
    /// How many of them there may be.
    public let operandCount: ClosedRange<Int>
    /// What files they name; nil where they name none.
    let operandFiles: FileKind?
    /// What it does, in a line, and what else is to be known.
    public let summary: String
    public let discussion: String
    public let options: [OptionDeclaration]

    public init(
        _ name: String, operands: String = "", files: FileKind? = nil, count: ClosedRange<Int> = 0...0, summary: String, discussion: String,
        options: [OptionDeclaration]
    ) {
        (self.name, self.operands, operandCount, self.summary, self.discussion) = (name, operands, count, summary, discussion)
        (operandFiles, self.options) = (files, options)
    }

    /// All that may stand on the command line: those of every filter too.
    var allOptions: [OptionDeclaration] { options + LimitOptions.declarations + Self.common }

    private static let common: [OptionDeclaration] = [
        Sandbox.option,
        .choice("completions", "shell", Shell.self, "Print completions for this shell."),
        .flag("version", "Show the version."), .flag("help", short: "h", "Show the options."),
    ]
}

/// What files a word may name. A picture is one to be read, whose name is likely to have one of the usual endings; a compressed one is no PNM.
public enum FileKind: Sendable { case picture, compressedPicture, any, directory }

/// One option: its names, what its value is, and its line of help.
public struct OptionDeclaration: Sendable {
    /// What stands behind an option; with its name in the help.
    enum Value: Sendable {
        case none
        case any(String)
        case path(String, FileKind)
        case oneOf(String, @Sendable () -> [String])
        /// Some of these, with commas between.
        case listOf(String, @Sendable () -> [String])
        case number(String, ClosedRange<Int>)
        /// A number, or this one where the option stands alone.
        case numberOr(String, Int, ClosedRange<Int>)
    }

    public let name: String
    let short: Character?
    let value: Value
    /// The value where the option is not given, as it would be written; nil for none.
    let defaultText: String?
    let help: String

    /// Whether it is there or not, and has no value.
    package var isFlag: Bool { if case .none = value { true } else { false } }

    /// Whether it may stand without its value.
    package var mayStandAlone: Bool {
        switch value {
        case .none, .numberOr: true
        case .any, .path, .oneOf, .listOf, .number: false
        }
    }

    public static func flag(_ name: String, short: Character? = nil, _ help: String) -> OptionDeclaration {
        OptionDeclaration(name: name, short: short, value: .none, defaultText: nil, help: help)
    }

    /// `value`: what it is called in the help, a noun: "path", "region".
    public static func value(
        _ name: String, short: Character? = nil, _ value: String, default text: String? = nil, _ help: String
    ) -> OptionDeclaration {
        OptionDeclaration(name: name, short: short, value: .any(value), defaultText: text, help: help)
    }

    /// `value`: what the file is called in the help.
    public static func file(_ name: String, short: Character? = nil, _ value: String, _ help: String) -> OptionDeclaration {
        OptionDeclaration(name: name, short: short, value: .path(value, .any), defaultText: nil, help: help)
    }

    public static func directory(_ name: String, short: Character? = nil, _ value: String, _ help: String) -> OptionDeclaration {
        OptionDeclaration(name: name, short: short, value: .path(value, .directory), defaultText: nil, help: help)
    }

    /// See `GivenOptions.inputNames`.
    public static let files0From = file("files0-from", "file", "Read names from this file, each ended by NUL; - is standard input.")

    /// For a tool that has nothing else to say; see `Sandbox`.
    public static let sandboxVerbose = flag("verbose", short: "v", "Say which layers of the sandbox hold.")

    /// Words with commas between; who reads the value says which are none of `words`.
    public static func list(
        _ name: String, _ value: String, of words: @escaping @Sendable () -> [String], default text: String? = nil, _ help: String
    ) -> OptionDeclaration {
        OptionDeclaration(name: name, short: nil, value: .listOf(value, words), defaultText: text, help: help)
    }

    public static func choice<T: CaseIterable & RawRepresentable<String> & Sendable>(
        _ name: String, short: Character? = nil, _ value: String, _ type: T.Type, default choice: T? = nil, _ help: String
    ) -> OptionDeclaration {
        OptionDeclaration(
            name: name, short: short, value: .oneOf(value, { T.allCases.map { $0.rawValue } }), defaultText: choice?.rawValue, help: help)
    }

    public static func number(
        _ name: String, short: Character? = nil, _ value: String = "n", in range: ClosedRange<Int>, default number: Int? = nil,
        alone: Int? = nil, _ help: String
    ) -> OptionDeclaration {
        let kind: Value = if let alone { .numberOr(value, alone, range) } else { .number(value, range) }
        return OptionDeclaration(name: name, short: short, value: kind, defaultText: number.map { String($0) }, help: help)
    }
}
