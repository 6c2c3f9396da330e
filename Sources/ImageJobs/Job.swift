import FilterSupport
import ImageCore
import Storage

/// A picture to make of another.
public struct Job: Sendable {
    /// As the job's line has it: a string or a whole number.
    public enum Identifier: Sendable, Hashable {
        case text(String)
        case number(Int64)

        public var json: JSONValue {
            switch self {
            case .text(let text): .text(text)
            case .number(let number): .signed(number)
            }
        }

        var text: String {
            switch self {
            case .text(let text): "'\(text)"
            // No other text is the same.
            case .number(let number): "#\(number)"
            }
        }
    }

    /// 0 is done first.
    public static let priorities = 0...lastPriority
    /// That of jobs that say nothing of theirs.
    public static let lastPriority = 7

    public let id: Identifier
    /// The identifier is its place in a list, and says nothing about what it is.
    public let isPlace: Bool
    /// Its place in the input, from 1.
    public let number: Int
    public let input: FilePath
    /// Nil: the run's template says it.
    public let output: FilePath?
    public let recipe: Recipe
    /// Of `priorities`.
    public let priority: Int
    /// Milliseconds from when it is taken in; nil: it never expires.
    public let lifetime: UInt64?

    public init(id: Identifier, isPlace: Bool = false, number: Int, input: FilePath, output: FilePath?, recipe: Recipe, priority: Int = lastPriority, lifetime: UInt64? = nil) {
        (self.id, self.number, self.input, self.output, self.recipe) = (id, number, input, output, recipe)
        (self.isPlace, self.priority, self.lifetime) = (isPlace, priority, lifetime)
    }

    /// What tells it from others in a journal: it changes with the identifier that it was given, the names and the recipe, and with nothing else.
    package func key(output: [UInt8]) -> JobKey { JobKey([isPlace ? [] : Array(id.text.utf8), input.bytes, output] + recipe.words.map { Array($0.utf8) }) }
}

/// The first half of SHA-256: 128 bits, so that no two of 10^12 jobs are likely to share theirs.
public struct JobKey: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    /// Texts without NUL.
    init(_ texts: [[UInt8]]) {
        let digest = Digest.sha256(Array(texts.joined(separator: [0])).span.bytes)
        high = digest[0..<8].reduce(0) { $0 << 8 | UInt64($1) }
        low = digest[8..<16].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// 32 hexadecimal digits.
    var text: String { Self.digits(high) + Self.digits(low) }

    /// Nil where `text` is not what `text` gives.
    init?(_ text: Substring) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16) else { return nil }
        (self.high, self.low) = (high, low)
        guard self.text == text else { return nil }
    }

    private static func digits(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
