extension CommandDeclaration {
    /// The text of `--help`, in lines of at most 80 columns.
    var help: String {
        let usage = ["usage: \(name)", operands, "[OPTION]..."].filter { !$0.isEmpty }.joined(separator: " ")
        let introduction = Self.wrapped(discussion, indent: 0)
        return """
            \(usage)
            \(summary)

            \(introduction)

            Options:
            \(Self.lines(options))
            Limits:
            \(Self.lines(LimitOptions.declarations))
            Others:
            \(Self.lines(allOptions.suffix(allOptions.count - options.count - LimitOptions.declarations.count)))
            """
    }

    private static let helpColumn = 27
    private static let columns = 80

    private static func lines(_ options: some Sequence<OptionDeclaration>) -> String {
        options.map { option in
            let head = "  " + (option.short.map { "-\($0), " } ?? "    ") + "--\(option.name)" + option.value.usage
            let text = wrapped(option.help + option.note, indent: helpColumn)
            // A head that leaves no room has a line of its own.
            let isLong = head.count + 1 > helpColumn
            return isLong ? "\(head)\n\(text)\n" : head + text.dropFirst(head.count) + "\n"
        }.joined()
    }

    private static func wrapped(_ text: String, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        var lines = [margin]
        for word in text.split(separator: " ") {
            if lines.last!.count + word.count + 1 > columns && lines.last!.count > indent { lines.append(margin) }
            lines[lines.count - 1] += (lines.last!.count > indent ? " " : "") + word
        }
        return lines.joined(separator: "\n")
    }
}

extension OptionDeclaration {
    /// What is known of the value beside its help.
    fileprivate var note: String {
        let choices: [String] = if case .oneOf(_, let choices) = value { [choices().joined(separator: ", ")] } else { [] }
        let notes = choices + (defaultText.map { ["default \($0)"] } ?? [])
        return notes.isEmpty ? "" : " (" + notes.joined(separator: "; ") + ")"
    }
}

extension OptionDeclaration.Value {
    /// What it is called in the help; empty where there is none.
    var noun: String {
        switch self {
        case .none: ""
        case .any(let noun), .path(let noun, _), .oneOf(let noun, _), .listOf(let noun, _), .number(let noun, _), .numberOr(let noun, _, _): noun
        }
    }

    fileprivate var usage: String {
        switch self {
        case .none: ""
        case .numberOr: " [" + noun.uppercased() + "]"
        default: " " + noun.uppercased()
        }
    }
}
