import CJansson
import FilterSupport
import Glibc
import ImageCore

/// Jobs from lines of JSON, one object each (RFC 8259).
///
///     {"id":"7","in":"a.jpg","out":"t/a.webp","resize":"800","quality":85,"strip":{"keep":["icc"]},"min_ssim":0.98,"priority":0,"ttl_ms":30000}
///
/// Members beside id, in, out, priority and ttl_ms are the recipe's options, with _ for -; null is as if it were not there.
public struct JobReader {
    private let given: GivenOptions
    private let limits: Limits
    /// Of jobs that say nothing of their own.
    public let recipe: Recipe
    private var recent = RecentRecipes(most: 16)

    /// `given`: what holds where a job says nothing else. Throws `usage`.
    public init(_ given: GivenOptions, limits: Limits) throws(ImageError) {
        (self.given, self.limits) = (given, limits)
        recipe = try Recipe(given, limits: limits)
    }

    /// What a line has come to: a job, or what is wrong with it, with its identifier where it has one.
    public enum Line: Sendable {
        case job(Job)
        case fault(ImageError, id: Job.Identifier?, input: FilePath?, output: FilePath? = nil)
    }

    public mutating func job(_ line: UnsafeRawBufferPointer, number: Int) -> Line {
        var error = json_error_t()
        guard let root = json_loadb(line.baseAddress?.assumingMemoryBound(to: CChar.self), line.count, Int(JSON_REJECT_DUPLICATES), &error) else {
            return .fault(.usage("no job: \(Self.text(of: error))"), id: nil, input: nil)
        }
        defer { json_decref(root) }
        guard root.pointee.type == JSON_OBJECT else { return .fault(.usage("no job: not an object"), id: nil, input: nil) }
        var (id, input, output): (Job.Identifier?, FilePath?, FilePath?)
        do throws(ImageError) {
            id = try identifier(root)
            input = try name(root, "in")
            output = try name(root, "out")
            return .job(try job(root, id, input, output, number))
        } catch {
            return .fault(error, id: id, input: input, output: output)
        }
    }

    private mutating func job(_ root: UnsafeMutablePointer<json_t>, _ id: Job.Identifier?, _ input: FilePath?, _ output: FilePath?, _ number: Int) throws(ImageError) -> Job {
        guard let id else { throw .usage("no job: it has no id") }
        guard let input, !input.bytes.isEmpty else { throw .usage("no job: it has no in") }
        if output?.bytes.isEmpty ?? false { throw .usage("out is empty") }
        let priority = try JSONMember.integer(root, "priority", in: Job.priorities)
        let lifetime = try JSONMember.integer(root, "ttl_ms", in: 0...mostLifetime)
        var members: [(name: String, value: GivenOptions.Member)] = []
        for (name, value) in JSONMember.all(of: root) where !["id", "in", "out", "priority", "ttl_ms"].contains(name) {
            members += try JSONMember.options(name, value)
        }
        return Job(
            id: id, number: number, input: input, output: output, recipe: members.isEmpty ? recipe : try recipe(members), priority: priority ?? Job.lastPriority,
            lifetime: lifetime.map { UInt64($0) })
    }

    /// 278 years: its nanoseconds are a number still.
    private var mostLifetime: Int { 1 << 43 }

    /// What waits is bounded in jobs; by these it is in bytes.
    private static let mostIdentifierBytes = 1 << 10
    private static let mostNameBytes = 8 << 10

    private mutating func recipe(_ members: [(name: String, value: GivenOptions.Member)]) throws(ImageError) -> Recipe {
        let given = try given.adding(members, allowed: Recipe.declarations)
        let words = given.words(of: Recipe.declarations)
        if let known = try recent.recipe(words) { return known }
        let recipe = try Recipe(given, limits: limits)
        recent.add(recipe, of: words)
        return recipe
    }

    private func identifier(_ root: UnsafeMutablePointer<json_t>) throws(ImageError) -> Job.Identifier? {
        guard let value = json_object_get(root, "id") else { return nil }
        switch value.pointee.type {
        case JSON_STRING:
            let text = JSONMember.string(value)
            guard text.utf8.count <= Self.mostIdentifierBytes else { throw .usage("no job: its id has more than \(Self.mostIdentifierBytes) bytes") }
            return .text(text)
        case JSON_INTEGER: return .number(json_integer_value(value))
        default: throw .usage("id is no string and no whole number")
        }
    }

    private func name(_ root: UnsafeMutablePointer<json_t>, _ member: String) throws(ImageError) -> FilePath? {
        guard let text = try JSONMember.text(root, member) else { return nil }
        guard text.utf8.count <= Self.mostNameBytes else { throw .usage("\(member) has more than \(Self.mostNameBytes) bytes") }
        return FilePath(text)
    }

    /// jansson's message, with where.
    private static func text(of error: json_error_t) -> String {
        let text = withUnsafeBytes(of: error.text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        // Its own word for a way to call it.
        if text.contains("JSON_ALLOW_NUL") { return "a string with NUL (column \(error.column))" }
        return "\(text) (column \(error.column))"
    }
}

/// Members of an object of jansson's.
enum JSONMember {
    typealias Value = UnsafeMutablePointer<json_t>

    static func string(_ value: Value) -> String {
        String(decoding: UnsafeRawBufferPointer(start: json_string_value(value), count: json_string_length(value)), as: UTF8.self)
    }

    static func text(_ object: Value, _ name: String) throws(ImageError) -> String? {
        guard let value = json_object_get(object, name), value.pointee.type != JSON_NULL else { return nil }
        guard value.pointee.type == JSON_STRING else { throw .usage("\(name) is no string") }
        return string(value)
    }

    static func integer(_ object: Value, _ name: String, in range: ClosedRange<Int>) throws(ImageError) -> Int? {
        guard let value = json_object_get(object, name), value.pointee.type != JSON_NULL else { return nil }
        guard let number = whole(value).map(Int.init), range.contains(number) else {
            throw .usage("\(name) is no whole number in \(range.lowerBound)...\(range.upperBound)")
        }
        return number
    }

    /// Some languages write whole numbers as 80.0.
    private static func whole(_ value: Value) -> Int64? {
        if value.pointee.type == JSON_INTEGER { return json_integer_value(value) }
        return value.pointee.type == JSON_REAL ? Int64(exactly: json_real_value(value)) : nil
    }

    static func all(of object: Value) -> [(name: String, value: Value)] {
        var members: [(String, Value)] = []
        var place = json_object_iter(object)
        while let at = place {
            members.append((String(cString: json_object_iter_key(at)), json_object_iter_value(at)))
            place = json_object_iter_next(object, at)
        }
        return members
    }

    /// A member as an option. Strip is an object, {"keep":[...],"drop":[...]}, or true, or false or "none".
    static func options(_ name: String, _ value: Value) throws(ImageError) -> [(name: String, value: GivenOptions.Member)] {
        let option = String(name.map { $0 == "_" ? "-" : $0 })
        if name == "strip", value.pointee.type == JSON_OBJECT {
            var members: [(name: String, value: GivenOptions.Member)] = [("strip", .flag(true))]
            for (part, list) in all(of: value) {
                guard part == "keep" || part == "drop" else { throw .usage("strip has keep and drop, no \(part)") }
                members.append((part, try words(list, part)))
            }
            return members
        }
        let isNone = name == "strip" && (value.pointee.type == JSON_FALSE || (value.pointee.type == JSON_STRING && string(value) == "none"))
        if isNone { return [("strip", .unset), ("keep", .unset), ("drop", .unset)] }
        if name == "strip", value.pointee.type != JSON_TRUE, value.pointee.type != JSON_NULL { throw .usage("strip is an object with keep and drop, true, false or none") }
        switch value.pointee.type {
        case JSON_STRING: return [(option, .text(string(value)))]
        case JSON_INTEGER, JSON_REAL: return [(option, .text(whole(value).map { String($0) } ?? "\(json_real_value(value))"))]
        case JSON_TRUE: return [(option, .flag(true))]
        case JSON_FALSE: return [(option, .flag(false))]
        case JSON_NULL: return [(option, .unset)]
        case JSON_ARRAY: return [(option, try words(value, name))]
        default: throw .usage("\(name) is an object")
        }
    }

    /// A string, or a list of them, as imgstrip's words.
    private static func words(_ value: Value, _ name: String) throws(ImageError) -> GivenOptions.Member {
        if value.pointee.type == JSON_STRING { return .text(string(value)) }
        guard value.pointee.type == JSON_ARRAY else { throw .usage("\(name) is no list of words") }
        var words: [String] = []
        for i in 0..<json_array_size(value) {
            guard let word = json_array_get(value, i), word.pointee.type == JSON_STRING else { throw .usage("\(name) is no list of words") }
            words.append(string(word))
        }
        return words.isEmpty ? .unset : .text(words.joined(separator: ","))
    }
}
