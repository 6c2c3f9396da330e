import Foundation
import Testing

/// Plain sh, without pipefail: `$?` is the last filter's, and it must be the truth.
@Suite struct StatusTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    @Test func everyProperPrefixOfATwoPictureStreamIsRefused() throws {
        let outcome = try place.sh(
            """
            imgdecode photo.jpg gray.jpg | imgresize 5 > stream
            size=$(wc -c < stream)
            n=0
            while [ $n -lt $size ]; do
                head -c $n stream | imgencode -o 'out-%i.jpg' 2> message
                [ $? = 65 ] && [ $(wc -l < message) = 1 ] || echo "imgencode, $n bytes: $? $(cat message)"
                head -c $n stream | imgresize 3 2>> message | imgencode -o 'out-%i.jpg' 2> second
                [ $? = 65 ] && [ $(wc -l < message) = 2 ] && [ ! -s second ] || echo "imgresize, $n bytes: $(cat message second)"
                n=$((n + 1))
            done
            imgencode -o 'whole-%i.jpg' < stream || echo whole
            ls whole-*
            """)
        #expect(outcome.text == "whole-1.jpg\nwhole-2.jpg\n")
    }

    @Test(arguments: ["photo.jpg", "progressive.jpg", "photo.png", "interlaced.png", "photo.webp"])
    func cutFilesGive65OneMessageAndNoOutput(_ name: String) throws {
        let size = try #require(place.bytes(name)).count
        for cut in [1, 2, 4, 12, size / 2, size - 30] {
            let bytes = size - cut
            for input in ["imgdecode cut", "imgdecode < cut", "cat cut | imgdecode"] {
                let outcome = try place.sh(
                    """
                    head -c \(bytes) \(name) > cut
                    \(input) | imgresize 80 | imgencode > out; echo $?
                    \(input) 2> /dev/null | imgresize 80 | imgencode -o named.jpg; echo $?
                    wc -c < out; ls named.jpg 2> /dev/null
                    """)
                #expect(outcome.text == "65\n65\n0\n", "\(name) less \(cut), \(input): \(outcome.text)")
                let file = input == "imgdecode cut" ? "cut" : "standard input"
                #expect(outcome.messages == ["imgdecode: \(file): truncated at byte \(bytes)"])
            }
        }
    }

    @Test(arguments: [1, 2, 3])
    func killOfAnyStageIsSeen(_ stage: Int) throws {
        let outcome = try place.sh(
            """
            mkfifo in
            size=$(wc -c < photo.png)
            for output in 'imgencode > out.jpg' 'imgencode -o named.jpg' 'imgencode -o "%n.named.jpg"'; do
                (
                    sh -c 'echo $$ > 1; exec imgdecode' < in |
                        sh -c 'echo $$ > 2; exec imgresize 200' |
                        sh -c "echo \\$\\$ > 3; exec $output" 2> messages
                    echo $? > status
                ) 2> /dev/null &
                exec 9> in
                head -c $((size / 2)) photo.png >&9
                while [ ! -s \(stage) ]; do sleep 0.01; done
                sleep 0.2
                kill -9 "$(cat \(stage))"
                exec 9>&-
                wait
                echo "$(cat status) $(cat out.jpg 2> /dev/null | wc -c)"
                rm -f 1 2 3 status out.jpg
            done
            ls
            """)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        for line in lines.prefix(3) {
            let parts = line.split(separator: " ")
            #expect(parts.first != "0" && parts.last == "0", "stage \(stage): \(line)")
        }
        #expect(!outcome.text.contains("named"))
    }

    /// Status and messages of pipelines that cannot work.
    @Test(arguments: [
        ("imgdecode --bogus | imgresize 8 | imgencode", 64, "imgdecode: unknown option --bogus; see imgdecode --help"),
        ("imgdecode photo.jpg | imgresize --filter no 8 | imgencode", 64, "imgresize: --filter no is none of nearest, box, "),
        ("imgdecode photo.jpg | imgresize 0 | imgencode", 64, "imgresize: 0 is no geometry; see imgresize --help"),
        ("imgdecode photo.jpg | imgresize | imgencode", 64, "imgresize: GEOMETRY is missing; see imgresize --help"),
        ("imgdecode photo.jpg | imgencode -q 101", 64, "imgencode: --quality 101 is not in 1...100"),
        ("imgdecode photo.jpg | imgencode --background '#ff000080'", 64, "imgencode: --background #ff000080 is not opaque"),
        ("imgdecode photo.jpg | imgencode --min-ssim 95", 64, "imgencode: --min-ssim 95 is more than equal pictures have, 1"),
        ("imgdecode '' | imgencode", 64, "imgdecode: an empty word where a name or a value is wanted"),
        ("imgdecode photo.jpg | IMG_CPU=v4 imgresize 8 | imgencode", 64, "imgresize: IMG_CPU is none of scalar, "),
        ("imgdecode photo.jpg | imgencode extra", 64, "imgencode: extra is one word too many; see imgencode --help"),
        ("imgdecode none.jpg | imgresize 8 | imgencode", 66, "imgdecode: none.jpg: no such file or directory"),
        ("imgdecode . | imgresize 8 | imgencode", 66, "imgdecode: .: is a directory"),
        ("imgdecode --files0-from=none | imgresize 8 | imgencode", 66, "imgdecode: none: no such file or directory"),
        ("imgdecode --files0-from=photo.jpg | imgencode", 65, "imgdecode: photo.jpg is a JPEG, not a list of names"),
        ("cat photo.png | imgdecode --files0-from=- | imgencode", 65, "imgdecode: standard input is a PNG, not a list of names"),
        ("cat photo.webp | imgstrip --files0-from=- -o x.webp", 65, "imgstrip: standard input is a WebP, not a list of names"),
        ("cat photo.jpg | imgbatch --files0-from=- -o '%n.webp'", 65, "imgbatch: standard input is a JPEG, not a list of names"),
        ("imgdecode --files0-from=- photo.jpg | imgencode", 64, "imgdecode: FILE and --files0-from exclude each other"),
        ("printf '\\0photo.jpg\\0' | imgdecode --files0-from=- | imgencode", 64, "imgdecode: standard input: name 1 is empty"),
        ("imgdecode photo.jpg | imgencode --lossless", 64, "imgencode: photo.jpg: a JPEG cannot be without loss; say -f webp or png"),
        ("IMG_MAX_PIXELS=many imgdecode photo.jpg | imgencode", 64, "imgdecode: IMG_MAX_PIXELS: many is no number"),
        ("cat photo.jpg | imgresize 8 | imgencode", 65, "imgresize: standard input is a JPEG; put imgdecode before it"),
        ("imgencode < photo.png", 65, "imgencode: standard input is a PNG; put imgdecode before it"),
        ("imgdecode photo.jpg | imgdecode | imgencode", 65, "imgdecode: standard input is a pixel stream already; it needs no imgdecode"),
        ("imgresize 8 < /dev/null | imgencode", 65, "imgresize: standard input: empty; a pixel stream was expected"),
        ("imgdecode photo.jpg > s; cat s s | imgencode", 65, "imgencode: standard input: a second stream begins at byte"),
        ("imgdecode photo.jpg photo.png | imgencode", 64, "imgencode: photo.png: more than one picture for one output; give a template, as in -o 'out/%n.jpg'"),
        ("imgdecode --files0-from=/dev/null | imgencode", 65, "imgencode: standard output: no picture came"),
        ("imgdecode photo.jpg photo.jpg | imgencode -o 'x-%n.jpg'", 73, "imgencode: photo.jpg: a picture before it was written to x-photo.jpg"),
        ("imgdecode photo.jpg | imgencode -o none/x.jpg", 73, "imgencode: photo.jpg: none/x.jpg: cannot create: no such file or directory"),
        ("imgdecode photo.jpg | imgencode --no-clobber -o photo.jpg", 73, "imgencode: photo.jpg: photo.jpg: file exists"),
        ("imgdecode photo.jpg | imgencode -o '%x.jpg'", 64, "imgencode: %x in the name of the output means nothing; a percent sign is %%"),
        ("imgdecode --max-pixels 63999 photo.jpg | imgresize 8 | imgencode", 65, "imgdecode: photo.jpg: 64000 pixels, over the limit of 63999 (--max-pixels)"),
        ("imgdecode photo.jpg | IMG_MAX_PIXELS=63999 imgresize 8 | imgencode", 65, "imgresize: photo.jpg: 64000 pixels, over the limit of 63999 (--max-pixels)"),
        ("imgdecode photo.jpg | imgresize 100000x100000! | imgencode", 65, "imgresize: photo.jpg: 10000000000 pixels, over the limit"),
        ("imgdecode --max-memory 100K photo.webp | imgencode", 65, "imgdecode: photo.webp: "),
    ] as [(String, Int32, String)])
    func failuresTravel(_ script: String, _ status: Int32, _ message: String) throws {
        let outcome = try place.sh("(\(script)) > out; status=$?; wc -c < out; exit $status")
        #expect(outcome.status == status, "\(script): \(outcome.errors)")
        #expect(outcome.text == "0\n")
        #expect(outcome.messages.count == 1, "\(script): \(outcome.errors)")
        #expect(outcome.errors.hasPrefix(message), "\(script): \(outcome.errors)")
    }

    @Test func theFirstFailureDecides() throws {
        let outcome = try place.sh(
            """
            head -c 30 photo.png > cut.png
            mkdir out
            imgdecode photo.jpg none.jpg cut.png photo.png | imgresize --max-pixels 63999 10 | imgencode -o 'out/%n.jpg'; echo $?
            imgdecode none.jpg cut.png photo.png | imgresize 10 | imgencode -o 'out/%n.jpg'; echo $?
            ls out
            """)
        #expect(outcome.text == "65\n66\nphoto.jpg\n")
        #expect(outcome.messages.count == 6)
    }

    @Test(.enabled(if: !isSanitized, "a sanitizer has files of its own"))
    func aFullDiskIs74() throws {
        for stage in [
            "imgdecode photo.png > /dev/full", "imgdecode photo.png | imgresize 300 > /dev/full", "imgdecode photo.png | imgencode > /dev/full",
            "imgdecode photo.png | imgencode -f pam > /dev/full", "imgstrip photo.png > /dev/full",
        ] {
            let outcome = try place.sh(stage)
            #expect(outcome.status == 74, "\(stage)")
            #expect(outcome.messages.count == 1 && outcome.errors.contains("standard output: write failed: no space left on device"), "\(outcome.errors)")
        }
        // A file may grow to 4 KiB: the disk is full for a named output, which is not left there.
        let outcome = try place.sh("ulimit -f 8; imgdecode photo.png | (imgencode -q 100 -o named.png; echo $?; ls -A | grep -e named -e imgpipe)")
        #expect(outcome.text == "74\n")
        #expect(outcome.messages == ["imgencode: named.png: write failed: file too large"])
    }

    @Test func closedStandardStreamsHarmNoFile() throws {
        let outcome = try place.sh(
            """
            imgdecode photo.jpg >&-; echo $?
            imgdecode <&- > s; echo $?
            imgdecode photo.jpg > s
            imgencode -o a.jpg < s 2>&- >&-; echo $?
            djpeg a.jpg > a.ppm && echo whole
            imgencode -o none/a.jpg < s 2>&-; echo $?
            """)
        #expect(outcome.text == "74\n74\n0\nwhole\n73\n")
    }

    @Test func aReaderThatGoesAwayEarlyIsQuiet() throws {
        for script in ["imgdecode photo.png | head -c 100", "imgdecode photo.png | imgresize 1000 | head -c 100", "imgdecode deep.png deep.png deep.png | true"] {
            let outcome = try place.sh("\(script) > /dev/null")
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(script): \(outcome.errors)")
        }
    }

    @Test func aFileThatShrinksIsTruncated() throws {
        for (name, make) in [("big.png", "pnmtopng"), ("big.jpg", "cjpeg -quality 98")] {
            try place.put(Workplace.ppm(1500, 1200), "big.ppm")
            let outcome = try place.sh(
                """
                \(make) big.ppm > \(name)
                imgdecode \(name) | { head -c 50000; truncate -s 200000 \(name); cat; } | imgencode > out; echo $?; wc -c < out
                """)
            #expect(outcome.text == "65\n0\n", "\(name)")
            #expect(outcome.messages.count == 1 && outcome.errors.contains("truncated at byte"), "\(outcome.errors)")
        }
    }

    @Test(.enabled(if: !isSanitized, "a sanitizer maps more than that")) func badInputsAreNamedWithTheirFault() throws {
        func png(_ width: UInt32, _ height: UInt32) -> Data {
            var data = Data([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13])
            var chunk = Data("IHDR".utf8)
            for value in [width, height] { withUnsafeBytes(of: value.bigEndian) { chunk.append(contentsOf: $0) } }
            chunk.append(contentsOf: [8, 2, 0, 0, 0])
            data.append(chunk)
            var crc: UInt32 = 0xffff_ffff
            for byte in chunk {
                crc ^= UInt32(byte)
                for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
            }
            withUnsafeBytes(of: (~crc).bigEndian) { data.append(contentsOf: $0) }
            data.append(contentsOf: [0, 0, 0, 0] + Array("IDAT".utf8) + [0x35, 0xaf, 0x06, 0x1e])
            return data
        }
        try place.put(Data(), "empty.jpg")
        try place.put(Data("Lorem ipsum dolor sit amet\n".utf8), "text.jpg")
        try place.put(png(0, 0), "zero.png")
        try place.put(png(10, 10), "header.png")
        try place.put(png(100_000, 100_000), "huge.png")
        try place.put(png(10, 10).prefix(33) + Data([0x3f, 0xff, 0xff, 0xff]) + Data("iTXtKeyword".utf8), "text.png")
        try place.put(place.bytes("photo.jpg")!.prefix(400), "header.jpg")
        var huge = place.bytes("photo.jpg")!
        let frame = try #require(huge.firstRange(of: Data([0xff, 0xc0]))).lowerBound
        huge.replaceSubrange(frame + 5..<frame + 9, with: [0xff, 0x00, 0xff, 0x00])
        try place.put(huge, "huge.jpg")
        huge.replaceSubrange(frame + 5..<frame + 9, with: [0, 0, 0, 0])
        try place.put(huge, "zero.jpg")
        try place.put(place.bytes("photo.webp")!.prefix(30), "header.webp")
        try place.put(Data("GIF89a\u{1}\0\u{1}\0\0\0\0\0\0\0".utf8), "a.gif")
        for (name, message) in [
            ("empty.jpg", "empty.jpg: empty file"), ("text.jpg", "text.jpg is not a picture: no JPEG, PNG, WebP or PNM begins like this"),
            ("zero.png", "zero.png: invalid IHDR data at byte "), ("header.png", "header.png: truncated at byte 45"),
            ("huge.png", "huge.png: 10000000000 pixels, over the limit of 268435456 (--max-pixels)"),
            ("text.png", "text.png: a chunk states more than the 67108864 bytes of --max-metadata"),
            ("header.jpg", "header.jpg: truncated at byte 400"),
            ("huge.jpg", "huge.jpg: 4261478400 pixels, over the limit of 268435456 (--max-pixels)"),
            ("zero.jpg", "zero.jpg: "), ("header.webp", "header.webp: truncated at byte 30"),
            ("a.gif", "a.gif is a GIF, which imgpipe does not read"),
        ] {
            // 200 MiB of addresses: a huge size is judged before anything is allocated for it.
            let outcome = try place.sh("(ulimit -v 204800; imgdecode \(name)) | imgencode > out; echo $?; wc -c < out")
            #expect(outcome.text == "65\n0\n", "\(name)")
            #expect(outcome.messages.count == 1 && outcome.errors.hasPrefix("imgdecode: \(message)"), "\(name): \(outcome.errors)")
        }
    }

    @Test func noBinaryGoesToATerminal() throws {
        for command in ["imgdecode photo.jpg", "imgresize 8 < s", "imgencode < s"] {
            let outcome = try place.sh("imgdecode photo.jpg > s; script -qec '\(command)' /dev/null")
            #expect(outcome.status == 64)
            #expect(outcome.text.contains("not writing binary data to a terminal"), "\(command): \(outcome.text)")
        }
        // With a name for the output nothing goes to standard output.
        let named = try place.sh("script -qec 'imgencode -o named.jpg < s' /dev/null; djpeg named.jpg > named.ppm")
        #expect(named.status == 0 && named.text.isEmpty, "\(named.text)\(named.errors)")
    }

    @Test(arguments: [("TERM", 143), ("HUP", 129)])
    func signalsLeaveNothingBehind(_ signal: String, _ status: Int) throws {
        let outcome = try place.sh(
            """
            mkdir out; mkfifo in
            imgencode -o out/a.jpg < in & pid=$!
            exec 9> in
            imgdecode photo.jpg | head -c 100000 >&9
            sleep 0.2
            kill -\(signal) $pid; wait $pid
            echo $?; ls -A out
            """)
        #expect(outcome.text == "\(status)\n")
    }

    @Test func helpAndVersionAreAnswers() throws {
        for tool in ["imgdecode", "imgresize", "imgencode"] {
            let help = try place.sh("\(tool) --help")
            #expect(help.status == 0 && help.text.hasPrefix("usage: \(tool)") && help.errors.isEmpty)
            let version = try place.sh("\(tool) --version")
            #expect(version.status == 0 && version.text.hasPrefix("\(tool) 0.1.0\n"))
        }
        let lines = try place.sh("imgdecode --version").text.split(separator: "\n")
        for library in ["libjpeg-turbo", "libpng", "libwebp", "Little CMS"] {
            #expect(lines.contains { $0.hasPrefix(library + " ") && $0.last!.isNumber }, "\(library)")
        }
    }
}
