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
