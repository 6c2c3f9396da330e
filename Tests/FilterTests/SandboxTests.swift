import Foundation
import Testing

/// What a picture can do that has got hold of its decoder. The debug build has one that tries (Intruder).
@Suite(.enabled(if: !isSanitized, "a sanitizer has no sandbox")) struct SandboxTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        _ = try place.sh(
            """
            mkdir out elsewhere; echo secret > elsewhere/secret; cp photo.jpg a.jpg; cp photo.jpg b.jpg
            exiftool -q -overwrite_original -Comment=hello a.jpg b.jpg; PATH=\(Self.debug.path):$PATH
            imgdecode photo.png > one.pix; printf 'a.jpg\\0b.jpg\\0' > list; cp photo.png out/other.png
            """)
    }

    private static let debug = projectDirectory.appendingPathComponent(".build/debug")

    /// A command of each way to work, and where it may make files.
    struct Mode: CustomTestStringConvertible {
        var name: String
        var command: String
        var outputs: String?
        var testDescription: String { name }
    }

    static let modes = [
        Mode(name: "imgdecode, one file", command: "imgdecode photo.jpg > /dev/null"),
        Mode(name: "imgdecode, standard input", command: "imgdecode < photo.jpg > /dev/null"),
        Mode(name: "imgdecode, several", command: "imgdecode photo.jpg photo.png photo.webp > /dev/null"),
        Mode(name: "imgdecode, a list", command: "imgdecode --files0-from list > /dev/null"),
        Mode(name: "imgdecode, a slow list", command: "cat list | imgdecode --files0-from - > /dev/null"),
        Mode(name: "imginfo", command: "imginfo photo.jpg"),
        Mode(name: "imginfo, a slow list", command: "cat list | imginfo --files0-from -"),
        Mode(name: "imgresize", command: "imgresize 8 < one.pix > /dev/null"),
        Mode(name: "imgquality", command: "imgquality photo.png photo.jpg"),
        Mode(name: "imgencode, standard output", command: "imgencode < one.pix > /dev/null"),
        Mode(name: "imgencode, one file", command: "imgencode -o out/x.jpg < one.pix", outputs: "out"),
        Mode(name: "imgencode, a template", command: "imgencode -o 'out/%n.jpg' < one.pix", outputs: "out"),
        Mode(name: "imgencode, a template with directories", command: "imgencode -o 'out/%d/%n.jpg' < one.pix", outputs: "out"),
        Mode(name: "imgstrip, one file", command: "imgstrip a.jpg > /dev/null"),
        Mode(name: "imgstrip, a template", command: "imgstrip -o 'out/%f' a.jpg b.jpg", outputs: "out"),
        Mode(name: "imgstrip, a template and a slow list", command: "cat list | imgstrip -j 2 -o 'out/%f' --files0-from -", outputs: "out"),
        Mode(name: "imgstrip, in place", command: "cp a.jpg b.jpg out; imgstrip -i out/a.jpg out/b.jpg", outputs: "out"),
        Mode(name: "imgstrip, in place, a slow list", command: "cat list | imgstrip -i -j 2 --files0-from -"),
        Mode(name: "imgquality, a map", command: "imgquality --map out/map.png photo.png photo.jpg", outputs: "out"),
    ]

    private func run(_ mode: Mode, _ deed: String, sandboxed: Bool = true) throws -> Outcome {
        let switchedOff = sandboxed ? "" : "export IMG_NO_SANDBOX=1; "
        return try place.sh("ulimit -c 0; export SWIFT_BACKTRACE=enable=no; export IMG_INTRUDER='\(deed)'; \(switchedOff)PATH=\(Self.debug.path):$PATH; \(mode.command)")
    }

    private func isStopped(_ outcome: Outcome, bySignal: Bool) -> Bool {
        // 31 is SIGSYS, and what sh makes of it.
        bySignal ? outcome.status == 128 + 31 : outcome.errors.contains("intruder: ") && !outcome.errors.contains("intruder: done")
    }

    @Test(arguments: modes) func theIntruderIsStopped(_ mode: Mode) throws {
        let secret = place.url("elsewhere/secret").path
        for deed in ["read:\(secret)", "write:\(secret)", "write:\(place.url("elsewhere/new").path)", "read:/etc/passwd", "read:\(place.url("photo.png").path)"] {
            #expect(isStopped(try run(mode, deed), bySignal: false), "\(deed)")
        }
        for deed in ["socket", "process", "program"] { #expect(isStopped(try run(mode, deed), bySignal: true), "\(deed)") }
        #expect(try place.names(in: "elsewhere") == ["secret"])
        // Where files are made: none that is there is read or written.
        if let outputs = mode.outputs {
            for deed in ["read", "write"] { #expect(isStopped(try run(mode, "\(deed):\(place.url(outputs).path)/other.png"), bySignal: false), "\(deed)") }
        }
    }

    /// So that the test above can fail.
    @Test(arguments: modes) func withoutItTheIntruderIsNot(_ mode: Mode) throws {
        for deed in ["read:/etc/passwd", "write:\(place.url("elsewhere/new").path)", "socket", "process"] {
            #expect(try run(mode, deed, sandboxed: false).errors.contains("intruder: done"), "\(deed)")
        }
    }

    @Test func aProgramIsStartedWithoutIt() throws {
        let outcome = try run(Self.modes[0], "program", sandboxed: false)
        // It is the program now, which says nothing.
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
    }

    /// Of imgbatch: who works on pictures is a process of its own, and the one that hands them out lives on.
    static let workers = [
        Mode(name: "a worker", command: #"printf '{"id":1,"in":"photo.jpg","out":"out/w.jpg"}\n' | imgbatch -j 1 --isolate always"#, outputs: "out")
    ]

    @Test(arguments: workers) func anIntruderInAWorkerIsStopped(_ mode: Mode) throws {
        let secret = place.url("elsewhere/secret").path
        for deed in ["read:\(secret)", "write:\(secret)", "write:\(place.url("elsewhere/new").path)", "read:/etc/passwd", "read:out/other.png", "write:out/other.png", "write:out/new"] {
            let outcome = try run(mode, deed)
            #expect(isStopped(outcome, bySignal: false) && outcome.status == 0 && outcome.text.contains(#""status":"done""#), "\(deed)")
            #expect(try run(mode, deed, sandboxed: false).errors.contains("intruder: done"), "\(deed), without it")
            _ = try place.sh("rm -f elsewhere/new out/new; echo secret > elsewhere/secret")
        }
        for deed in ["socket", "process", "program"] {
            let outcome = try run(mode, deed)
            #expect(outcome.status == 0 && outcome.text.contains("its worker process died of signal 31 (bad system call)"), "\(deed)")
        }
    }

    /// Each picture costs what its time allows at most, and its worker; the run goes on to its end, with the files open that it had.
    @Test(arguments: ["hangup", "silent", "babble", "answer"]) func aWorkerThatPlaysFalseHoldsNothingUp(_ deed: String) throws {
        let outcome = try place.sh(
            """
            export IMG_INTRUDER=\(deed); export PATH=\(Self.debug.path):$PATH; mkfifo jobs; exec 3<> jobs
            timeout 60 imgbatch -j 1 --isolate always --timeout 1 < jobs > answers 3>&- &
            for i in 1 2 3 4; do
                printf '{"id":%d,"in":"photo.jpg","out":"out/w.jpg"}\\n' $i >&3
                while [ "$(wc -l < answers)" -lt $i ]; do sleep 0.01; kill -0 $! || break; done
                [ $i = 1 ] || ls /proc/$(pgrep -P $! imgbatch)/fd | wc -l
            done
            exec 3>&-; wait $!; echo $?; cat answers
            """)
        let lines = outcome.text.split(separator: "\n").map { String($0).trimmingCharacters(in: .whitespaces) }
        try #require(lines.count == 8, "\(outcome)")
        #expect(lines[0] == lines[2], "open files after the second picture and the fourth: \(lines)")
        #expect(lines[3] == "0", "\(lines)")
        let word = ["silent": "not done in 2 seconds", "answer": #""error":"","exit":65"#][deed] ?? "its worker process said what makes no sense"
        for line in lines[4...] { #expect(line.contains(#""status":"failed""#) && line.contains(word), "\(line)") }
    }

    @Test func aWorkerHasNothingOfItsParents() throws {
        let script = """
            mkfifo jobs; exec 9> kept; export AWS_SECRET_ACCESS_KEY=hidden AWS_ACCESS_KEY_ID=hidden TMPDIR=/tmp
            imgbatch -j 1 --isolate always --journal journal < jobs > answers &
            exec 3> jobs; printf '{"id":1,"in":"photo.jpg","out":"out/w.jpg"}\\n' >&3
            while ! [ -s answers ]; do sleep 0.01; done
            worker=$(pgrep -P $!)
            tr '\\0' '\\n' < /proc/$worker/environ | cut -d= -f1 | sort | tr '\\n' ' '
            for number in /proc/$worker/fd/*; do readlink $number; done | sed 's/[0-9][0-9]*//g' | sort | uniq -c | sed 's/^ *//'
            grep -E '^(Seccomp|NoNewPrivs):' /proc/$worker/status
            exec 3>&-; wait $!; echo $?
            """
        let lines = try place.sh(script).text.split(separator: "\n").map(String.init)
        #expect(!lines[0].contains("AWS") && lines[0].contains("IMG_MAX_PIXELS"))
        // Standard streams that lead nowhere, and the socket.
        #expect(lines[0].hasSuffix("3 /dev/null") && lines.contains("1 socket:[]") && !lines.contains { $0.contains("kept") || $0.contains("journal") || $0.contains("jobs") }, "\(lines)")
        #expect(lines.contains("Seccomp:\t2") && lines.contains("NoNewPrivs:\t1") && lines.last == "0", "\(lines)")
    }

    @Test func verboseSaysWhichLayersHold() throws {
        let outcome = try place.sh("imgdecode -v photo.png | imgresize -v 100 | imgencode -v > a.jpg; imginfo -v a.jpg; imgquality -v a.jpg a.jpg; imgstrip -v a.jpg > b.jpg")
        #expect(outcome.status == 0 && outcome.sandboxes.count == 6)
        #expect(Set(outcome.sandboxes).count == 1 && outcome.sandboxes[0].hasPrefix("no new privileges, limits"))
        #expect(try place.sh("imginfo -v --no-sandbox a.jpg").sandboxes == ["none"])
        #expect(try place.sh("IMG_NO_SANDBOX=1 imginfo -v a.jpg").sandboxes == ["none"])
    }

    /// 600 names: more than are opened at once.
    @Test func longListsGiveWhatTheyGiveWithoutIt() throws {
        let script = """
            for i in $(seq 200); do printf 'photo.png\\0missing.png\\0gray.jpg\\0'; done > long
            for way in "" --no-sandbox; do imgdecode $way --files0-from long 2> messages$way | cksum; done > sums
            cat long | imgdecode --files0-from - 2> messages-piped | cksum >> sums
            uniq sums | wc -l; cmp messages messages--no-sandbox; cmp messages messages-piped; grep -c missing.png messages
            """
        #expect(try place.sh(script).text.split(separator: "\n") == ["1", "200"])
    }

    @Test func whatIsTooLargeForMemoryFindsRoom() throws {
        // A turned picture is held whole: 192,000 bytes, where 150,000 are allowed; and a file of more than waits in memory goes to a pipe.
        let script = """
            exiftool -q -overwrite_original -Orientation#=6 photo.png
            mkdir scratch; export TMPDIR=$PWD/scratch
            imgdecode --orient apply --max-memory 800K photo.png > small.pix && imgdecode --orient apply photo.png | cmp - small.pix
            ls -A scratch
            """
        let outcome = try place.sh(script)
        #expect(outcome.errors == "" && outcome.text == "")
    }

    /// Commands that could not be told from those without a sandbox before.
    @Test(arguments: [
        "mkdir 50%; imgstrip -o '50%%/x.jpg' a.jpg && cat 50%/x.jpg", "mkdir 50%; imgencode -o '50%%/x.jpg' < one.pix && cat 50%/x.jpg",
        "mkdir d1; imgstrip -o 'd%i/x.jpg' < a.jpg && cat d1/x.jpg", "imgstrip -o 'out/%d/%f' < a.jpg && ls -R out",
        "printf 'a.jpg\\0' | imginfo -b --files0-from /dev/stdin", "imgdecode $(yes a.jpg | head -n 300) /dev/stdin < b.jpg",
        "mkfifo f; cat a.jpg > f & imgstrip f", "mkfifo f; cat f > got & imgstrip -o f a.jpg && wait && cat got", "imgstrip -o /dev/stdout a.jpg | cat",
        "(sleep 0.3; mkdir late; cat one.pix) | imgencode -o late/x.jpg && cat late/x.jpg", "ln -s out/linked.jpg link.jpg; imgstrip -o link.jpg a.jpg && cat out/linked.jpg",
        "exec 3<a.jpg; imgstrip /dev/fd/3", "for i in 3 4 5 6 7 8 9; do eval \"exec $i</dev/null\"; done; imgstrip -o 'out/%f' a.jpg && cat out/a.jpg",
        "(ulimit -n 20; ls *.jpg | tr '\\n' '\\0' | imgstrip -j 8 -i --files0-from -) && cat a.jpg b.jpg",
        "imgstrip --fsync -i a.jpg b.jpg && cat a.jpg b.jpg", "imgstrip -i -v a.jpg a.jpg b.jpg ./a.jpg; cat a.jpg b.jpg",
        "imgdecode missing.jpg a.jpg missing.jpg", "imgstrip -i missing.jpg a.jpg; cat a.jpg", "imgencode -o missing/x.jpg < one.pix",
    ])
    func theOutcomeIsThatWithoutIt(_ script: String) throws {
        let there = try Workplace()
        _ = try there.sh("cp -r \(place.directory.path)/. .")
        let (here, other) = (try place.sh(script), try there.sh("export IMG_NO_SANDBOX=1; \(script)"))
        #expect(here.status == other.status && here.output == other.output && here.errors == other.errors, "\(here.errors)\(other.errors)")
    }

    @Test func pipesThatHaveToBeLookedIntoHaveAFileEach() throws {
        // Of more than a spool holds in memory, too: noise.
        try place.put(Workplace.noise(1400, 900), "noise.ppm")
        let script = """
            cwebp -quiet -lossless -m 0 -z 0 noise.ppm -o big.webp && test $(wc -c < big.webp) -gt 2200000
            imgstrip big.webp > whole; cat big.webp | imgstrip -o /dev/stdout | cat > piped; cmp whole piped
            mkfifo f g; cat big.webp > f & cat big.webp > g & imgstrip -j 2 -o 'out/%f' f g && cmp whole out/f && cmp whole out/g
            mkfifo h; cat big.webp > h & printf 'h\\0' | cat | imgstrip -o 'out/%f' --files0-from - && cmp whole out/h
            """
        let outcome = try place.sh(script)
        #expect(outcome.status == 0 && outcome.errors == "")
    }
}
