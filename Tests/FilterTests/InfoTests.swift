import Foundation
import Testing

/// imginfo as it is used. Fields and sizes of many files: Tests/conformance/info.py.
@Suite struct InfoTests {
    let place: Workplace

    init() throws {
        place = try Workplace()
        let outcome = try place.sh(
            """
            imgdecode photo.jpg | imgresize 64x48! | imgencode -q 85 --progressive -o tagged.jpg && \
            exiftool -q -overwrite_original -Artist=A.B. -Orientation#=6 -ExposureTime=1/60 -GPSLatitude=48.5 -GPSLatitudeRef=N -GPSLongitude=16.25 \
                -GPSLongitudeRef=W -Comment=hello -XMP-dc:Title=T -IPTC:Keywords=one -IPTC:Keywords=two -IPTC:City='St. Po"lten' tagged.jpg
            """)
        try #require(outcome.status == 0, "\(outcome.errors)")
    }

    private func object(_ command: String) throws -> [String: Any] {
        let outcome = try place.sh(command)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.text.utf8)) as? [String: Any])
    }

    @Test func aLineSaysWhatAFileIs() throws {
        let size = try place.sh("stat -c %s tagged.jpg").text.trimmingCharacters(in: .newlines)
        #expect(try place.sh("imginfo -b tagged.jpg").text == "tagged.jpg: JPEG, 64 x 48, YCbCr 4:2:0, 8 bits, progressive, quality 85, \(size) bytes\n")
        #expect(try place.sh("imginfo < tagged.jpg | head -n 2").text.hasSuffix("\n  orientation 6: to be shown turned to the right\n"))
        #expect(try place.sh("imginfo tagged.jpg | grep -c -e 'ExposureTime  *1/60 sec' -e 'position 48.5, -16.25' -e 'dc:title *T' -e 'Keywords *one; two'").text == "4\n")
    }

    @Test func anObjectHasItsMembers() throws {
        let picture = try object("imginfo --json tagged.jpg")
        #expect(picture["format"] as? String == "jpeg" && picture["width"] as? Int == 64 && picture["orientation"] as? Int == 6)
        #expect(picture["quality"] as? Int == 85 && picture["quality_exact"] as? Bool == true && picture["subsampling"] as? String == "4:2:0")
        #expect((picture["exif"] as? [String: Any])?["Artist"] as? String == "A.B.")
        #expect(picture["gps"] as? [String: Double] == ["latitude": 48.5, "longitude": -16.25])
        #expect((picture["iptc"] as? [String: Any])?["Keywords"] as? [String] == ["one", "two"])
        #expect((picture["iptc"] as? [String: Any])?["City"] as? String == #"St. Po"lten"#)
        #expect(((picture["sizes"] as? [String: Int])?["exif"] ?? 0) > 100)
    }

    @Test func ofAStreamEachPictureIsSaid() throws {
        let outcome = try place.sh("imgdecode tagged.jpg photo.jpg | imgresize 32 | imginfo -b")
        #expect(outcome.messages.isEmpty && outcome.status == 0)
        #expect(outcome.text.hasPrefix("tagged.jpg: pixels, 32 x 43, ") || outcome.text.hasPrefix("tagged.jpg: pixels, 43 x 32, "), "\(outcome.text)")
        #expect(outcome.text.split(separator: "\n").count == 2)
        let cut = try place.sh("head -c 3000 photo.jpg > cut.jpg; imgdecode cut.jpg tagged.jpg | imginfo -b > out; echo $?; wc -l < out")
        #expect(cut.text == "65\n1\n")
    }

    @Test func whatIsNoPictureIsRefusedAndTheOthersAreSaid() throws {
        let outcome = try place.sh("echo no > a.txt; imginfo -b a.txt missing.jpg tagged.jpg; echo $?")
        #expect(outcome.text.hasPrefix("tagged.jpg: JPEG") && outcome.text.hasSuffix("\n65\n"))
        #expect(outcome.messages == ["imginfo: a.txt is not a picture: no JPEG, PNG, WebP or PNM begins like this", "imginfo: missing.jpg: no such file or directory"])
    }

    @Test func aCutFileIsSaidAsFarAsItGoes() throws {
        let outcome = try place.sh("imgdecode photo.jpg | imgencode -o a.png; head -c 3000 a.png > cut.png; imginfo -b cut.png; echo $?; cat cut.png | imginfo -b")
        #expect(outcome.messages == ["imginfo: cut.png: truncated at byte 3000", "imginfo: standard input: truncated at byte 3000"])
        #expect(outcome.text.contains("cut.png: PNG, ") && outcome.text.contains("\n65\n"))
    }

    @Test func netpbmsFilesAreSaid() throws {
        let outcome = try place.sh(#"printf 'P1 # a comment\n3 2\n000111' | imginfo -b; imgdecode photo.jpg | imgresize 32x24! | imgencode -f pam | imginfo -b; printf 'P5 4 4 1000\n' | imginfo -b; printf 'P6 4 x 255' | imginfo -b"#)
        #expect(outcome.text == "standard input: PNM, 3 x 2, grey, 1 bit\nstandard input: PNM, 32 x 24, RGB, 8 bits\nstandard input: PNM, 4 x 4, grey, 10 bits\n", "\(outcome.text)")
        #expect(outcome.errors == "imginfo: standard input: a header without a number at byte 7\n")
    }

    @Test func namesComeFromAList() throws {
        #expect(try place.sh("printf 'tagged.jpg\\0photo.jpg' | imginfo -b --files0-from=- | wc -l").text == "2\n")
        #expect(try place.sh("imginfo --files0-from=- tagged.jpg < /dev/null").status == 64)
        #expect(try place.sh("imginfo --json -b tagged.jpg").status == 64)
    }

    @Test func keywordsOfTextsAreShownAndNotObeyed() throws {
        // A tEXt whose keyword is an escape sequence.
        let outcome = try place.sh(#"{ printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\0\001\0\0\0\001\010\0\0\0\0\072\176\233\125'; printf '\0\0\0\007tEXt\033[2J\0ab\0\0\0\0'; printf '\0\0\0\0IEND\256\102\140\202'; } > e.png; imginfo e.png"#)
        #expect(outcome.text.contains(#"\x1b[2J"#) && !outcome.text.contains("\u{1b}"), "\(outcome.text) \(outcome.errors)")
    }

    @Test func namesAreOneLine() throws {
        let outcome = try place.sh(#"cp tagged.jpg "$(printf 'z\nb"\033')"; imginfo -b z*; imginfo --json z*"#)
        #expect(outcome.text.split(separator: "\n").count == 2 && outcome.text.hasPrefix(#"z\x0ab"\x1b: JPEG"#) && outcome.text.contains(#"{"file":"z\nb\"\u001b","#))
    }
}
