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

    @Test func pngCodingsAreThoseAskedFor() throws {
        for (input, options, mark) in [
            ("photo.png", "", "320 x 200 image, 24-bit RGB"), ("photo.png", "--palette", "320 x 200 image, 8-bit palette"),
            ("photo.png", "--palette 16", "320 x 200 image, 4-bit palette"), ("photo.png", "--palette 2", "320 x 200 image, 1-bit palette"),
            ("alpha.png", "--palette 100", "320 x 200 image, 8-bit palette"), ("alpha.png", "", "320 x 200 image, 32-bit RGB+alpha"),
            ("gray.jpg", "", "320 x 200 image, 8-bit grayscale"), ("--pixels rgb gray.jpg", "", "320 x 200 image, 8-bit grayscale"),
            ("--pixels rgb gray.jpg", "--depth 8", "320 x 200 image, 24-bit RGB"), ("deep.png", "", "320 x 200 image, 48-bit RGB"),
            ("deep.png", "--depth 8", "320 x 200 image, 24-bit RGB"), ("photo.png", "--depth 16", "320 x 200 image, 48-bit RGB"),
            // Carried with 16 bits, a picture of 8 stays one of 8.
            ("--depth 16 photo.png", "", "320 x 200 image, 24-bit RGB"),
        ] {
            let outcome = try place.sh("imgdecode \(input) | imgencode -f png \(options) > a.png && pngcheck -v a.png")
            #expect(outcome.status == 0 && outcome.text.contains(mark) && outcome.text.contains("No errors detected"), "\(input) \(options): \(outcome.text)\(outcome.errors)")
        }
    }

    /// 16 bits become 8 by rounding: pamdepth's too.
    @Test func sixteenBitsAreRounded() throws {
        let outcome = try place.sh("pngtopnm deep.png | pamdepth 255 > theirs; imgdecode deep.png | imgencode -f png --depth 8 | pngtopnm | cmp - theirs")
        #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)")
    }

    @Test func alphaQualityMakesAlphaCoarser() throws {
        let sizes = try place.sh("imgdecode alpha.png > s; for n in 0 50 100; do imgencode -f webp --alpha-quality $n < s | wc -c; done").text
            .split(separator: "\n").compactMap { Int($0) }
        #expect(sizes.count == 3 && sizes[0] < sizes[1] && sizes[1] < sizes[2], "\(sizes)")
        let exact = try place.sh("imgdecode alpha.png | imgencode -f webp -o a.webp; dwebp -quiet -pam a.webp -o a.pam; pamchannel -infile a.pam 3 > a; pngtopam -alphapam alpha.png | pamchannel 3 | cmp - a")
        #expect(exact.status == 0, "\(exact.text)\(exact.errors)")
    }

    @Test func theSmallerOfTwoFilesIsWritten() throws {
        let outcome = try place.sh(
            """
            imgdecode photo.png | imgencode -q 50 -o small.jpg
            imgdecode --carry-file small.jpg | imgencode -q 95 --if-smaller -v -o a.jpg; cmp a.jpg small.jpg && echo kept
            imgdecode --carry-file < small.jpg | imgencode -q 95 --if-smaller | cmp - small.jpg && echo kept
            imgdecode --carry-file small.jpg | imgencode -q 20 --if-smaller | cmp -s - small.jpg || echo smaller
            imgdecode --carry-file small.jpg | imgencode -f png --if-smaller | cmp -s - small.jpg || echo another format
            imgdecode --carry-file small.jpg | imgresize 99% | imgencode -q 95 --if-smaller | cmp -s - small.jpg || echo resized
            imgdecode --carry-file --pixels gray small.jpg | imgencode -q 95 --if-smaller | cmp -s - small.jpg || echo grey
            imgdecode --carry-file small.jpg small.jpg | imgresize 320 | imgencode -q 95 --if-smaller -o '%i.jpg'; cmp 1.jpg small.jpg && cmp 2.jpg small.jpg && echo both
            imgdecode small.jpg small.jpg | imgencode -q 95 --if-smaller -o 'n%i.jpg'
            # A fifo is opened once; PAM is on its way before it is known.
            mkfifo fifo; cat fifo > through & imgdecode --carry-file small.jpg | imgencode -q 95 --if-smaller -f jpeg -o fifo; wait; cmp through small.jpg && echo fifo
            djpeg small.jpg > p.ppm; imgdecode --carry-file p.ppm | imgencode -f pam --if-smaller | head -c 2; echo
            """)
        #expect(outcome.text == "kept\nkept\nsmaller\nanother format\nresized\ngrey\nboth\nfifo\nP7\n", "\(outcome.text)")
        #expect(outcome.messages == [
            "imgencode: small.jpg: its own file is smaller, and was taken",
            "imgencode: small.jpg: warning: --if-smaller without effect: no file came along; say imgdecode --carry-file",
        ])
    }

    /// A profile of several segments, metadata of every kind, as ExifTool reads it.
    @Test(arguments: ["jpg", "png", "webp"]) func metadataIsWhereOtherToolsLookForIt(_ ending: String) throws {
        let outcome = try place.sh(
            """
            head -c 150000 /dev/zero | tr '\\0' x > pad; icc=$(dpkg -L icc-profiles-free | grep '/compatibleWithAdobeRGB1998.icc$')
            exiftool -q -Artist=Grace -Orientation#=6 -ExifImageWidth=320 -IPTC:By-line=Grace -XMP-dc:Creator=Grace -XMP-tiff:Orientation#=6 \
                -Comment=hello "-XMP-dc:Description<=pad" "-ICC_Profile<=$icc" "-ThumbnailImage<=gray.jpg" -o tagged.jpg photo.jpg
            imgdecode tagged.jpg | imgresize 50% | imgencode -o out.\(ending)
            exiftool -s3 -n -IFD0:Artist -IFD0:Orientation -XMP-dc:Creator -XMP-tiff:Orientation -ICC_Profile:ProfileDescription -ExifImageWidth out.\(ending)
            exiftool -s3 -XMP-dc:Description out.\(ending) | wc -c
            exiftool -s3 -IPTC:By-line -Comment -ThumbnailLength out.\(ending)
            """)
        let extra = ["jpg": "Grace\nhello\n", "png": "Grace\nhello\n", "webp": ""][ending]!
        #expect(outcome.text == "Grace\n1\nGrace\n1\nCompatible with Adobe RGB (1998)\n100\n150001\n" + extra, "\(outcome.text)\(outcome.errors)")
    }

    /// Every small size through every coding, converted on the way or not.
    @Test func smallPicturesOfEverySizeAreWritten() throws {
        let outcome = try place.sh(
            """
            for size in 1x1 1x2 2x1 64x2 2x64 3x3; do
                for input in gray.jpg photo.png alpha.png deep.png "--pixels native gray.jpg" "--pixels native photo.jpg" "--depth 16 photo.png"; do
                    for options in "" --palette "--palette 2" "--depth 8" "--depth 16"; do
                        imgdecode $input | imgresize $size! | imgencode -f png $options > a.png && pngcheck -q a.png || echo "$size $input $options: $?"
                    done
                done
            done
            pgmmake 0.5 44000 20 | imgdecode | imgencode -f png --palette | pngcheck -q || echo wide
            """)
        #expect(outcome.text.isEmpty && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    /// The fast levels go around libpng: the same pixels and metadata, whatever the format and size.
    @Test func fastLevelsHoldTheSamePixels() throws {
        let outcome = try place.sh(
            """
            imgdecode photo.jpg | imgencode --lossless -o rgb.webp
            for file in photo.jpg rgb.webp gray.jpg photo.png; do
                for pixels in native gray rgb rgba; do
                    for depth in 8 16; do
                        imgdecode --pixels $pixels --depth $depth "$file" > s
                        for level in 1 2 6; do
                            imgencode -f png --compression $level < s > $level.png
                            imgencode -f png --compression $level --depth $depth < s > deep$level.png
                        done
                        for a in "" deep; do
                            for level in 1 2; do
                                pngcheck -q $a$level.png || echo "pngcheck: $file $pixels $depth $level"
                                imgdecode ${a}6.png | imgencode -f pam > t
                                imgdecode $a$level.png | imgencode -f pam | cmp -s - t || echo "$file $pixels $depth $level"
                            done
                        done
                    done
                done
            done
            for size in 1x1 1x2 2x1 5x1 6x4 7x9 64x2 2x64; do
                imgdecode --pixels rgb photo.jpg | imgresize "$size!" > s
                imgencode -f png < s | imgdecode > t
                for level in 1 2; do imgencode -f png --compression $level < s | imgdecode | cmp - t; done
            done
            imgdecode photo.jpg | imgresize 1500 | imgencode -f png --effort 1 > large.png && pngcheck -q large.png
            imgdecode photo.jpg | imgresize 1500 | imgencode -f png --compression 1 > /dev/full 2> message; echo $?
            """)
        #expect(outcome.text == "74\n" && outcome.errors.isEmpty, "\(outcome.text)\(outcome.errors)")
    }

    @Test func whatAFormatCannotHoldIsRefused() throws {
        for (options, message) in [
            ("--effort 10", "--effort 10 is not in 0...9"), ("--compression 12", "--compression 12 is not in 0...9"),
            ("--near-lossless 101", "--near-lossless 101 is not in 0...100"), ("--restart 65536", "--restart 65536 is not in 0...65535"),
            ("--palette 1", "--palette 1 is not in 2...256"), ("--alpha-quality 101", "--alpha-quality 101 is not in 0...100"),
            ("--palette --depth 16", "a palette has 8 bits a sample; not with --depth 16"),
        ] {
            let outcome = try place.sh("imgdecode photo.jpg | imgencode \(options) > out")
            #expect(outcome.status == 64 && outcome.messages == ["imgencode: \(message)"], "\(outcome.errors)")
        }
    }
}
