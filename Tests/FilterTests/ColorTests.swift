import Foundation
import Testing

/// imgdecode --color srgb beside Little CMS's own program for TIFF, at the same intent and black point compensation.
@Suite struct ColorTests {
    let place: Workplace

    init() throws { place = try Workplace() }

    private static func profile(_ name: String) -> String { "$(dpkg -L icc-profiles-free | grep '/\(name)$')" }

    @Test(arguments: [
        ("compatibleWithAdobeRGB1998.icc", "djpeg photo.jpg > p.ppm; cjpeg -quality 95 -icc $icc p.ppm > in.jpg; djpeg in.jpg > p.ppm; file=in.jpg"),
        ("LStar-RGB.icc", "djpeg photo.jpg > p.ppm; cjpeg -progressive -icc $icc p.ppm > in.jpg; djpeg in.jpg > p.ppm; file='--pixels native in.jpg'"),
        ("Gray.icc", "djpeg gray.jpg > p.ppm; cjpeg -grayscale -quality 95 -icc $icc p.ppm > in.jpg; djpeg in.jpg > p.ppm; file=in.jpg"),
    ])
    func samplesBecomeSRGBAsInLittleCMS(_ name: String, _ make: String) throws {
        let outcome = try place.sh(
            """
            icc=\(Self.profile(name))
            \(make)
            pamtotiff p.ppm > p.tif
            tificc -b -t1 -i "$icc" p.tif o.tif > log 2>&1 || cat log
            tifftopnm o.tif > theirs.pnm 2> log
            imgdecode --color srgb --pixels rgb $file | imgencode -f pam | pamtopnm > ours.pnm
            pamarith -difference ours.pnm theirs.pnm | pamsumm -max -brief
            imgdecode --color srgb $file | imgencode > out.jpg; djpeg -icc none.icc out.jpg > out.ppm; [ -s none.icc ] && echo profile
            imgdecode $file | imgencode > kept.jpg; djpeg -icc kept.icc kept.jpg > out.ppm; cmp "$icc" kept.icc && echo kept
            cmp -s ours.pnm p.ppm && echo unchanged
            """)
        // The output profile of grey is built here and there a little differently: one step.
        #expect(["0\nkept\n", "1\nkept\n"].contains(outcome.text), "\(name): \(outcome.text)\(outcome.errors)")
    }

    @Test func sixteenBitsAndAlphaGoThrough() throws {
        let outcome = try place.sh(
            """
            icc=\(Self.profile("compatibleWithAdobeRGB1998.icc"))
            for name in deep.png alpha.png; do
                # A stream with the profile in it: between IMAG (80 bytes) and the rest.
                imgdecode $name > s
                size=$(wc -c < "$icc"); pad=$(((16 - size % 16) % 16))
                { head -c 80 s; printf 'icc_\\000\\000\\000\\000'; printf "\\\\$(printf %03o $((size % 256)))\\\\$(printf %03o $((size / 256)))\\000\\000\\000\\000\\000\\000"; cat "$icc"; head -c $pad /dev/zero; tail -c +81 s; } | imgencode -f png > wide-$name
                imgdecode --color srgb wide-$name | imgencode -f pam | pamfile
                imgdecode --color srgb wide-$name > a; imgdecode wide-$name > b; cmp -s a b && echo same
            done
            """)
        #expect(outcome.text.contains("maxval 65535") && outcome.text.contains("RGB_ALPHA") && !outcome.text.contains("same"), "\(outcome.text)\(outcome.errors)")
    }

    /// gAMA of 1: samples are light, and half of the light is 188 in sRGB (IEC 61966-2-1). 0.45455 is sRGB as files write it.
    @Test func colorThatAPNGStatesBecomesAProfile() throws {
        let outcome = try place.sh(
            """
            pgmmake 0.50196 4 4 > gray.pgm; ppmmake '#808080' 4 4 > rgb.ppm
            for name in gray.pgm rgb.ppm; do
                for gamma in 1.0 0.45455; do
                    pnmtopng -force -gamma $gamma $name > a.png
                    imgdecode --color srgb a.png | imgencode -f pam | tail -c 1 | od -An -tu1
                    imgdecode a.png | imgencode > a.jpg; rm -f icc; djpeg -icc icc a.jpg > none; [ -s icc ] && echo profile
                    imgdecode a.png | imgencode > b.jpg; cmp a.jpg b.jpg
                done
            done
            # The primaries of Adobe RGB (1998): white, red, green, blue, in 1/100000.
            djpeg photo.jpg | pnmtopng -force -gamma 0.45455 | python3 -c '
            import struct, sys, zlib
            png = sys.stdin.buffer.read()
            chunk = b"cHRM" + struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
            sys.stdout.buffer.write(png[:33] + struct.pack(">I", 32) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:])
            ' > wide.png
            imgdecode wide.png | imgencode > a.jpg; djpeg -icc wide.icc a.jpg > none; pngtopnm wide.png > wide.ppm
            pamtotiff wide.ppm > wide.tif; tificc -b -t1 -i wide.icc wide.tif o.tif > log 2>&1 || cat log; tifftopnm o.tif > theirs.ppm 2> log
            imgdecode --color srgb wide.png | imgencode -f pam | pamtopnm > ours.ppm
            pamarith -difference ours.ppm theirs.ppm | pamsumm -max -brief; cmp -s ours.ppm wide.ppm && echo same
            """)
        #expect(outcome.text == " 188\nprofile\n 128\n 188\nprofile\n 128\n0\n", "\(outcome.text)\(outcome.errors)")
    }

    /// CMYK whose samples are inverted, as Adobe's marker says, and not, without that marker: the same picture of both, by the usual formula.
    @Test func cmykIsInvertedWhereAdobeSaysSo() throws {
        let outcome = try place.sh(
            """
            djpeg photo.jpg > p.ppm
            /usr/bin/python3 - <<'END'
            from PIL import Image, ImageChops
            image = Image.open("p.ppm").convert("CMYK")
            image.save("adobe.jpg", quality=95, subsampling=0)
            image.save("broken.jpg", quality=95, subsampling=0, icc_profile=bytes(3000))
            # Without the marker: the segment taken out, and the samples the other way round.
            ImageChops.invert(image).save("other.jpg", quality=95, subsampling=0)
            data = open("other.jpg", "rb").read()
            at = data.index(b"\\xff\\xee\\x00\\x0eAdobe")
            open("plain.jpg", "wb").write(data[:at] + data[at + 16:])
            END
            imgdecode -v adobe.jpg | imgencode -f pam | pamtopnm > a.ppm; imgdecode -v plain.jpg | imgencode -f pam | pamtopnm > b.ppm
            djpeg adobe.jpg | cmp - a.ppm && pamarith -difference a.ppm p.ppm | pamsumm -mean -brief | cut -d. -f1
            pamarith -difference a.ppm b.ppm | pamsumm -max -brief
            imgdecode broken.jpg | imgencode -f pam | pamtopnm | cmp - a.ppm
            """)
        let lines = outcome.text.split(separator: "\n")
        // A few steps from JPEG's loss; samples that are inverted before they are coded may round the other way.
        #expect(lines.count == 2 && Int(lines[0]).map { $0 < 3 } == true && Int(lines[1]).map { $0 <= 3 } == true, "\(outcome.text)\(outcome.errors)")
        #expect(outcome.messages == [
            "imgdecode: adobe.jpg: warning: CMYK without a profile; made RGB by the usual formula",
            "imgdecode: plain.jpg: warning: CMYK without a profile; made RGB by the usual formula",
            "imgdecode: broken.jpg: warning: its ICC profile cannot be used; made RGB by the usual formula",
        ], "\(outcome.errors)")
    }

    @Test func aBrokenProfileIsAWarningAndDropped() throws {
        let outcome = try place.sh(
            """
            head -c 3000 /dev/zero > broken.icc
            djpeg photo.jpg | cjpeg -quality 95 -icc broken.icc > in.jpg
            imgdecode --color srgb in.jpg | imgencode -f pam | pamtopnm > ours.ppm; echo $?
            djpeg in.jpg | cmp - ours.ppm
            """)
        #expect(outcome.text == "0\n")
        #expect(outcome.messages == ["imgdecode: in.jpg: warning: its ICC profile cannot be used; taken as sRGB"])
    }
}
