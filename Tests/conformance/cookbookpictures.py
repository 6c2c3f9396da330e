"""What must come of the recipes of docs/cookbook.md for one picture: sizes, formats, bytes, colour. See kitchen.py."""
import os
import re

import numpy as np

from harness import psnr
from imagesize import jpeg_frame, read_head
from kitchen import edges, is_tree, recipe


# -- Sizes

@recipe("thumbnails-of-a-tree")
def _(k):
    yield
    is_tree(k, "thumbs/photos/", "jpg", 320)
    k.check(psnr(k.pixels("thumbs/photos/nature/Wood.jpg"), k.pixels("thumbs/photos/nature/Garden.jpg")) < 20, "each its own picture")
    reference = k.shell("djpeg -scale 1/4 photos/nature/Wood.jpg | cjpeg -quality 95 > w.jpg; echo")
    k.check(reference and psnr(k.pixels("w.jpg"), k.pixels("thumbs/photos/nature/Wood.jpg")) > 28, "the thumbnail shows what djpeg's does")


@recipe("thumbnails-with-gnu-parallel")
def _(k):
    yield
    is_tree(k, "thumbs/photos/", "jpg", 320)


@recipe("pictures-for-every-screen")
def _(k):
    yield
    widths = [320, 640, 960, 1280]
    k.check(k.status == 0 and not k.messages, "went well")
    k.check(sorted(k.files("a-*")) == sorted(f"a-{w}.{e}" for w in widths for e in ("jpg", "webp")), f"no picture of 1920: {k.files('a-*')}")
    k.check(all(k.size(f"a-{w}.{e}") == (w, w * 5 // 8) for w in widths for e in ("jpg", "webp")), "sizes")
    k.check(jpeg_frame(read_head(k.path("a-640.jpg")))[0] == 0xC2, "progressive")
    for tag, ending in (("source", "webp"), ("img", "jpg")):
        found = dict(re.findall(r'(\w+)="([^"]*)"', re.search(f"<{tag} ([^>]*)>", k.text("a.html"))[1]))
        k.check(found["srcset"] == ",".join(f"a-{w}.{ending} {w}w" for w in widths), f"srcset {found['srcset']}")
        k.check(tag == "source" or os.path.exists(k.path(found["src"])), "src is there")


@recipe("square-avatars")
def _(k):
    # Nothing on the left: what has detail is on the right of the middle.
    k.shell("ppmmake gray 700 800 > g.ppm; djpeg a.jpg | pnmpaste g.ppm 0 0 | cjpeg -quality 90 > b.jpg; mv b.jpg a.jpg; exiftool -q -overwrite_original -Artist=Ada a.jpg")
    yield
    k.check(k.status == 0 and k.size("avatar.webp") == (256, 256) and "Ada" not in k.tags("avatar.webp"), f"{k.size('avatar.webp')}")
    # A window of the picture, of all its height: each column of it is one of the whole's.
    k.shell("djpeg a.jpg | pamscale -ysize 256 | pnmtopng > whole.png")
    whole, part = k.pixels("whole.png").astype(float), k.pixels("avatar.webp")[..., :3].astype(float)
    errors = [np.mean((whole[:, x:x + 256] - part) ** 2) for x in range(whole.shape[1] - 255)]
    k.check(min(errors) < 150 and np.argmin(errors) > 100, f"a window of the whole picture, at {np.argmin(errors)}: {min(errors)}")


@recipe("letterboxing")
def _(k):
    yield
    found = k.pixels("boxed.jpg").astype(int)
    k.check(k.status == 0 and found.shape == (720, 1280, 3), f"{found.shape}")
    # 1280 x 800 becomes 1152 x 720, with 64 columns on each side.
    k.check(np.abs(found[:, :56] - 16).max() < 12 and np.abs(found[:, -56:] - 16).max() < 12 and found[:, 72:-72].std() > 20, "bars of #101010")


@recipe("cutting-out-a-part")
def _(k):
    yield
    found = k.pixels("part.jpg")
    k.check(k.status == 0 and psnr(found, k.pixels("a.jpg")[100:400, 200:600]) > 34, f"{found.shape}")


@recipe("upright-pictures-of-phones")
def _(k):
    yield
    tags = k.tags("upright.jpg")
    k.check(k.status == 0 and k.size("upright.jpg") == (600, 960), f"{k.size('upright.jpg')}")
    k.check(re.search(r"Orientation\s+: 1\n", tags) and "Telephone" in tags, "EXIF says so, and is there")
    k.check(psnr(k.pixels("upright.jpg"), np.rot90(k.pixels("photos/phone/IMG 1.jpg"), -1)) > 34, "turned clockwise")


@recipe("sharp-after-shrinking")
def _(k):
    k.shell("imgdecode a.jpg | imgresize 400 | imgencode -q 85 -o soft.jpg")
    yield
    sharp, soft = (edges(k.pixels(name)) for name in ("sharp.jpg", "soft.jpg"))
    k.check(k.status == 0 and k.size("sharp.jpg") == (400, 250) and sharp > 1.06 * soft, f"sharper than without: {sharp} {soft}")


@recipe("in-linear-light")
def _(k):
    # Columns of black and white: half of the light, which sRGB writes as 188; as samples it would be 128.
    k.shell("ppmmake black 1 64 > b.ppm; ppmmake white 1 64 > w.ppm; pamcat -leftright $(for i in $(seq 32); do echo b.ppm w.ppm; done) | pnmtopng > a.png")
    yield
    middle = k.pixels("linear.png")[4:-4, 4:-4].astype(int)
    k.check(k.status == 0 and k.size("linear.png") == (16, 16) and abs(middle.mean() - 188) < 3, f"{middle.mean()}")


@recipe("contact-sheet")
def _(k):
    yield
    found = k.pixels("sheet.jpg").astype(int)
    k.check(k.status == 0 and not k.messages and found.shape == (360, 720, 3), f"{found.shape}")
    k.check(found[180:, 245:300].min() > 235 and found[180:, 420:475].min() > 235, "a tall picture stands in the middle of its tile")
    k.check(found[180:, 485:].min() > 240 and found[180:, 240:480].std() > 20, "five tiles, and white")
    k.shell("imgdecode photos/nature/Wood.jpg | imgresize 240x180 --fit pad | imgencode -q 85 -o wood.jpg")
    k.check(psnr(found[:180, 480:].astype(np.uint8), k.pixels("wood.jpg")) > 30, "the third is the third of the list")


# -- Formats and bytes

@recipe("png-tree-to-webp")
def _(k):
    k.shell("mkdir art/deep; mv a.png art/deep; mv art/chart.png chart.png")
    yield
    k.check(k.status == 0 and k.files("web/**") == ["web/art/deep/a.webp", "web/art/wood.webp"], f"{k.files('web/**')}")
    for name in ("deep/a", "wood"):
        score = float(k.shell(f"imgquality --metric ssim art/{name}.png web/art/{name}.webp").split()[1])
        k.check(0.97 <= score < 0.985, f"{name}: SSIM {score}")
        k.check(k.bytes(f"web/art/{name}.webp") < k.bytes(f"art/{name}.png") / 3, f"{name}: bytes")
    k.check(k.output.count("\n") == k.output.count("quality ") == 2 and "art/deep/a.png: quality" in k.output, "what was found")


@recipe("at-most-so-many-bytes")
def _(k):
    yield
    k.check(k.status == 0 and k.size("upload.jpg") == (800, 500) and 34000 < k.bytes("upload.jpg") <= 40960, f"{k.bytes('upload.jpg')}")


@recipe("alike-enough")
def _(k):
    yield
    score = re.match(r"ssimulacra2 (\S+) ssim (\S+)", k.output)
    k.check(k.status == 0 and score and 85 <= float(score[1]) < 88 and float(score[2]) > 0.9, "scores")
    k.check(psnr(k.pixels("alike.jpg"), k.pixels("a.png")) > 30, "the same picture")


@recipe("jpeg-that-comes-coarse-to-fine")
def _(k):
    k.shell("imgdecode a.jpg | imgresize 1000 | imgencode -q 80 -o plain.jpg")
    yield
    k.check(k.status == 0 and jpeg_frame(read_head(k.path("progressive.jpg"))) == (0xC2, 1000, 625), "SOF2")
    k.check(psnr(k.pixels("progressive.jpg"), k.pixels("plain.jpg")) == float("inf") and k.bytes("progressive.jpg") < 0.98 * k.bytes("plain.jpg"), "the same pixels in fewer bytes")


@recipe("smaller-png-same-pixels")
def _(k):
    yield
    k.check(k.status == 0 and psnr(k.pixels("chart.png"), k.pixels("art/chart.png")) == float("inf"), "pixels")
    k.check(k.bytes("chart.png") < k.bytes("art/chart.png") / 50, f"{k.bytes('chart.png')} of {k.bytes('art/chart.png')} bytes")
    small = k.text("chart.png")
    k.shell("cp chart.png art/chart.png; rm chart.png; imgdecode --carry-file art/chart.png | imgencode -f png --compression 0 --if-smaller -o chart.png")
    k.check(k.text("chart.png") == small, "the old file where it is smaller")


@recipe("png-of-few-colours")
def _(k):
    yield
    found = k.pixels("few.png")[..., :3]
    colours = len(np.unique(found.reshape(-1, 3), axis=0))
    k.check(k.status == 0 and found.shape == (250, 400, 3) and 32 < colours <= 64, f"{colours} colours")


@recipe("smaller-animation")
def _(k):
    k.shell("for i in 1 2 3; do ppmmake rgb:${i}0/80/40 90 60 | pnmpaste - $((i * 60)) 40 a.ppm 2>/dev/null || true; done; pngtopam a.png | pamtopnm > a.ppm;"
            "for i in 1 2 3; do ppmmake rgb:${i}0/80/40 90 60 > p.ppm; pnmpaste p.ppm $((i * 90)) 40 a.ppm | pnmtopng > $i.png; done;"
            "img2webp -loop 3 -lossy -q 90 -d 70 1.png -d 130 2.png -d 200 3.png -o moving.webp > log 2>&1")
    yield
    said = k.shell("webpmux -info small.webp")
    k.check(k.status == 0 and not k.messages and "Canvas size: 320 x 200" in said and "Number of frames: 3" in said and "Loop Count : 3" in said, said)
    times = [line.split()[6] for line in said.splitlines() if re.match(r"\s+\d:", line)]
    k.check(times == ["70", "130", "200"] and k.bytes("small.webp") < k.bytes("moving.webp") / 2, f"{times}")


@recipe("sixteen-bits")
def _(k):
    # A ramp so slow that 8 bits cannot hold it.
    k.shell("pamgradient 'rgb:1000/1000/1000' 'rgb:1100/1100/1100' 'rgb:1000/1000/1000' 'rgb:1100/1100/1100' 200 100 -maxval 65535 | pnmtopng > deep.png")
    yield
    half, eight = k.pixels("half.png"), k.pixels("eight.png")
    k.check(k.status == 0 and half.dtype.itemsize == 2 and half.shape[:2] == (50, 100) and len(np.unique(half)) > 90, f"{half.dtype} {half.shape} {len(np.unique(half))}")
    k.check(eight.dtype.itemsize == 1 and eight.shape[:2] == (50, 100) and len(np.unique(eight)) <= 2, "8 bits")


@recipe("two-encoders-with-heat-maps")
def _(k):
    yield
    one, two = k.bytes("one.jpg"), k.bytes("two.webp")
    scores = re.findall(r"(\S+) ssim (\S+) ssimulacra2 (\S+)", k.output)
    k.check(k.status == 0 and 0.9 * one < two <= one, f"{one} and {two} bytes")
    k.check([each[0] for each in scores] == ["one.jpg", "two.webp"] and all(0.8 < float(each[1]) < 1 for each in scores), "scores")
    for name in ("one-map.png", "two-map.png"):
        found = k.pixels(name)[..., :3].astype(int)
        # Black over red and yellow to white: green never before red, blue never before green.
        k.check(k.size(name) in ((640, 400), (630, 390)) and found.max() > 60 and (found[..., 0] >= found[..., 1]).mean() > 0.99, f"{name} {k.size(name)}")


@recipe("which-filter")
def _(k):
    k.shell("ppmmake red 4 4 > r.ppm; ppmmake blue 2 2 | pnmpaste - 1 1 r.ppm | pnmtopng > icon.png")
    yield
    found = k.pixels("pixels.png")[..., :3]
    k.check(k.status == 0 and np.array_equal(found, k.pixels("icon.png")[..., :3].repeat(8, 0).repeat(8, 1)), f"{found.shape}")
    k.shell("imgdecode a.jpg | imgresize 300 | imgencode -q 90 -o lanczos.jpg")
    soft, lanczos = (edges(k.pixels(name)) for name in ("soft.jpg", "lanczos.jpg"))
    k.check(k.size("soft.jpg") == (300, 188) and soft < 0.95 * lanczos, f"softer than Lanczos: {soft} {lanczos}")


# -- Colour

@recipe("cmyk-to-srgb")
def _(k):
    k.shell("convert-im6.q16 a.jpg -colorspace CMYK -quality 95 print.jpg; convert-im6.q16 print.jpg -colorspace sRGB -quality 98 theirs.jpg")
    k.check(k.shell("identify-im6.q16 -format %r print.jpg").endswith("CMYK "), "it is CMYK")
    yield
    found = k.pixels("screen.jpg")
    k.check(k.status == 0 and found.shape == (800, 1280, 3) and psnr(found, k.pixels("theirs.jpg")) > 30, f"as ImageMagick: {psnr(found, k.pixels('theirs.jpg'))}")


@recipe("transparency-onto-a-colour")
def _(k):
    k.shell("ppmmake rgb:ff/00/00 60 40 > r.ppm; pgmramp -lr 60 40 > ramp.pgm; pnmtopng -alpha ramp.pgm r.ppm > logo.png")
    yield
    found = k.pixels("logo.jpg").astype(float)
    alpha = np.linspace(0, 1, 60)
    wanted = np.array([255, 0, 0]) * alpha[:, None] + 0xf4 * (1 - alpha[:, None])
    k.check(k.status == 0 and np.abs(found.mean(0) - wanted).mean() < 3, f"off by {np.abs(found.mean(0) - wanted).mean()}")
