import Foundation
import Testing

/// Each option of imgencode, read back by the format's own tools.
@Suite struct EncodeOptionTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    @Test func jpegOptionsAreInTheFile() throws {
        for (options, mark) in [
            ("", "Start Of Frame 0xc0"), ("--progressive", "Start Of Frame 0xc2"), ("--restart 2", "Define Restart Interval 40"),
            ("--subsampling 444", "Component 1: 1hx1v"), ("--subsampling 422", "Component 1: 2hx1v"), ("--subsampling 420", "Component 1: 2hx2v"),
            ("--subsampling 440", "Component 1: 1hx2v"), ("--subsampling 411", "Component 1: 4hx1v"), ("-q 89", "Component 1: 2hx2v"), ("-q 90", "Component 1: 1hx1v"),
        ] {
            let outcome = try place.sh("imgdecode photo.png | imgencode \(options) > a.jpg && djpeg -verbose -verbose a.jpg 2>&1 > a.ppm")
            #expect(outcome.status == 0 && outcome.text.contains(mark), "\(options): \(outcome.text.suffix(400))")
        }
    }

    /// Optimised and progressive files hold the same coefficients in fewer bytes.
    @Test func optimisedTablesChangeNoPixel() throws {
        let outcome = try place.sh(
            """
            for options in '' --optimize --progressive '--optimize --restart 1'; do
                imgdecode photo.png | imgencode $options > a.jpg && djpeg a.jpg | cksum; wc -c < a.jpg
            done
            """)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 8 && Set([lines[0], lines[2], lines[4], lines[6]]).count == 1)
        #expect(Int(lines[3])! < Int(lines[1])! && Int(lines[5])! < Int(lines[1])!)
    }

    @Test func pngLevelsChangeBytesAndNoPixel() throws {
        let outcome = try place.sh(
            """
            for options in '--compression 0' '--compression 1' '--effort 9' '--compression 9 --effort 0'; do
                imgdecode photo.jpg | imgencode -f png $options > a.png && pngtopnm a.png | cksum; wc -c < a.png
            done
            """)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 8 && Set([lines[0], lines[2], lines[4], lines[6]]).count == 1)
        let sizes = [1, 3, 5, 7].compactMap { Int(lines[$0]) }
        #expect(sizes[0] > sizes[1] && sizes[1] > sizes[2] && sizes[2] == sizes[3], "\(sizes)")
    }

    @Test func webpOptionsAreInTheFile() throws {
        for (options, mark) in [("", "Format: Lossy"), ("--effort 0", "Format: Lossy"), ("--effort 9", "Format: Lossy"), ("--lossless", "Format: Lossless"), ("--near-lossless 40", "Format: Lossless")] {
            let outcome = try place.sh("imgdecode photo.jpg | imgencode -f webp \(options) > a.webp && webpinfo a.webp")
            #expect(outcome.status == 0 && outcome.text.contains(mark), "\(options): \(outcome.text)")
        }
        let near = try place.sh("imgdecode photo.jpg > s; for n in 0 100; do imgencode -f webp --near-lossless $n < s | wc -c; done").text.split(separator: "\n").compactMap { Int($0) }
        #expect(near.count == 2 && near[0] < near[1])
    }

    /// libwebp's own tools make an animation and read ours.
    @Test func animationsKeepFramesDurationsAndLoop() throws {
        let outcome = try place.sh(
            """
            for i in 1 2 3 4; do djpeg photo.jpg | pamcut -left $((i * 7)) -width 200 -height 150 | pnmtopng > $i.png; done
            img2webp -loop 3 -lossless -d 40 1.png -d 70 2.png -d 200 3.png -d 10 4.png -o in.webp > log 2>&1 || cat log
            imgdecode in.webp | imgresize 50% | imgencode --lossless -o out.webp || echo "status $?"
            webpmux -info out.webp | grep -E 'Canvas|Loop|frames'
            webpmux -info out.webp | awk '$1 ~ /^[0-9]+:$/ { print $7 }' | tr '\\n' ' '
            # The frames of our file are those that went into it.
            imgdecode out.webp > again; imgdecode in.webp | imgresize 50% > before
            "$1" -s again | tail -c 65; "$1" -s before | tail -c 65
            imgdecode --frames first in.webp | imgresize 50% > first; "$1" -s first | grep -c 'frames 1 '
            imgencode -f jpeg < before > first.jpg; djpeg first.jpg | head -c 11 | tail -c 8
            """, projectDirectory.appendingPathComponent("Tests/conformance/imgpipe-check").path)
        let lines = outcome.text.split(separator: "\n").map(String.init)
        #expect(lines.prefix(3).joined(separator: "|") == "Canvas size: 100 x 75|Loop Count : 3|Number of frames: 4"
            || lines.prefix(3).contains("Canvas size: 100 x 75"), "\(outcome.text)\(outcome.errors)")
        #expect(outcome.text.contains("40 70 200 10"), "\(outcome.text)")
        let sums = lines.filter { $0.count >= 64 }.map { $0.suffix(64) }
        #expect(sums.count == 2 && sums[0] == sums[1], "\(outcome.text)")
        #expect(outcome.text.hasSuffix("1\n100 75\n2"), "\(outcome.text)")
        #expect(outcome.errors.contains("imgencode: in.webp: warning: an animation; 3 of its frames are left out, the first is written"))
    }

    @Test func whatAFormatCannotHoldIsRefused() throws {
        for (options, message) in [
            ("--effort 10", "--effort 10 is not in 0...9"), ("--compression 12", "--compression 12 is not in 0...9"),
            ("--near-lossless 101", "--near-lossless 101 is not in 0...100"), ("--restart 65536", "--restart 65536 is not in 0...65535"),
        ] {
            let outcome = try place.sh("imgdecode photo.jpg | imgencode \(options) > out")
            #expect(outcome.status == 64 && outcome.messages == ["imgencode: \(message)"], "\(outcome.errors)")
        }
    }
}
