extension CommandDeclaration {
    /// For bash 4 and later, with the package bash-completion or without it.
    ///
    /// Names of files are left to readline (`-o default`), which knows quotes and tildes, but for pictures, which are picked out first.
    var bashCompletions: String {
        """
        # bash completion for \(name), printed by \(name) --completions bash
        _\(name)() {
            local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} begin='' kind words='' name i
            local IFS=$' \\t\\n' redirection='^[0-9&]*[<>]+[|&]?$'
            COMPREPLY=()
            # --name=value is three words or one, as COMP_WORDBREAKS has it.
            if [[ $word == = && $option == --* ]]; then
                word=''
            elif [[ $option == = && ${COMP_WORDS[COMP_CWORD - 2]} == --* ]]; then
                option=${COMP_WORDS[COMP_CWORD - 2]}
            elif [[ $word == --*=* ]]; then
                option=${word%%=*} begin=${word%%=*}= word=${word#*=}
            fi
            # Short options may be joined, with each other and with a value.
            if [[ $word =~ ^\(joined)(.+)$ ]]; then
                option=-${BASH_REMATCH[2]} begin=${BASH_REMATCH[1]} word=${BASH_REMATCH[3]}
            elif [[ $option =~ ^\(joined)$ ]]; then
                option=-${BASH_REMATCH[2]}
            fi
            for ((i = 1; i < COMP_CWORD; i++)); do
                if [[ ${COMP_WORDS[i]} == -- ]]; then option=--; fi
            done
            # bash leaves these to the function too.
            if [[ $word =~ $redirection || ${COMP_WORDS[COMP_CWORD - 1]} =~ $redirection ]]; then option='>'; fi
            case $option in
        \(bashCases)
            '>') kind=path ;;
            --) kind=\(operandKind) ;;
            *)
                kind=\(operandKind)
                if [[ $word == -* ]]; then
                    kind=words words='\(allOptions.flatMap(\.spellings).joined(separator: " "))'
                fi ;;
            esac
            case $kind in
            list)
                if [[ $word == *,* ]]; then begin+=${word%,*}, word=${word##*,}; fi
                compopt -o nospace ;;&
            words | list)
                mapfile -t COMPREPLY < <(compgen -P "$begin" -W "$words" -- "$word") ;;
            picture | path | directory)
                # Joined to its option a value is no name that readline could complete.
                if [[ $begin ]]; then
                    mapfile -t COMPREPLY < <(compgen -P "$begin" -f -- "$word")
                    compopt -o nospace
                elif [[ $kind == directory ]]; then
                    compopt -o dirnames
                else
                    compopt -o default
                fi ;;&
            picture)
                # Without one of these endings only where no name has one.
                while IFS= read -r name; do
                    if [[ ${name,,} == *.@(\((operandFiles?.endings ?? []).joined(separator: "|"))) ]]; then COMPREPLY+=("$name"); fi
                done < <(compgen -f -- "$word")
                if ((${#COMPREPLY[@]})); then
                    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$word")
                    compopt -o filenames
                fi ;;
            esac
        }
        complete -F _\(name) \(name)

        """
    }

    /// A regular expression for short options up to one that needs a value, which is the second group.
    private var joined: String {
        func letters(_ options: [OptionDeclaration]) -> String { String(options.compactMap(\.short)) }
        let valued = letters(allOptions.filter { !$0.mayStandAlone })
        // Where none does, one that nobody has.
        return "(-[\(letters(allOptions.filter(\.mayStandAlone)))]*([\(valued.isEmpty ? "=" : valued)]))"
    }

    private var operandKind: String {
        switch operandFiles {
        case .picture, .compressedPicture: "picture"
        case .any: "path"
        case .directory: "directory"
        case nil: "none"
        }
    }

    /// What is completed behind an option that needs a value.
    private var bashCases: String {
        allOptions.filter { !$0.mayStandAlone }.map { option in
            let action = switch option.value {
            case .oneOf(_, let words): "kind=words words='\(words().joined(separator: " "))'"
            case .listOf(_, let words): "kind=list words='\(words().joined(separator: " "))'"
            case .path(_, .directory): "kind=directory"
            case .path: "kind=path"
            case .none, .any, .number, .numberOr: "kind=none"
            }
            return "    \(option.spellings.joined(separator: " | "))) \(action) ;;"
        }.joined(separator: "\n")
    }
}
