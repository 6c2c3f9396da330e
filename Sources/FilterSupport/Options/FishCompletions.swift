extension CommandDeclaration {
    var fishCompletions: String {
        let lists = allOptions.contains { if case .listOf = $0.value { true } else { false } }
        // __fish_complete_list of fish 3 does not know a list that is joined to its option by =.
        let function = !lists ? "" : """

            function __\(name)_list
                set -l begun (string match -r -- '^(?:--[^=]*=)?(.*,)?' (commandline -ct))[2]
                printf '%s\\n' "$begun"$argv
            end

            """
        return """
            # fish completion for \(name), printed by \(name) --completions fish
            \(function)
            \(operandFiles == nil ? "complete -c \(name) -f\n" : "")\(allOptions.map(fishOption).joined(separator: "\n"))

            """
    }

    private func fishOption(_ option: OptionDeclaration) -> String {
        let value = switch option.value {
        // A value that may be left out is not asked for.
        case .none, .numberOr: ""
        case .any, .number: " -x"
        case .oneOf(_, let words): " -x -a '\(words().joined(separator: " "))'"
        case .listOf(_, let words): " -x -a '(__\(name)_list \(words().joined(separator: " ")))'"
        // Else it takes --name= for a part of the directory's name.
        case .path(_, .directory): #" -x -a '(__fish_complete_directories (string replace -r -- "^--[^=]*=" "" (commandline -ct)))'"#
        case .path: " -r -F"
        }
        let short = option.short.map { " -s \($0)" } ?? ""
        return "complete -c \(name)\(short) -l \(option.name)\(value) -d '\(option.remark.escaping("'"))'"
    }
}
