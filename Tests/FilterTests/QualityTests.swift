import Foundation
import Testing

/// imgquality as it is used. Values beside other implementations: Tests/conformance/quality.py.
@Suite struct QualityTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        let outcome = try place.sh("imgdecode photo.jpg | imgresize 240x180! | imgencode -o a.png; imgdecode a.png | imgencode -q 60 -o a.jpg")
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    /// A score out of `psnr 38.2143 ssim 0.971234`.
    private func score(_ metric: String, _ text: String) -> Double? {
        let words = text.split { $0 == " " || $0 == "\n" }
        return words.firstIndex(of: Substring(metric)).flatMap { Double(words[$0 + 1]) }
    }

    @Test func equalPicturesAreEqual() throws {
        #expect(try place.sh("imgquality a.png a.png").text == "psnr inf ssim 1\n")
        #expect(try place.sh("imgdecode a.png | imgquality --metric ssimulacra2,ms-ssim a.png").text == "ssimulacra2 100 ms-ssim 1\n")
        let json = try place.sh("imgquality --json a.png a.png").text
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        #expect(object["psnr"] is NSNull && object["equal"] as? Bool == true && object["ssim"] as? Double == 1)
    }

    /// 20 log10(255 / 8), and PSNR of one sample in four that differs: 6.02 more.
    @Test func psnrIsAsDefined() throws {
        let outcome = try place.sh(
            #"printf 'P5 2 2 255 \200\200\200\200' > x.pgm; printf 'P5 2 2 255 \210\210\210\210' > y.pgm; printf 'P5 2 2 255 \210\200\200\200' > z.pgm; for f in y z; do imgquality --metric psnr x.pgm $f.pgm; done"#)
        #expect(outcome.text == "psnr 30.069\npsnr 36.0896\n")
    }

    @Test func floorsAreStatus1() throws {
        #expect(try place.sh("imgquality --min-ssim 0.5 a.png a.jpg && imgquality --min-psnr 20 --min-ssimulacra2 -1000 a.png a.jpg").status == 0)
        let outcome = try place.sh("imgquality --min-ssim 0.9999 a.png a.jpg || echo too low $?")
        #expect(outcome.text.hasSuffix("too low 1\n") && outcome.messages.isEmpty)
        #expect(try place.sh("imgquality --metric psnr --min-ssim 2 a.png a.png").text == "psnr inf ssim 1\n")
    }

    @Test func whatCannotBeComparedIsRefused() throws {
        let outcome = try place.sh("imgdecode a.png | imgresize 100 | imgquality a.png; echo $?")
        #expect(outcome.text == "65\n" && outcome.messages == ["imgquality: standard input: sizes differ: 240x180 and 100x75"])
        #expect(try place.sh("imgdecode a.png | imgresize 8 | imgencode -o t.png; imgquality t.png t.png; echo $?").errors == "imgquality: t.png: ssim needs 11 pixels a side, of 8x6\n")
        let cut = try place.sh("head -c 2000 a.jpg > cut.jpg; imgdecode cut.jpg 2> /dev/null | imgquality a.png; echo $?; imgquality a.png cut.jpg; echo $?")
        #expect(cut.text == "65\n65\n")
        for wrong in ["", "a b c", "--metric psnr,x a.png", "- -", "--min-ssim x a.png", "--map x.gif a.png a.png", "--map x a.png a.png"] {
            #expect(try place.sh("imgquality \(wrong) < /dev/null").status == 64, "\(wrong)")
        }
    }

    @Test func picturesAreBroughtToTheSameTerms() throws {
        // Turned in EXIF, with a profile, in grey, with 16 bits.
        let turned = try place.sh("imgdecode a.png | imgencode -q 95 -o t.jpg; jpegtran -rotate 270 -copy all t.jpg > r.jpg 2> /dev/null; exiftool -q -overwrite_original -Orientation#=6 r.jpg; imgquality a.png r.jpg; imgquality a.png t.jpg")
        let lines = turned.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 2 && abs(score("psnr", lines[0])! - score("psnr", lines[1])!) < 0.5, "\(turned.text)")
        #expect(try place.sh("imgdecode --depth 16 a.png | imgquality a.png").text == "psnr inf ssim 1\n")
        #expect(try place.sh("imgdecode --pixels gray a.png | imgencode -o g.png; imgdecode --pixels rgb g.png | imgquality g.png").text == "psnr inf ssim 1\n")
    }

    /// What is hidden under alpha is the same; what is half there counts half.
    @Test func alphaIsBlendedAndTheWorseGroundCounts() throws {
        let outcome = try place.sh(
            """
            header='P7\\nWIDTH 16\\nHEIGHT 16\\nDEPTH 4\\nMAXVAL 255\\nTUPLTYPE RGB_ALPHA\\nENDHDR\\n'
            fill() { printf "$header"; i=0; while [ $i -lt 256 ]; do printf "$1"; i=$((i+1)); done; }
            fill '\\001\\002\\003\\000' > a.pam; fill '\\377\\372\\350\\000' > b.pam; fill '\\377\\377\\377\\377' > w.pam; fill '\\377\\377\\377\\000' > n.pam
            imgquality --metric psnr a.pam b.pam; imgquality --metric psnr w.pam n.pam
            """)
        // White against nothing is the same on white, and 0 dB on black.
        #expect(outcome.text == "psnr inf\npsnr 0\n", "\(outcome.errors)")
    }

    @Test func oneTeeMayFeedBoth() throws {
        // More than pipes hold.
        let outcome = try place.sh(
            """
            cat > tee.bash << 'END'
            mkfifo fifo
            imgdecode big.png | tee >(imgencode -q 50 | imgdecode > fifo) | imgquality - fifo
            END
            imgdecode photo.jpg | imgresize 1600x1200! | imgencode --compression 1 -o big.png
            timeout 60 bash tee.bash; echo $?
            imgdecode big.png | imgencode -q 50 -o b.jpg; imgquality big.png b.jpg
            """)
        let lines = outcome.text.split(separator: "\n")
        #expect(lines.count == 3 && lines[0] == lines[2] && lines[1] == "0", "\(outcome.text) \(outcome.errors)")
    }

    /// tee opens all its outputs before it writes to any.
    @Test(arguments: ["(tee A B < a.png > /dev/null) & imgquality A B", "(tee B A < a.png > /dev/null) & imgquality A B", "tee A < a.png | imgquality - A", "tee A < a.png | imgquality A -"])
    func namedPipesAreOpenedTogether(_ script: String) throws {
        let outcome = try place.sh("mkfifo A B; cat > run.sh << 'END'\n\(script)\nEND\ntimeout 30 sh run.sh; echo $?")
        #expect(outcome.text == "psnr inf ssim 1\n0\n", "\(outcome.errors)")
    }

    @Test func whatIsDamagedIsNamed() throws {
        let outcome = try place.sh(
            "imgdecode a.png | imgencode -q 60 -f jpeg | head -c 3000 > cut.jpg; imgquality a.png cut.jpg; echo $?; imgquality cut.jpg a.png; echo $?; mkfifo f g; (cat cut.jpg > f & cat a.png > g & imgquality f g; echo $?); head -c 5000 a.png > cut.png; imgquality a.png - < cut.png; echo $?")
        #expect(outcome.text == "65\n65\n65\n65\n")
        #expect(outcome.messages.map { String($0.split(separator: ":")[1]) } == [" cut.jpg", " cut.jpg", " f", " standard input"], "\(outcome.errors)")
    }

    @Test func onePipeIsNotTwoPictures() throws {
        #expect(try place.sh("mkfifo f; imgquality f f; echo $?; cat a.png | imgquality - /dev/stdin; echo $?; imgquality /tmp /tmp; echo $?").text == "64\n64\n66\n")
        #expect(try place.sh("cp a.png own.png; imgquality --map own.png own.png a.jpg; echo $?; cmp own.png a.png").text == "64\n")
    }

    @Test func everyChannelHasItsScores() throws {
        let json = try place.sh("imgquality --json a.png a.jpg; imgdecode --pixels gray a.png | imgencode -q 50 -f jpeg | imgquality --json - a.jpg > /dev/null").text
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let channels = try #require(object["channels"] as? [String: [String: Double]])
        #expect(Set(channels.keys) == ["red", "green", "blue"] && channels.values.allSatisfy { $0["psnr"]! > 20 && $0["ssim"]! > 0.5 && $0["ssim"]! < 1 })
    }

    /// Node.js makes the pipes that it shares nonblocking.
    @Test func nonblockingPipesAreWaitedFor() throws {
        let outcome = try place.sh(
            #"(sleep 0.2; cat a.png) | /usr/bin/python3 -c 'import fcntl, os, subprocess, sys; [fcntl.fcntl(f, fcntl.F_SETFL, os.O_NONBLOCK) for f in (0, 1)]; sys.exit(subprocess.call(["imgdecode"]))' | (sleep 0.3; imgquality a.png)"#)
        #expect(outcome.text == "psnr inf ssim 1\n" && outcome.messages.isEmpty, "\(outcome.errors)")
    }

    @Test func aMapShowsTheWorstOfFramesAndGrounds() throws {
        let outcome = try place.sh(
            """
            printf 'P7\nWIDTH 16\nHEIGHT 16\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n' > hole.pam; for i in $(seq 256); do printf '\\377\\0'; done >> hole.pam
            { printf 'P5 16 16 255 '; head -c 256 /dev/zero | tr '\\0' '\\377'; } > white.pgm
            imgquality --map m.png hole.pam white.pgm > /dev/null; imgdecode m.png | imgencode -f pam | tail -c 3 | od -An -tu1
            """)
        #expect(outcome.text.split(separator: " ").first.flatMap { Int($0) } == 255, "\(outcome.text) \(outcome.errors)")
    }

    @Test func aMapShowsWhereTheyDiffer() throws {
        // One square is made black: there it is bright, and black where nothing was done.
        let outcome = try place.sh(
            """
            imgdecode a.png | imgencode -f pam > a.pam; python3 -c 'd = bytearray(open("a.pam", "rb").read()); h = d.index(b"ENDHDR") + 7
            for y in range(60, 90): d[h + (y * 240 + 100) * 3:h + (y * 240 + 130) * 3] = bytes(90)
            open("b.pam", "wb").write(d)'
            imgquality --map m.png a.png b.pam > scores; imgquality --map - a.png b.pam 2> other | imgquality --metric psnr m.png; cmp scores other
            for at in 20x20+110+65 20x20+10+150; do imgdecode m.png | imgresize --crop $at 1 | imgencode -f pam | tail -c 3 | od -An -tu1; done
            imgquality --map same.webp a.png a.png; imgdecode same.webp | imgencode -f pam | tail -c 129600 | tr -d '\\0' | wc -c
            """)
        let lines = outcome.text.split(separator: "\n").map { $0.split(separator: " ") }
        #expect(lines.first == ["psnr", "inf"] && lines.count == 5, "\(outcome.text) \(outcome.errors)")
        #expect(lines[1].first.flatMap { Int($0) } ?? 0 > 200 && lines[2] == ["0", "0", "0"], "\(outcome.text)")
        #expect(lines[3] == ["psnr", "inf", "ssim", "1"] && lines[4] == ["0"], "\(outcome.text)")
    }
}
