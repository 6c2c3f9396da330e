import Foundation
import Testing

/// imgdecode --salvage as it is used. What comes out of damaged files: Tests/conformance/salvage.py.
@Suite struct SalvageTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        let outcome = try place.sh("imgdecode photo.jpg | imgencode -q 85 -o b.jpg; imgdecode photo.jpg | imgencode -o p.png; for f in b.jpg p.png; do head -c $(($(stat -c %s $f) / 2)) $f > cut-$f; done")
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    @Test func whatThereIsComesOutAndIsSaid() throws {
        for file in ["cut-b.jpg", "cut-p.png"] {
            let outcome = try place.sh("imgdecode --salvage $1 | imgresize 100 | imgencode -o out.png; echo $?; imgdecode out.png > /dev/null", file)
            #expect(outcome.text == "0\n" && outcome.messages.count == 1)
            #expect(outcome.errors.contains("imgdecode: \(file): salvaged: truncated at byte ") && outcome.errors.contains("; of 200 rows 0-"), "\(outcome.errors)")
            #expect(outcome.errors.contains(" whole, ") && outcome.errors.contains("-199 absent"), "\(outcome.errors)")
            #expect(try place.sh("imgdecode $1 | imgencode > none.jpg; echo $?", file).text == "65\n")
        }
    }

    @Test func wholeFilesAreAsWithoutIt() throws {
        for file in ["photo.jpg", "progressive.jpg", "photo.png", "interlaced.png", "photo.webp", "alpha.png", "deep.png"] {
            #expect(try place.sh("imgdecode --salvage $1 > a; imgdecode $1 | cmp - a", file).status == 0, "\(file)")
        }
    }

    @Test func tooLittleIsAnError() throws {
        let outcome = try place.sh("imgdecode --salvage --min-recovered 90 cut-p.png > /dev/null; echo $?; imgdecode --salvage --min-recovered 20 cut-p.png > /dev/null; echo $?; head -c 40 p.png > head.png; imgdecode --salvage head.png > /dev/null; echo $?")
        #expect(outcome.text == "65\n0\n65\n" && outcome.errors.contains(" % of its rows can be had, and --min-recovered is 90"), "\(outcome.errors)")
        for wrong in ["--min-recovered 50", "--salvage --carry-file", "--salvage --min-recovered 101"] {
            #expect(try place.sh("imgdecode \(wrong) p.png > /dev/null").status == 64, "\(wrong)")
        }
    }

    @Test func theStreamSaysWhichRowsAreReal() throws {
        let outcome = try place.sh("imgdecode --salvage cut-p.png 2> /dev/null | imginfo --json")
        let object = try #require(try JSONSerialization.jsonObject(with: outcome.output) as? [String: Any])
        let damage = try #require(object["damage"] as? [[String: Any]])
        #expect(damage.count == 1 && damage[0]["kind"] as? String == "absent" && (damage[0]["row"] as? Int ?? 0) + (damage[0]["rows"] as? Int ?? 0) == 200)
        #expect((damage[0]["text"] as? String)?.hasPrefix("truncated at byte") ?? false)
    }

    @Test func oneOfAListDoesNotStopTheOthers() throws {
        let outcome = try place.sh("mkdir out; imgdecode --salvage b.jpg cut-b.jpg p.png | imgencode -o 'out/%n.webp'; echo $?; ls out")
        #expect(outcome.text == "0\nb.webp\ncut-b.webp\np.webp\n" && outcome.messages.count == 1)
    }
}
