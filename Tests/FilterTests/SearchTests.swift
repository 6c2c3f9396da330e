import Foundation
import Testing

/// imgencode's search for a quality as it is used. What it finds: Tests/conformance/search.py.
@Suite struct SearchTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        let outcome = try place.sh("imgdecode photo.jpg | imgresize 240x180! | imgencode -o a.png")
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    @Test func aFloorIsMet() throws {
        let outcome = try place.sh("for f in jpg webp; do imgdecode a.png | imgencode --min-ssim 0.95 -o a.$f; imgquality --min-ssim 0.95 a.png a.$f > /dev/null; echo $?; done")
        #expect(outcome.text == "0\n0\n" && outcome.messages.isEmpty)
        #expect(try place.sh("imgdecode a.png | imgencode --min-psnr 34 --min-ssimulacra2 50 | imgquality --min-psnr 34 --min-ssimulacra2 50 a.png").status == 0)
    }

    @Test func verboseSaysWhatWasFound() throws {
        let outcome = try place.sh("imgdecode a.png | imgencode -v --min-ssim 0.95 -o a.jpg; stat -c %s a.jpg")
        let size = outcome.text.trimmingCharacters(in: .newlines)
        #expect(outcome.messages.count == 1 && outcome.errors.contains("imgencode: a.png: quality ") && outcome.errors.contains(", \(size) bytes, of "), "\(outcome.errors)")
    }

    @Test func smallPicturesAreSearchedToo() throws {
        let outcome = try place.sh(
            "for size in 1 7 10 11 12 17; do imgdecode a.png | imgresize ${size}x$size! | imgencode -o s.png; imgdecode s.png | imgencode --min-psnr 20 -o s.jpg; imgquality --metric psnr --min-psnr 20 s.png s.jpg > /dev/null; echo $?; done; imgdecode a.png | imgresize 10 | imgencode --min-ssim 0.5; echo $?")
        #expect(outcome.text == String(repeating: "0\n", count: 6) + "65\n", "\(outcome.errors)")
        #expect(outcome.messages == ["imgencode: a.png: ssim needs 11 pixels a side, of 10x8"])
    }

    @Test func picturesThatLoseNothingAreFoundToo() throws {
        let outcome = try place.sh(
            "{ printf 'P5 16 16 255 '; head -c 256 /dev/zero; } > black.pgm; for f in jpg webp; do imgdecode black.pgm | imgencode -v --min-psnr 30 --tune-table t.csv -o b.$f; echo $?; done; imgdecode black.pgm | imgencode --min-ssim 1 | imgquality black.pgm; imgdecode black.pgm | imgencode --min-psnr 30 --max-bytes 10; echo $?")
        #expect(outcome.text == "0\n0\npsnr inf ssim 1\n1\n", "\(outcome.errors)")
        #expect(outcome.messages.count == 3 && outcome.errors.contains("psnr inf"))
    }

    @Test func ofThoseThatFitTheBetterOneIsTaken() throws {
        #expect(try place.sh("imgdecode a.png | imgencode -v --max-bytes 9999999 -o big.jpg; imgdecode a.png | imgencode -q 100 --subsampling 444 --optimize | cmp - big.jpg").status == 0)
        let nearest = try place.sh("imgdecode a.png | imgencode --min-ssim 0.9 --max-bytes 500; imgdecode a.png | imgencode --min-ssim 0.9 | wc -c")
        #expect(nearest.errors.contains(", \(nearest.text.trimmingCharacters(in: .whitespacesAndNewlines)) bytes"), "\(nearest.errors) \(nearest.text)")
    }

    @Test func bytesAreKept() throws {
        let outcome = try place.sh("imgdecode a.png | imgencode --max-bytes 5000 | wc -c; imgdecode a.png | imgencode -f webp --max-bytes 5000 | wc -c")
        let sizes = outcome.text.split(separator: "\n").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        #expect(sizes.count == 2 && sizes.allSatisfy { (4000...5000).contains($0) }, "\(sizes)")
    }

    @Test func whatCannotBeIsStatus1AndNothingIsWritten() throws {
        let outcome = try place.sh("imgdecode a.png | imgencode --min-ssim 0.9999 --max-bytes 2000 -o none.jpg; echo $?; ls none.jpg 2> /dev/null; imgdecode a.png | imgencode --max-bytes 10 | wc -c")
        #expect(outcome.text == "1\n0\n")
        #expect(outcome.messages.count == 2 && outcome.messages[0].hasPrefix("imgencode: a.png: no quality reaches ssim 0.9999 and 2000 bytes; the nearest is quality "))
    }

    @Test func ofAListEachIsFoundAsAlone() throws {
        let outcome = try place.sh(
            """
            imgdecode a.png | imgresize 100 | imgencode -o b.png; imgdecode photo.jpg | imgresize 200 | imgencode -o c.png; mkdir one all
            imgdecode a.png b.png c.png | imgencode --min-ssim 0.93 -o 'all/%n.jpg'
            for f in a b c; do imgdecode $f.png | imgencode --min-ssim 0.93 -o one/$f.jpg; cmp one/$f.jpg all/$f.jpg || echo $f differs; done
            imgdecode a.png c.png | imgencode --min-ssim 0.9999 --max-bytes 900 -o 'all/%n-2.jpg'; echo $?; ls all
            """)
        #expect(outcome.text == "1\na.jpg\nb.jpg\nc.jpg\n", "\(outcome.text)")
    }

    @Test func theCurveIsWritten() throws {
        let outcome = try place.sh("imgdecode a.png | imgencode --min-ssim 0.95 --tune-table t.csv --plot p.svg -o a.jpg; head -n 1 t.csv | tr -d '\\r'; wc -l < t.csv; grep -c '<circle' p.svg")
        let lines = outcome.text.split(separator: "\n")
        #expect(lines.first == "file,quality,subsampling,bytes,ssim" && (Int(lines[1]) ?? 0) >= 21 && Int(lines[2]) == Int(lines[1])! - 1, "\(outcome.text)")
    }

    @Test func wrongCommandLinesAre64() throws {
        for options in [
            "--min-ssim x", "--max-bytes 0", "--min-ssim 0.9 -q 80", "--min-ssim 0.9 -f png", "--min-ssim 0.9 -f webp --lossless", "--tune-table t.csv",
        ] {
            #expect(try place.sh("imgdecode a.png | imgencode \(options) > out").status == 64, "\(options)")
        }
    }
}
