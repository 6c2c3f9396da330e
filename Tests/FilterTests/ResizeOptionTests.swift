import Foundation
import Testing

/// The options of imgresize, held against netpbm's own cutting, padding and turning.
@Suite struct ResizeOptionTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        try place.sh("imgdecode photo.jpg > s; djpeg photo.jpg > photo.ppm")
    }

    /// Pixels of `imgresize ARGUMENTS` as a PNM, beside those of another command.
    private func same(_ arguments: String, _ other: String, input: String = "s") throws -> Outcome {
        try place.sh("imgresize \(arguments) < \(input) | imgencode -f pam | pamtopnm > ours && \(other) > theirs && cmp ours theirs && pamfile ours")
    }

    @Test func sizesOfEveryFit() throws {
        for (arguments, size) in [
            ("100x100 --fit inside", "100 by 63"), ("100x100 --fit fill", "100 by 100"), ("100x100 --fit cover", "100 by 100"),
            ("100x100 --fit pad", "100 by 100"), ("'100x100^'", "160 by 100"), ("'400x400>' --fit cover", "320 by 200"),
            ("'400x400>' --fit pad", "400 by 400"), ("'100^'", "100 by 63"), ("'x100^'", "160 by 100"), ("50% --crop 100x80+5+6", "50 by 40"),
            ("50% --crop 1000x800+300+190", "10 by 5"),
        ] {
            let outcome = try place.sh("imgresize \(arguments) < s | imgencode -f pam | pamfile")
            #expect(outcome.status == 0 && outcome.text.contains(" \(size) "), "\(arguments): \(outcome.text)\(outcome.errors)")
        }
    }

    @Test func croppingIsThatOfNetpbm() throws {
        let outcome = try same("100% --crop 61x43+7+150", "pamcut -left 7 -top 150 -width 61 -height 43 photo.ppm")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
    }

    /// What was decoded smaller is resized, or refused: never written at a size that nobody asked for.
    @Test func picturesDecodedSmallerAreOnlyForResizing() throws {
        let sizes = try place.sh("imgdecode --for 40 photo.jpg | imgresize 40 | imgencode -f pam | pamfile; imgdecode --for 40 photo.jpg | imgresize 100% | imgencode -f pam | pamfile")
        #expect(sizes.text.contains(" 40 by 25 ") && sizes.text.contains(" 320 by 200 "), "\(sizes.text)\(sizes.errors)")
        #expect(sizes.errors.contains("imgresize: photo.jpg: warning: imgdecode --for was given a smaller size; detail is missing\n"), "\(sizes.errors)")
        let encoded = try place.sh("imgdecode --for 40 photo.jpg | imgencode -o out.jpg")
        #expect(encoded.status == 64 && encoded.errors.contains("imgencode: photo.jpg: the picture was decoded smaller"), "\(encoded.errors)")
        #expect(place.bytes("out.jpg") == nil)
        let cropped = try place.sh("imgdecode --for 40 photo.jpg | imgresize 40 --crop 10x10+0+0 | imgencode -o out.jpg")
        #expect(cropped.status == 64 && cropped.errors == "imgresize: photo.jpg: --crop needs the whole picture: leave out imgdecode's --for\n", "\(cropped.errors)")
        let wrong = try place.sh("imgdecode --for 40y photo.jpg | imgresize 40 | imgencode -o out.jpg")
        #expect(wrong.status == 64 && wrong.errors == "imgdecode: --for 40y is no geometry; see imgresize --help\n", "\(wrong.errors)")
    }

    @Test(arguments: [
        ("center", 30, 0), ("north", 30, 0), ("south", 30, 0), ("east", 60, 0), ("west", 0, 0), ("northwest", 0, 0), ("southeast", 60, 0),
    ])
    func gravityPlacesTheCover(_ gravity: String, _ left: Int, _ top: Int) throws {
        let outcome = try same("100x100 --fit cover --gravity \(gravity)", "imgresize '100x100^' < s | imgencode -f pam | pamcut -left \(left) -top \(top) -width 100 -height 100 | pamtopnm")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
    }

    @Test func paddingIsThatOfNetpbm() throws {
        let outcome = try same("100x100 --fit pad --background black --gravity south", "imgresize 100 < s | imgencode -f pam | pamtopnm | pnmpad -black -top 37")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
        let clear = try place.sh("imgresize 100x100 --fit pad --background transparent < s | imgencode -f pam | pamfile")
        #expect(clear.text.contains("100 by 100 by 4"), "\(clear.text)")
        let gray = try place.sh("imgdecode gray.jpg | imgresize 100x100 --fit pad --background '#f00' | imgencode -f pam | pamcut -width 1 -height 1 | tail -c 3 | od -An -tu1")
        #expect(gray.text == " 255   0   0\n", "\(gray.text)\(gray.errors)")
    }

    /// What is cut and padded is the upright picture, whatever way its rows lie.
    @Test(arguments: 1...8)
    func orientedPicturesAreCutAndPaddedUpright(_ code: Int) throws {
        let exif: [UInt8] = Array("Exif\0\0".utf8) + [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, UInt8(code), 0, 0, 0, 0, 0, 0, 0]
        let photo = try #require(place.bytes("photo.jpg"))
        try place.put(photo.prefix(2) + Data([0xff, 0xe1, 0, UInt8(exif.count + 2)] + exif) + photo.dropFirst(2), "turned.jpg")
        // Planes are reduced each from its own size, --orient apply turns RGB: a few steps lie between, and not the tens of another place.
        let steps = ["rgb": 1, "native": 4]
        let choices = ["100% --crop 61x43+7+50", "100x100 --fit pad --gravity northeast --background black", "64x64 --fit cover --gravity southwest"]
        for (arguments, pixels) in choices.flatMap({ choice in steps.keys.map { (choice, $0) } }) {
            let outcome = try place.sh(
                """
                imgdecode --pixels \(pixels) turned.jpg | imgresize \(arguments) | imgencode -f pam | pamtopnm > ours
                imgdecode --pixels rgb --orient apply turned.jpg | imgresize \(arguments) | imgencode -f pam | pamtopnm > theirs
                pamarith -difference ours theirs | pamsumm -max -brief
                """)
            let most = Int(outcome.text.dropLast()) ?? .max
            #expect(most <= steps[pixels]!, "\(code), \(arguments), \(pixels): \(outcome.text)\(outcome.errors)")
        }
    }

    @Test func smartGravityFindsTheDetail() throws {
        let outcome = try place.sh(
            """
            ppmmake '#808080' 300 100 > flat.ppm
            pamcut -width 60 -height 80 photo.ppm | pnmpaste - 210 10 flat.ppm > detail.ppm
            imgdecode detail.ppm | imgresize 100x100 --fit cover --gravity smart | imgencode -f pam | pamtopnm > ours
            for left in 170 180 190 200; do pamcut -left $left -width 100 -height 100 detail.ppm | cmp -s - ours && echo $left; done
            pamcut -left 10 -top 0 -width 90 -height 100 ours > /dev/null
            pamsumm -max -brief ours; pamcut -left 0 -width 100 -height 100 detail.ppm | cmp -s - ours && echo flat
            """)
        #expect(!outcome.text.contains("flat") && Int(outcome.text.split(separator: "\n").last ?? "0")! > 128, "\(outcome.text)")
    }

    /// Half of the light, not half of the code: 188, IEC 61966-2-1.
    @Test func linearLightMixesBlackAndWhiteTo188() throws {
        for (depth, expected) in [("8", " 188"), ("16", " 188 188")] {
            let outcome = try place.sh(
                """
                { printf 'P5 64 64 255\\n'; awk 'BEGIN { for (y = 0; y < 64; y++) for (x = 0; x < 64; x++) printf "%s", (x + y) % 2 ? "W" : "." }' | tr 'W.' '\\377\\000'; } > board.pgm
                imgdecode --depth \(depth) board.pgm | imgresize --linear --filter box 50% | imgencode -f pam | tail -c 1 | od -An -tu1
                imgdecode board.pgm | imgresize --filter box 50% | imgencode -f pam | tail -c 1 | od -An -tu1
                """)
            #expect(outcome.text == " 188\n 128\n", "\(depth) \(expected): \(outcome.text)\(outcome.errors)")
        }
    }

    @Test func linearLightOfOneColourIsThatColour() throws {
        let outcome = try place.sh(
            """
            for color in '#010203' '#0a2850' '#c8fa10'; do
                ppmmake "$color" 40 30 > flat.ppm
                imgdecode flat.ppm | imgresize --linear 13x11! | imgencode -f pam | pamtopnm > ours
                ppmmake "$color" 13 11 | cmp - ours || echo "$color"
            done
            """)
        #expect(outcome.text.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    @Test func wrongWordsAreRefused() throws {
        for (arguments, message) in [
            ("100 --fit cover", "--fit cover needs a box, as in 800x600"), ("50% --fit pad", "--fit pad needs a box, as in 800x600"),
            ("100 --crop 0x5+1+1", "--crop 0x5+1+1 is no region"), ("100 --background mauve", "--background mauve is no color"),
        ] {
            let outcome = try place.sh("imgresize \(arguments) < s | imgencode > out")
            #expect(outcome.status == 64 && outcome.messages.count == 1 && outcome.errors.hasPrefix("imgresize: \(message)"), "\(arguments): \(outcome.errors)")
        }
        let outside = try place.sh("imgresize 100 --crop 5x5+320+0 < s | imgencode > out")
        #expect(outside.status == 64 && outside.messages == ["imgresize: photo.jpg: --crop lies outside of 320 x 200"], "\(outside.errors)")
    }
}
