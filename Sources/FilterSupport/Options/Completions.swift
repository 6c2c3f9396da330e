/// The shells that a tool has completions for.
enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

extension CommandDeclaration {
    /// The script that completes the tool's command lines in this shell.
    func completions(for shell: Shell) -> String {
        switch shell {
        case .bash: bashCompletions
        case .zsh: zshCompletions
        case .fish: fishCompletions
        }
    }
}

extension FileKind {
    /// How names of pictures usually end; none of other files. What a file is, its content tells: names with other endings are offered where none of
    /// these fits.
    var endings: [String] {
        let compressed = ["jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp"]
        return switch self {
        case .picture: compressed + ["pnm", "pbm", "pgm", "ppm", "pam"]
        case .compressedPicture: compressed
        case .any, .directory: []
        }
    }
}

extension OptionDeclaration {
    /// As on the command line, the long one last.
    var spellings: [String] { (short.map { ["-\($0)"] } ?? []) + ["--\(name)"] }

    /// The help, as shells show it beside a name: without its full stop.
    var remark: String { help.hasSuffix(".") ? String(help.dropLast()) : help }
}

extension String {
    /// Every one of `characters`, and each backslash, behind a backslash.
    func escaping(_ characters: String) -> String {
        map { $0 == "\\" || characters.contains($0) ? "\\\($0)" : String($0) }.joined()
    }
}
