extension CommandDeclaration {
    /// For zsh's function path, as `_NAME`, or to be sourced after compinit.
    var zshCompletions: String {
        let arguments = (allOptions.map(Self.zshOption) + zshOperands).map { "        \($0)" }.joined(separator: " \\\n")
        return """
            #compdef \(name)
            # zsh completion for \(name), printed by \(name) --completions zsh
            _\(name)() {
                _arguments -s -S -w : \\
            \(arguments)
            }

            # Autoloaded, this file is the function's first body.
            if [[ ${funcstack[1]} == _\(name) ]]; then
                _\(name) "$@"
            else
                compdef _\(name) \(name)
            fi

            """
    }

    /// '(-q --quality)'{-q+,--quality=}'[Quality]:n: '
    private static func zshOption(_ option: OptionDeclaration) -> String {
        let action = switch option.value {
        case .none: ""
        case .any, .number: ":\(option.value.noun): "
        case .numberOr: "::\(option.value.noun): "
        case .oneOf(_, let words): ":\(option.value.noun):(\(words().joined(separator: " ")))"
        case .listOf(_, let words): ":\(option.value.noun):_values -s , \(option.value.noun) \(words().joined(separator: " "))"
        case .path(_, let kind): ":\(option.value.noun):\(files(kind))"
        }
        let isFlag = option.isFlag
        let names = (option.short.map { ["-\($0)\(isFlag ? "" : "+")"] } ?? []) + ["--\(option.name)\(isFlag ? "" : "=")"]
        let rest = quoted("[\(option.remark.escaping("[]"))]\(action)")
        return names.count == 1 ? names[0] + rest : "'(\(option.spellings.joined(separator: " ")))'{\(names.joined(separator: ","))}\(rest)"
    }

    private var zshOperands: [String] {
        let action = operandFiles.map(Self.files) ?? " "
        let nouns = operands.split(separator: " ").map { $0.lowercased().filter { !"[].".contains($0) } }
        if operandCount.upperBound > nouns.count { return [Self.quoted("*:\(nouns[0]):\(action)")] }
        return nouns.enumerated().map { place, noun in Self.quoted((place < operandCount.lowerBound ? ":" : "::") + "\(noun):\(action)") }
    }

    private static func files(_ kind: FileKind) -> String {
        switch kind {
        // _files offers all names where no name fits.
        case .picture, .compressedPicture: "_files -g \"(#i)*.(\(kind.endings.joined(separator: "|")))(-.)\""
        case .any: "_files"
        case .directory: "_files -/"
        }
    }

    private static func quoted(_ text: String) -> String { "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'" }
}
