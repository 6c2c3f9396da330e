"""What must come of the recipes of docs/cookbook.md that need no server: a checker for each, by the slug of its heading. See cookbook.py."""
import json
import os
import re
import time

import numpy as np

from harness import psnr
from imagesize import jpeg_frame, read_head

CHECKS = {}
# The pantry: names, and sizes upright.
TREE = {"nature/Garden": (1280, 800), "nature/LadyBird": (2560, 1600), "nature/Wood": (1280, 960), "nature/YellowFlower": (1280, 800), "phone/IMG 1": (600, 960)}


def recipe(slug):
    def add(check):
        CHECKS[slug] = check
        return check
    return add


def size_within(width, height, limit):
    """Of a picture that is no wider than the limit afterwards."""
    return (width, height) if width <= limit else (limit, max(1, (2 * height * limit + width) // (2 * width)))


def is_tree(k, prefix, ending, limit):
    """Every photograph of the tree is there in its size, and no other file."""
    wanted = {f"{prefix}{name}.{ending}": size_within(*size, limit) for name, size in TREE.items()}
    k.check(k.status == 0 and not k.messages, "went well, without a word")
    k.check({name: k.size(name) for name in k.files(f"{prefix}**")} == wanted, f"the tree {k.files(f'{prefix}**')}")


def edges(pixels):
    """Mean difference between neighbours in a row."""
    return np.abs(np.diff(pixels.astype(int), axis=1)).mean()


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


# -- Metadata

@recipe("positions-go-rights-stay")
def _(k):
    phone, garden = "photos/phone/IMG 1.jpg", "photos/nature/Garden.jpg"
    before = k.pixels(phone)
    k.check("GPSLatitude" in k.tags(phone), "there is a position")
    yield
    tags = k.tags(phone)
    k.check(k.status == 0 and not k.output and "GPS" not in tags and "Telephone" not in tags, tags)
    k.check(tags.count("(c) Ada") == 2 and re.search(r"Orientation\s+: 6\n", tags), tags)
    k.check(psnr(before, k.pixels(phone)) == float("inf"), "the same pixels")
    # The check fails for a position in EXIF, one in XMP, and a broken file.
    for change in ("-GPSLatitude=48.1 -GPSLatitudeRef=N -GPSLongitude=11.5 -GPSLongitudeRef=E", "-XMP-exif:GPSLatitude=48.1"):
        k.shell(f"cp {garden} good.jpg; exiftool -q -overwrite_original {change} {garden}; if sh check-pictures photos/*/*.jpg > said; then exit 1; fi")
        k.check(k.text("said").count("\n") == 1 and garden in k.text("said"), f"{change}: {k.text('said')}")
        k.shell(f"cp good.jpg {garden}; sh check-pictures photos/*/*.jpg")
    k.shell(f"head -c 300 good.jpg > {garden}; if sh check-pictures photos/*/*.jpg > said 2>&1; then exit 1; fi")


@recipe("a-hook-for-git")
def _(k):
    k.shell("git init -q .; git config user.name test; git config user.email test@example.org; cp 'photos/phone/IMG 1.jpg' a.jpg")
    yield
    k.check(k.status == 0 and "refused" in k.output and k.messages.count("a.jpg: imgstrip") == 1, "refused once")
    k.shell("git cat-file blob HEAD:a.jpg > committed.jpg")
    k.check(k.shell("git rev-list --count HEAD").strip() == "1" and "GPS" not in k.tags("committed.jpg") and "(c) Ada" in k.tags("committed.jpg"), "what is in the history")


# -- Damage

@recipe("a-photograph-that-broke")
def _(k):
    k.shell("head -c 200000 photos/nature/LadyBird.jpg > cut.jpg")
    yield
    found = k.pixels("rest.jpg")
    whole = k.pixels("photos/nature/LadyBird.jpg")
    k.check(k.status == 0 and found.shape == whole.shape and psnr(found[:900], whole[:900]) > 35 and psnr(found[1000:], whole[1000:]) < 30, f"{found.shape}")
    k.check("of 1600 rows 0-9" in k.messages, "which rows")
    k.shell("head -c 50000 photos/nature/LadyBird.jpg > cut.jpg; rm rest.jpg")
    k.run()
    k.check(k.status == 65 and not os.path.exists(k.path("rest.jpg")), "too little")


@recipe("broken-files-of-a-tree")
def _(k):
    k.shell("head -c 90000 a.jpg > photos/phone/cut.jpg; echo no > photos/nature/text.jpg")
    yield
    found = sorted((json.loads(line) for line in k.text("broken.jsonl").splitlines()), key=lambda each: each["file"])
    k.check(k.status == 0 and [(each["file"], each["exit"]) for each in found] == [("photos/nature/text.jpg", 65), ("photos/phone/cut.jpg", 65)], f"{found}")
    k.check("truncated at byte 90000" in found[1]["error"], f"{found[1]}")


@recipe("the-largest-pictures")
def _(k):
    yield
    rows = [line.split("\t") for line in k.output.splitlines()]
    k.check(k.status == 0 and len(rows) == 3 and rows[0] == ["4096000", str(k.bytes("photos/nature/LadyBird.jpg")), "photos/nature/LadyBird.jpg"], "the largest first")
    k.check([int(row[0]) for row in rows] == [4096000, 1228800, 1024000], "in order")


@recipe("the-same-picture-twice")
def _(k):
    k.shell("cp photos/nature/Wood.jpg photos/phone/copy.jpg; exiftool -q -overwrite_original -Artist=Bob photos/phone/copy.jpg;"
            "cp a.png photos/phone; cwebp -quiet -lossless a.png -o photos/nature/same.webp; head -c 50000 a.jpg > photos/1.jpg; head -c 50000 a.jpg > photos/2.jpg")
    yield
    groups = [sorted(line[66:] for line in group.split("\n") if line) for group in k.text("twins").split("\n\n")]
    k.check(sorted(groups) == [["photos/nature/Wood.jpg", "photos/phone/copy.jpg"], ["photos/nature/same.webp", "photos/phone/a.png"]], f"{groups}")
    k.check(k.messages.count("truncated") == 2, "broken ones are said")


# -- Many pictures

@recipe("rules-for-make")
def _(k):
    yield
    names = [f"web/nature/{name}.webp" for name in ("Garden", "LadyBird", "Wood", "YellowFlower")]
    k.check(k.status == 0 and {name: k.size(name) for name in k.files("web/**")} == {name: (640, 480 if "Wood" in name else 400) for name in names}, f"{k.files('web/**')}")
    k.check(k.shell("make -q && echo done").strip() == "done", "nothing left to do")
    k.shell("touch -d '1 hour' photos/nature/Wood.jpg; head -c 9000 photos/nature/Garden.jpg > cut; mv cut photos/nature/Garden.jpg; rm web/nature/Garden.webp")
    k.run()
    k.check(k.status == 2 and "web/nature/Garden.webp" in k.messages and not os.path.exists(k.path("web/nature/Garden.webp")), "a rule that fails leaves no target")


@recipe("only-what-is-new")
def _(k):
    yield
    is_tree(k, "web/photos/", "jpg", 1600)
    times = {name: os.stat(k.path(name)).st_mtime_ns for name in k.files("web/**")}
    time.sleep(0.02)
    k.shell("cp a.jpg photos/nature/new.jpg; touch photos/nature/Wood.jpg")
    k.run()
    changed = [name for name in k.files("web/**") if times.get(name) != os.stat(k.path(name)).st_mtime_ns]
    k.check(k.status == 0 and changed == ["web/photos/nature/Wood.jpg", "web/photos/nature/new.jpg"], f"{changed}")
    k.run()
    k.check(k.status == 0 and os.path.exists(k.path("last-run")), "nothing new")
    k.shell("touch -r last-run mark; head -c 9000 a.jpg > photos/nature/cut.jpg")
    k.run()
    k.check(k.status == 65 and k.shell("[ last-run -nt mark ] || echo kept").strip() == "kept", "the mark stays where one failed")


@recipe("a-long-run-with-a-journal")
def _(k):
    k.shell("head -c 9000 a.jpg > photos/nature/cut.jpg")
    yield
    k.check(k.status == 0 and k.output.startswith("photos/nature/cut.jpg: truncated at byte 9000") and k.output.count("\n") == 1, "what failed")
    k.check({name: k.size(name) for name in k.files("web/**")} == {f"web/{name}.jpg": size_within(*size, 1600) for name, size in TREE.items()}, f"{k.files('web/**')}")
    k.check("Telephone" not in k.tags("web/phone/IMG 1.jpg"), "stripped")
    k.check({json.loads(line)["in"]: json.loads(line)["priority"] for line in k.text("jobs").splitlines()}["photos/phone/IMG 1.jpg"] == 0, "the urgent one")
    k.run()
    answers = [json.loads(line) for line in k.text("results").splitlines()]
    k.check(sorted(each.get("reason", each["status"]) for each in answers) == ["done before"] * 5 + ["failed"], f"{answers}")


@recipe("watching-a-folder")
def _(k):
    k.start()
    end = time.monotonic() + 30
    # It watches from a moment on that nothing tells: put the first one until it is seen.
    while not os.path.exists(k.path("out/first.webp")) and time.monotonic() < end:
        k.shell("mkdir -p in; cp a.jpg in/first.jpg; sleep 0.3")
    k.shell("echo no > in/text.jpg; cp 'photos/phone/IMG 1.jpg' half; mv half 'in/two words.jpg'")
    while not os.path.exists(k.path("out/two words.webp")) and time.monotonic() < end:
        time.sleep(0.05)
    k.stop()
    k.finish()
    k.check(k.files("out/*") == ["out/first.webp", "out/two words.webp"] and k.size("out/two words.webp") == (600, 960) and k.size("out/first.webp") == (1280, 800), f"{k.files('out/*')}")
    k.check("text.jpg" in k.messages, "what is no picture is said")
    yield False


@recipe("pictures-of-strangers")
def _(k):
    # 50,000 by 50,000 pixels in 300 bytes of PNG's header and a little: the size is judged before anything is read.
    k.shell("pngtopam a.png | pnmtopng > bomb.png; cp 'photos/phone/IMG 1.jpg' upload")
    yield
    k.check(k.status == 0 and not k.output and k.size("safe.webp") == (600, 960) and "GPS" not in k.tags("safe.webp"), f"{k.size('safe.webp')}")
    with open(k.path("bomb.png"), "rb") as file:
        data = bytearray(file.read())
    data[16:24] = (50000).to_bytes(4, "big") * 2
    import zlib
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with open(k.path("upload"), "wb") as file:
        file.write(data)
    os.remove(k.path("safe.webp"))
    k.run()
    k.check(k.output == "refused: 65\n" and "50000" in k.messages and not os.path.exists(k.path("safe.webp")), "a bomb")


# -- Other programs

@recipe("numpy-in-the-middle")
def _(k):
    yield
    k.check(k.status == 0 and not k.messages and {name: k.size(name) for name in k.files("warm/**")} == {f"warm/photos/{name}.jpg": (400, 640 if "phone" in name else 300 if "Wood" in name else 250) for name in TREE}, f"{k.files('warm/**')}")
    k.shell("imgdecode a.jpg | imgresize 400 | imgencode -q 85 -o plain.jpg")
    warm, plain = (k.pixels(name).astype(float).mean((0, 1)) for name in ("warm/photos/nature/Garden.jpg", "plain.jpg"))
    k.check(np.abs(warm / plain - [1.1, 1, 0.9]).max() < 0.04, f"{warm / plain}")
    k.check("(c) Ada" in k.tags("warm/photos/phone/IMG 1.jpg"), "metadata goes through")


@recipe("netpbm-in-the-middle")
def _(k):
    yield
    k.shell("imgdecode a.jpg | imgresize 800 | imgencode -q 88 -o plain.jpg")
    one, other = k.pixels("labelled.jpg").astype(int), k.pixels("plain.jpg").astype(int)
    different = np.abs(one - other).max(2) > 60
    k.check(k.status == 0 and one.shape == (500, 800, 3) and different[:70, :400].sum() > 200 and different[80:].sum() == 0, f"{one.shape} {different.sum()}")
