"""What must come of the recipes of docs/cookbook.md for metadata, damage, many pictures and other programs. See kitchen.py."""
import json
import os
import re
import time
import zlib

import numpy as np

from harness import psnr
from kitchen import TREE, is_tree, recipe, size_within


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
    k.shell("cp 'photos/phone/IMG 1.jpg' IMG.JPG; git add IMG.JPG; if git commit -q -m x; then exit 1; fi")
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
    k.shell("head -c 90000 a.jpg > photos/phone/cut.jpg; echo no > photos/nature/text.jpg; cp a.jpg 'photos/nature/two\nlines.jpg'")
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
