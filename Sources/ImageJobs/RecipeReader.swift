import FilterSupport
import ImageCodecs
import ImageCore

/// Recipes from names and values, as a query of a URL has them: the options' names and meanings are those of the command line and of jobs.
///
/// A name may have _ for -. A flag is `progressive`, `progressive=1` or `=true`; with 0 or false it is as if it were not there. Of equal names
/// the last counts, but `keep` and `drop` add up. `strip=none` keeps all metadata; without `strip`, `keep` and `drop` the default holds.
public final class RecipeReader: Sendable {
    private let given: GivenOptions
    private let limits: Limits
    private let recent = Monitor(RecentRecipes(most: 32))

    /// `defaults`: words of a command line, which hold where a query says nothing else. Throws `usage`.
    public init(program: String, defaults: [String], limits: Limits) throws(ImageError) {
        self.limits = limits
        given = try GivenOptions(CommandDeclaration(program, summary: "", discussion: "", options: Recipe.declarations), defaults)
    }

    /// Throws `usage`.
    public func recipe(_ pairs: [(name: String, value: String)]) throws(ImageError) -> Recipe {
        var members: [(name: String, value: GivenOptions.Member)] = []
        for (name, value) in pairs {
            for member in try Self.members(String(name.map { $0 == "_" ? "-" : $0 }), value) {
                if ["keep", "drop"].contains(member.name), case .text(let more) = member.value,
                    let place = members.firstIndex(where: { $0.name == member.name }), case .text(let list) = members[place].value
                {
                    members[place].value = .text(list + "," + more)
                } else {
                    members.append(member)
                }
            }
        }
        if members.contains(where: { $0.name == "keep" || $0.name == "drop" || $0.name == "strip" }) {
            members = [("strip", .unset), ("keep", .unset), ("drop", .unset)] + members
        }
        let given = try given.adding(members, allowed: Recipe.declarations)
        let words = given.words(of: Recipe.declarations)
        if let known = try recent.withLock({ (recent) throws(ImageError) in try recent.recipe(words) }) { return known }
        let recipe = try Recipe(given, limits: limits)
        recent.withLock { $0.add(recipe, of: words) }
        return recipe
    }

    private static func members(_ name: String, _ value: String) throws(ImageError) -> [(name: String, value: GivenOptions.Member)] {
        // An unknown name is found by who adds it.
        guard let option = Recipe.declarations.first(where: { $0.name == name }) else { return [(name, .text(value))] }
        if name == "strip", value == "none" { return [("strip", .unset), ("keep", .unset), ("drop", .unset)] }
        if option.isFlag {
            switch value {
            case "", "1", "true": return [(name, .flag(true))]
            case "0", "false": return [(name, .flag(false))]
            default: return [(name, .text(value))]
            }
        }
        return [(name, value.isEmpty && option.mayStandAlone ? .flag(true) : .text(value))]
    }
}
