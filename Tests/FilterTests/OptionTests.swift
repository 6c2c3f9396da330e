import Foundation
import Testing

/// How command lines are written.
@Suite struct OptionTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        try place.sh("imgdecode photo.jpg > s; imgencode --quality 45 --optimize < s > expected")
    }

    @Test(arguments: [
        "-q 45 --optimize", "-q45 --optimize", "--quality=45 --optimize", "--optimize --quality 45", "-q 99 --optimize -q 45", "-vq45 --optimize",
        "-o - --optimize -q45", "-q45 --optimize --", "--output=- --optimize -vq 45",
    ])
    func valuesAreWrittenAsInGNU(_ words: String) throws {
        let outcome = try place.sh("imgencode \(words) < s | cmp - expected")
        #expect(outcome.status == 0 && outcome.text.isEmpty && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    @Test(arguments: [
        ("imgencode -q", "imgencode: --quality needs a value; see imgencode --help"),
        ("imgencode --quality=", "imgencode: --quality is empty"),
        ("imgencode -quality 45", "imgencode: --quality uality is no number"),
        ("imgencode --optimize=yes", "imgencode: --optimize takes no value"),
        ("imgencode -x", "imgencode: unknown option -x; see imgencode --help"),
        ("imgencode --qual 45", "imgencode: unknown option --qual; see imgencode --help"),
        ("imgencode -- --optimize", "imgencode: --optimize is one word too many; see imgencode --help"),
        ("imgencode --max-memory 1T", "imgencode: --max-memory 1T is no number"),
        ("imgencode --max-memory 99999999999G", "imgencode: --max-memory 99999999999G is no number"),
        ("imgencode \"$(printf '\\055\\055\\033\\377')\"", "imgencode: unknown option --\\x1b\\xff; see imgencode --help"),
        ("imgencode --completions tcsh", "imgencode: --completions tcsh is none of bash, zsh, fish"),
        ("imgresize 8 9", "imgresize: 9 is one word too many; see imgresize --help"),
    ])
    func whatIsWrongIsNamed(_ command: String, _ message: String) throws {
        let outcome = try place.sh("\(command) < s > out")
        #expect(outcome.status == 64 && outcome.messages == [message], "\(outcome.errors)")
    }

    /// A number behind an option that can stand alone is its value; another word is not.
    @Test func palettesColoursMayBeLeftOut() throws {
        let outcome = try place.sh("""
            imgencode -f png --palette < s > a; imgencode -f png --palette 256 < s | cmp - a; imgencode --palette=256 -f png < s | cmp - a
            imgencode --palette --format png < s | cmp - a; imgencode -f png --palette 16 < s > b; ! cmp -s a b && pngcheck -q b
            """)
        #expect(outcome.status == 0 && outcome.text.isEmpty && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    /// Options stand anywhere; names that begin with a hyphen come after `--`.
    @Test func wordsAndOptionsMix() throws {
        let outcome = try place.sh("""
            imgresize 80 --filter box < s > a; imgresize --filter=box 80 < s | cmp - a; imgresize --filter box -- 80 < s | cmp - a
            cp photo.jpg ./-a.jpg; imgdecode photo.jpg -v -- -a.jpg | imgencode -o '%i.jpg' && cmp 1.jpg 2.jpg
            """)
        #expect(outcome.status == 0 && outcome.text.isEmpty && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    /// A question is answered whatever else is asked for; what is answered, Tests/conformance/completions.py looks at.
    @Test(arguments: ["bash", "zsh", "fish"])
    func completionsAreAnAnswer(_ shell: String) throws {
        let outcome = try place.sh("imgresize --fit none --completions \(shell) --wrong | grep -c completions; imgencode -v --completions=\(shell) > out; cut -c1 out | head -n 1")
        #expect(outcome.status == 0 && outcome.errors.isEmpty && outcome.text.hasSuffix("#\n"), "\(outcome.text)\(outcome.errors)")
    }

    /// Every option of the help is taken by its tool: told apart from one that is not known by what is said of it.
    @Test(arguments: ["imgdecode", "imgresize", "imgencode"])
    func everyOptionOfTheHelpIsKnown(_ tool: String) throws {
        let help = try place.sh("\(tool) --help")
        #expect(help.text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(help.text)")
        let options = help.text.split(separator: "\n").compactMap { $0.firstMatch(of: /^ {2,6}(-., )?(--[a-z0-9-]+)/)?.2 }
        #expect(options.count > 12)
        for option in options where option != "--help" && option != "--version" {
            let outcome = try place.sh("\(tool) \(option) < /dev/null > out")
            #expect(outcome.status != 0 && !outcome.errors.contains("unknown option"), "\(option): \(outcome.errors)")
        }
    }
}
