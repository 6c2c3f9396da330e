import Foundation
import Testing

/// --timeout, of each filter.
@Suite struct TimeoutTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    /// What a script takes, in seconds, is far from what would be waited for without a deadline.
    private func run(_ script: String) throws -> (outcome: Outcome, seconds: Double) {
        let start = Date()
        return (try place.sh(script), Date().timeIntervalSince(start))
    }

    @Test(arguments: ["imgdecode", "imgresize 10", "imgencode", "imgstrip", "imginfo", "imgquality photo.jpg"])
    func aStalledPipeIsGivenUp(_ tool: String) throws {
        let source = tool == "imgresize 10" || tool == "imgencode" ? "imgdecode photo.jpg" : "cat photo.jpg"
        let (outcome, seconds) = try run("\(source) > in; mkfifo f; exec 3<> f; head -c 400 in >&3; \(tool) --timeout 0.3 < f > out; echo $?")
        #expect(outcome.text == "65\n" && seconds < 30, "\(outcome.text) \(seconds)")
        #expect(outcome.messages == ["\(tool.split(separator: " ")[0]): standard input: not done in 0.3 seconds (--timeout)"], "\(outcome.errors)")
    }

    @Test func othersOfAListAreDone() throws {
        let (outcome, seconds) = try run("mkfifo f; exec 3<> f; head -c 400 photo.jpg >&3; mkdir out; IMG_TIMEOUT=0.5 imgdecode photo.png f gray.jpg | imgencode --timeout 30 -o 'out/%n.jpg'; echo $?; ls out")
        #expect(outcome.text == "65\ngray.jpg\nphoto.jpg\n" && seconds < 30, "\(outcome.text)")
        #expect(outcome.messages == ["imgdecode: f: not done in 0.5 seconds (--timeout)"], "\(outcome.errors)")
    }

    @Test func workIsGivenUpToo() throws {
        let outcome = try run(
            """
            imgdecode photo.jpg | imgresize 4000x4000! > big
            for tool in 'imgencode -f webp --lossless --effort 9' 'imgencode -f jpeg --min-ssimulacra2 90' 'imgresize 9000 --max-total-pixels 1G'; do
                $tool --timeout 0.05 < big > out; echo $?
            done
            imgencode --compression 1 -f png < big > big.png; imgdecode --timeout 0.01 big.png > out; echo $?; imgquality --timeout 0.05 --metric ssimulacra2 big.png big.png; echo $?
            """).outcome
        #expect(outcome.text == "65\n65\n65\n65\n65\n", "\(outcome.text)")
        #expect(outcome.messages.count == 5 && outcome.messages.allSatisfy { $0.hasSuffix("seconds (--timeout)") }, "\(outcome.errors)")
    }

    @Test func enoughTimeChangesNothing() throws {
        #expect(try place.sh("imgdecode --timeout 100 photo.jpg | imgresize 50 --timeout 100 | imgencode --timeout 100 > a; imgdecode photo.jpg | imgresize 50 | imgencode | cmp - a").status == 0)
        for wrong in ["0", "-1", "x", "inf", "nan"] {
            #expect(try place.sh("imgdecode --timeout \(wrong) photo.jpg > out").status == 64, "\(wrong)")
        }
    }
}
