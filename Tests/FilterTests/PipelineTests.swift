import FilterSupport
import Foundation
import ImageCodecs
import ImageCore
import Testing

@Suite struct PipelineTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    @Test func toolsAreBuilt() {
        for tool in ["imgdecode", "imgresize", "imgencode"] {
            #expect(
                FileManager.default.isExecutableFile(atPath: toolDirectory.appendingPathComponent(tool).path),
                "no \(tool) in \(toolDirectory.path); run make first")
        }
    }

    @Test(arguments: ["photo.jpg", "progressive.jpg", "gray.jpg", "photo.png", "alpha.png", "deep.png", "interlaced.png", "photo.webp"])
    func everyInputBecomesEveryOutput(_ name: String) throws {
        for (format, read) in [("jpeg", "djpeg"), ("png", "pngtopnm"), ("webp", "dwebp -quiet -ppm -o - --")] {
            let outcome = try place.sh("imgdecode \(name) | imgresize 100 | imgencode -f \(format) > out && \(read) out | head -c 9")
            #expect(outcome.status == 0, "\(name) to \(format): \(outcome.errors)")
            #expect(outcome.errors.isEmpty)
            let header = outcome.text.split(whereSeparator: \.isWhitespace)
            #expect(header.count >= 3 && header[1...2].elementsEqual(["100", "63"]), "\(name) to \(format): \(outcome.text)")
        }
    }

    /// An independent reader of the format agrees with every stream that the tools write.
    @Test(arguments: ["photo.jpg", "progressive.jpg", "gray.jpg", "photo.png", "alpha.png", "deep.png", "interlaced.png", "photo.webp"])
    func independentCheckerAgrees(_ name: String) throws {
        let checker = projectDirectory.appendingPathComponent("Tests/conformance/imgpipe-check").path
        for pixels in ["native", "gray", "rgb", "rgba"] {
            for depth in ["native", "8", "16"] {
                let outcome = try place.sh(
                    """
                    set -e
                    imgdecode --pixels \(pixels) --depth \(depth) \(name) > decoded
                    "$1" decoded
                    imgresize 33x77! < decoded > resized
                    "$1" resized
                    """, checker)
                #expect(outcome.status == 0, "\(name) \(pixels) \(depth): \(outcome.errors)")
                #expect(outcome.text.contains(" 320x200 ") && outcome.text.contains(" 33x77 "))
            }
        }
    }

    /// The stages joined by calls, in one process, and joined by pipes: the same bytes.
    @Test(arguments: ["photo.jpg", "alpha.png", "photo.webp"], [("jpeg", EncodedFormat.jpeg), ("png", .png), ("webp", .webp)])
    func stagesJoinedByCallsGiveTheSameBytes(_ name: String, _ format: (String, EncodedFormat)) throws {
        let piped = try place.sh("imgdecode \(name) | imgresize 90x70! | imgencode -f \(format.0) -q 85")
        let pool = BufferPool(limits: Limits())
        let source = try ByteSource(.open(reading: FilePath(place.url(name).path)), pool: pool)
        var decoding = DecodeOptions()
        decoding.pixels = .native
        let decoder = Decoder(pool: pool, options: decoding)
        let rows = try decoder.open(source)
        let resizer: any RowSource = PlanarResizer.takes(rows.info, width: 90, height: 70)
            ? try PlanarResizer(rows, width: 90, height: 70, kernel: .lanczos3, pool: pool)
            : try Resizer(rows, width: 90, height: 70, kernel: .lanczos3, pool: pool)
        var options = EncodeOptions()
        (options.format, options.quality) = (format.1, 85)
        let sink = MemorySink()
        _ = try Encoder(options, pool: pool).encode(resizer, to: sink)
        try sink.commit()
        #expect(piped.output == Data(sink.file!))
    }

    @Test func planesOfAJPEGEqualDjpeg() throws {
        for sampling in ["1x1", "2x1", "1x2", "2x2", "4x1"] {
            let outcome = try place.sh(
                """
                djpeg photo.jpg | pamcut -width 61 -height 43 | cjpeg -sample \(sampling) > cut.jpg
                imgdecode --pixels native cut.jpg | imgencode -f png | pngtopnm > ours.ppm
                djpeg cut.jpg | cmp - ours.ppm
                """)
            #expect(outcome.status == 0, "\(sampling): \(outcome.text) \(outcome.errors)")
        }
    }

    /// Netpbm's tools before and behind ours.
    @Test func netpbmJoinsThePipeline() throws {
        let outcome = try place.sh(
            """
            jpegtopnm photo.jpg 2> log | imgdecode | imgresize 800 | imgencode -f pam | pnmtopng > a.png && pngcheck a.png | cut -d, -f1
            imgdecode photo.jpg | imgresize 800 | imgencode -f png --depth 8 | pngtopnm > ours; pngtopnm a.png | cmp - ours
            """)
        #expect(outcome.text == "OK: a.png (800x500\n" && outcome.status == 0, "\(outcome.text)\(outcome.errors)")
    }

    @Test func listsOfFilesGoThroughOnce() throws {
        let outcome = try place.sh(
            """
            mkdir in out
            for i in 1 2 3 4 5; do cp photo.jpg "in/a $i.jpg"; done
            cp photo.png in/b.png
            head -c 2000 photo.jpg > "in/a 3.jpg"
            find in -type f -print0 | sort -z | imgdecode --files0-from=- | imgresize 50 | imgencode -o 'out/%n.jpg'
            """)
        #expect(outcome.status == 65)
        #expect(outcome.messages == ["imgdecode: in/a 3.jpg: truncated at byte 2000"])
        #expect(try place.names(in: "out") == ["a 1.jpg", "a 2.jpg", "a 4.jpg", "a 5.jpg", "b.jpg"])
    }

    @Test func namesOfAnyBytesAreReadSaidAndWritten() throws {
        let outcome = try place.sh(
            #"""
            mkdir in out
            odd="$(printf 'in/n\366\033[31m\tx')"
            cp photo.png "$odd.png"
            echo no > "$odd.txt"
            imgdecode "$odd.png" "$odd.txt" | imgencode -o 'out/%n.png'
            echo $?
            ls out | od -An -c | head -1
            """#)
        #expect(outcome.text.hasPrefix("65\n"))
        #expect(outcome.messages.count == 1)
        #expect(outcome.errors.contains(#"imgdecode: in/n\xf6\x1b[31m\x09x.txt is not a picture"#))
        #expect(outcome.text.contains("n 366 033"))
    }

    @Test func standardInputIsReadWhereNoFileIsNamed() throws {
        for name in ["photo.jpg", "photo.png", "photo.webp"] {
            for script in ["imgdecode", "imgdecode -", "cat | imgdecode"] {
                let outcome = try place.sh("\(script) | imgresize 20 | imgencode | djpeg > small.ppm", input: place.bytes(name))
                #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(script) \(name): \(outcome.errors)")
            }
        }
    }

    @Test func geometryWordsAndFlagsReachTheRows() throws {
        for (arguments, size) in [
            ("50%", "160x100"), ("x100", "160x100"), ("'1000>'", "320x200"), ("--no-enlarge 1000", "320x200"), ("'100<'", "320x200"),
            ("--no-shrink 100", "320x200"), ("'100x100!'", "100x100"), ("100x100", "100x63"), ("--filter box 10", "10x6"),
        ] {
            let outcome = try place.sh("imgdecode photo.jpg | imgresize \(arguments) | \"$1\"", projectDirectory.appendingPathComponent("Tests/conformance/imgpipe-check").path)
            #expect(outcome.text.contains(" \(size) "), "\(arguments): \(outcome.text)\(outcome.errors)")
        }
    }

    @Test func templatesNameEveryPicture() throws {
        let outcome = try place.sh(
            """
            mkdir -p in/deep/er out
            cp photo.jpg in/deep/er/a.b.jpg; cp photo.png in/c.png; cp photo.png ...png
            imgdecode in/deep/er/a.b.jpg in/c.png ./../"$(basename "$PWD")"/...png | imgresize 10 | imgencode -o 'out/%d/%n-%03i-%wx%h-%e%%.png'
            cd out && find . -type f | sort
            """)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let base = place.directory.lastPathComponent
        #expect(
            outcome.text.split(separator: "\n").map(String.init).sorted() == [
                "./\(base)/_..-003-10x6-png%.png", "./in/c-002-10x6-png%.png", "./in/deep/er/a.b-001-10x6-jpg%.png",
            ].sorted())
    }

    @Test func numbersCountFailedPicturesToo() throws {
        let outcome = try place.sh("imgdecode photo.jpg none.jpg photo.png | imgencode -o 'x-%i.jpg'; ls x-*")
        #expect(outcome.text == "x-1.jpg\nx-3.jpg\n")
    }

    /// netpbm's own tools make the files and take them back.
    @Test func everyPNMIsReadAndPAMIsWritten() throws {
        let outcome = try place.sh(
            """
            djpeg photo.jpg > raw.ppm; ppmtopgm raw.ppm > raw.pgm; pgmtopbm raw.pgm > raw.pbm
            pamcut -width 61 -height 40 raw.pbm > odd.pbm
            for name in raw.ppm raw.pgm raw.pbm odd.pbm; do pnmtoplainpnm $name > plain.${name#*.}; cp plain.${name#*.} plain-$name; done
            pamdepth 65535 raw.ppm > deep.ppm; pamdepth 1023 raw.pgm > ten.pgm; pamdepth 7 raw.ppm > three.ppm
            pngtopam -alphapam alpha.png > alpha.pam
            printf 'P2 # a comment\n#another\n 2 1\n255 0 255\n' > comment.pgm
            for name in raw.* plain-* odd.pbm deep.ppm ten.pgm three.ppm alpha.pam comment.pgm; do
                # To the same depth as ours: full 8 or 16 bits.
                depth=255; case $name in deep*|ten*) depth=65535;; esac
                pamdepth $depth $name 2> /dev/null | pamtopnm -assume > /dev/null 2>&1
                imgdecode $name | imgencode -f pam > ours.pam || echo "$name: $?"
                pamtopam < $name | pamdepth $depth > theirs.pam 2> /dev/null
                pamarith -difference ours.pam theirs.pam 2>> errors | pamsumm -max -brief > worst 2>> errors || echo "$name: $(cat errors)"
                echo "$name $(cat worst)"
            done
            """)
        let lines = outcome.text.split(separator: "\n")
        #expect(lines.count == 13, "\(outcome.text)\(outcome.errors)")
        // Rounding of pamdepth and ours differ by one at most.
        for line in lines { #expect(["0", "1"].contains(line.split(separator: " ").last.map(String.init)), "\(line)") }
    }

    @Test func formatFollowsTheNameOfTheOutput() throws {
        for (ending, magic) in [("jpg", "JFIF"), ("PNG", "PNG"), ("webp", "WEBP")] {
            #expect(try place.sh("imgdecode photo.png | imgencode -o x.\(ending) && head -c 16 x.\(ending) | grep -aq \(magic)").status == 0)
        }
        let outcome = try place.sh("imgdecode photo.png | imgencode -o x.gif")
        #expect(outcome.status == 64)
        #expect(outcome.messages == ["imgencode: no format has the ending .gif; say -f jpeg, png, webp, pam or y4m"])
    }
}

@Suite struct OrientationTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    /// A JPEG of 320 x 200 with an EXIF orientation in front of everything else.
    private func turned(_ code: UInt8) throws -> Data {
        let exif: [UInt8] = Array("Exif\0\0".utf8) + [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, code, 0, 0, 0, 0, 0, 0, 0]
        let photo = try #require(place.bytes("photo.jpg"))
        return photo.prefix(2) + Data([0xff, 0xe1, 0, UInt8(exif.count + 2)] + exif) + photo.dropFirst(2)
    }

    /// pamflip turns djpeg's pixels: ours must be the same.
    @Test(arguments: [(2, "-lr"), (3, "-r180"), (4, "-tb"), (5, "-xy"), (6, "-cw"), (7, "-xform=transpose,leftright,topbottom"), (8, "-ccw")])
    func everyFilterLeavesThePictureUpright(_ code: UInt8, _ turn: String) throws {
        try place.put(try turned(code), "turned.jpg")
        let outcome = try place.sh(
            """
            djpeg turned.jpg | pamflip \(turn) > upright.ppm
            imgdecode turned.jpg | imgencode -f pam | pamtopnm | cmp - upright.ppm && echo encode
            imgdecode --orient apply turned.jpg | imgencode -f pam | pamtopnm | cmp - upright.ppm && echo decode
            imgdecode --orient ignore turned.jpg | imgencode -f pam | pamtopnm > ignored.ppm
            djpeg turned.jpg | cmp - ignored.ppm && echo ignore
            imgdecode --pixels rgb turned.jpg | imgresize 80 | imgencode -f pam | pamtopnm > ours.ppm
            imgdecode upright.ppm | imgresize 80 | imgencode -f pam | pamtopnm > theirs.ppm
            pamarith -difference ours.ppm theirs.ppm | pamsumm -max -brief
            imgdecode turned.jpg | imgresize 80 | imgencode > small.jpg
            imgdecode --orient ignore small.jpg | imgencode -f pam | pamfile | grep -o '80 by [0-9]*'
            """)
        let height = code >= 5 ? 128 : 50
        // Rows are resampled before they are turned: one step of rounding may lie between.
        #expect(["encode\ndecode\nignore\n0\n80 by \(height)\n", "encode\ndecode\nignore\n1\n80 by \(height)\n"].contains(outcome.text), "\(code): \(outcome.text)\(outcome.errors)")
    }
}
