#!/usr/bin/python3
"""imgdecode --salvage on damaged pictures: what it says is whole is as in the whole file, more of a file never gives less, and the decoders that
others use do not get more out of it. Without --salvage no cut file is status 0.

usage: salvage.py [--bin DIR]

With LONG=1 in the environment 20 pictures are cut at every percent, else 8 at every tenth.
"""
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np
from PIL import Image

from harness import Results, corpus_or_end, frames, shell, take_tools
from pixelstream import pictures

KINDS = {1: "absent", 2: "coarse", 3: "concealed"}


def decoded(path, *options):
    """Status, messages, and the picture of the stream, if one is whole."""
    run = subprocess.run(["imgdecode", *options, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    if run.returncode not in (0, 65):
        return run.returncode, run.stderr.decode(errors="replace"), None
    found = list(pictures(io.BytesIO(run.stdout))) if run.stdout else []
    return run.returncode, run.stderr.decode(errors="replace"), found[0] if found and not found[0].failure else None


def damage(picture):
    """(first row, rows, kind) of each dmge record."""
    return [struct.unpack("<4I", payload[:16])[1:] for kind, payload in picture.metadata if kind == "dmge"]


def whole_rows(picture):
    """A truth value for each row: nothing is said against it."""
    rows = np.ones(picture.info.height, bool)
    for first, count, _ in damage(picture):
        rows[first:first + count] = False
    return rows


def same_rows(a, b):
    """A truth value for each row that two arrays have alike."""
    if a is None or a.shape != b.shape:
        return np.zeros(b.shape[0], bool)
    return (a == b).all(axis=(1, 2))


def with_others(path):
    """Rows of RGB as djpeg, libpng through Pillow, or dwebp give them, whatever they say; None where they give none."""
    kind = open(path, "rb").read(4)
    if kind[:2] == b"\xff\xd8":
        out = subprocess.run(["djpeg", "-ppm", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    elif kind == b"RIFF":
        out = subprocess.run(["dwebp", "-quiet", "-incremental", "-ppm", path, "-o", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    else:
        out = subprocess.run(["pngtopnm", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    match = re.match(rb"P([56])\s+(\d+)\s+(\d+)\s+(\d+)\s", out)
    if not match or match.group(4) != b"255":
        return None
    width, height, channels = int(match.group(2)), int(match.group(3)), 3 if match.group(1) == b"6" else 1
    pixels = np.frombuffer(out[match.end():], np.uint8)
    pixels = np.concatenate([pixels, np.zeros(max(0, width * height * channels - pixels.size), np.uint8)])[:width * height * channels]
    pixels = pixels.reshape(height, width, channels)
    return np.repeat(pixels, 3, 2) if channels == 1 else pixels


def rgb(path, *options):
    picture = decoded(path, "--pixels", "rgb", "--depth", "8", "--orient", "ignore", "--frames", "first", *options)
    return picture[0], picture[1], picture[2], frames(picture[2])[0] if picture[2] else None


def sources(corpus, folder):
    """Pictures to be cut: kinds of JPEG, PNG and WebP, made by the codecs' own tools."""
    kodak = os.path.join(corpus, "kodak", "images-kodim23.png")
    small = os.path.join(folder, "small.ppm")
    shell('imgdecode "$1" | imgresize 320 | imgencode -f pam --depth 8 | pamtopnm > "$2"', kodak, small)
    recipes = {
        "baseline.jpg": "cjpeg -quality 85 {}", "restarts.jpg": "cjpeg -quality 85 -restart 1 {}", "progressive.jpg": "cjpeg -quality 85 -progressive {}",
        "gray.jpg": "cjpeg -grayscale {}", "whole-chroma.jpg": "cjpeg -sample 1x1 {}", "plain.png": "pnmtopng -quiet {}", "interlaced.png": "pnmtopng -quiet -interlace {}",
        "palette.png": "pnmquant -quiet 200 {} | pnmtopng -quiet", "lossy.webp": "cwebp -quiet {} -o -", "lossless.webp": "cwebp -quiet -lossless {} -o -",
        "raw.ppm": "cat {}",
    }
    for name, recipe in recipes.items():
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(shell(recipe.format('"$1"'), small, stderr=subprocess.DEVNULL))
        yield path
    if os.environ.get("LONG"):
        for kind in ("jpeg", "png", "webp"):
            inside = os.path.join(corpus, "valid", kind)
            chosen = [name for name in sorted(os.listdir(inside)) if 3000 < os.path.getsize(os.path.join(inside, name)) < 200000]
            for name in chosen[:: max(1, len(chosen) // 3)][:3]:
                yield os.path.join(inside, name)


def check_cuts(results, corpus, folder):
    count = 0
    for path in sources(corpus, folder):
        status, said, picture, whole = rgb(path)
        count += 1
        content, name = open(path, "rb").read(), os.path.basename(path)
        before = 0
        for percent in range(1 if os.environ.get("LONG") else 10, 100, 1 if os.environ.get("LONG") else 10):
            cut = os.path.join(folder, "cut")
            with open(cut, "wb") as file:
                file.write(content[:len(content) * percent // 100])
            what = f"{name} cut at {percent} %"
            status, said, _, _ = rgb(cut)
            results.check(status == 65 and len(said.splitlines()) == 1, f"{what}: status {status} without --salvage: {said}")
            status, said, picture, pixels = rgb(cut, "--salvage")
            faults = [line for line in said.splitlines() if ": warning: " not in line]
            results.check(status in (0, 65) and len(faults) == 1, f"{what}: status {status}: {said}")
            # A thumbnail that stands in is no part of it.
            rows = 0
            if picture and "thumbnail" not in said:
                right, claimed = same_rows(pixels, whole), whole_rows(picture)
                results.check(right[claimed].all(), f"{what}: of the rows that are said to be whole {np.flatnonzero(claimed & ~right)[:5]} are not: {said}")
                # Rows that came, coarse ones too.
                rows = picture.info.height - sum(n for _, n, kind in damage(picture) if KINDS[kind] == "absent")
                others = with_others(cut)
                if others is not None and others.shape == whole.shape:
                    results.check(right.sum() >= same_rows(others, whole).sum(), f"{what}: {right.sum()} rows, others have {same_rows(others, whole).sum()}")
            results.check(rows >= before, f"{what}: {rows} rows, {before} of less of the file")
            before = rows
    results.check(count >= 8, f"{count} pictures")


def check_progressive(results, folder):
    """A picture from 15 % of the bytes: all of it, coarse, and like the whole one."""
    path, cut = os.path.join(folder, "progressive.jpg"), os.path.join(folder, "cut")
    content = open(path, "rb").read()
    with open(cut, "wb") as file:
        file.write(content[:len(content) * 15 // 100])
    _, said, picture, pixels = rgb(cut, "--salvage")
    error = np.mean((pixels.astype(float) - rgb(path)[3].astype(float)) ** 2)
    results.check({kind for _, _, kind in damage(picture)} == {2} and error < 400, f"{said} squared error {error}")


def check_whole(results, corpus):
    """Whole files are the same with and without, whatever rows are asked for."""
    for kind in ("metadata", "icc", "orientation"):
        for name in sorted(os.listdir(os.path.join(corpus, kind))):
            path = os.path.join(corpus, kind, name)
            for options in ("--pixels=native", "--pixels=rgba", "--pixels=gray --depth=16 --orient=apply", "--color=srgb --for=100"):
                plain, salvaged = (decoded(path, *options.split(), *more) for more in ([], ["--salvage"]))
                if plain[0] == 0:
                    a, b = plain[2], salvaged[2]
                    same = b and (a.info, a.frames, a.metadata) == (b.info, b.frames, b.metadata)
                    results.check(salvaged[0] == 0 and same, f"{name} {options}: {salvaged[0]}, or another picture with --salvage")


def check_faults(results, folder):
    """One fault each, and what is said of it."""
    def chunks(png):
        at = 8
        while at < len(png):
            length = struct.unpack(">I", png[at:at + 4])[0]
            yield at, png[at + 4:at + 8], length
            at += 12 + length

    def said(name, content):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        status, text, picture, _ = rgb(path, "--salvage")
        return status, text, {KINDS[kind] for _, _, kind in damage(picture)} if picture else None

    plain = open(os.path.join(folder, "plain.png"), "rb").read()
    first = next(at for at, kind, _ in chunks(plain) if kind == b"IDAT")
    length = struct.unpack(">I", plain[first:first + 4])[0]
    wrong = bytearray(plain)
    wrong[first + 8 + length] ^= 1
    status, text, kinds = said("crc.png", wrong)
    results.check(status == 0 and "CRC error" in text and "all rows are whole" in text and kinds == set(), f"a wrong checksum, right rows: {status} {text}")
    wrong = bytearray(plain)
    wrong[8 + 8 + 13] ^= 1
    status, text, kinds = said("ihdr.png", wrong)
    results.check(status == 0 and "IHDR: CRC error" in text and kinds == {"concealed"}, f"a wrong head: {status} {text}")
    # Found by scripts/fuzz: a stream that is too short and has a wrong checksum; the fields of a second frame.
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    width, height = struct.unpack(">2I", plain[16:24])
    packed = bytearray(zlib.compress(bytes((3 * width + 1) * (height // 2))))
    packed[-1] ^= 1
    status, text, kinds = said("short.png", plain[:33] + chunk(b"IDAT", bytes(packed)) + chunk(b"IEND", b""))
    results.check(status == 0 and kinds == {"concealed", "absent"}, f"half a stream with a wrong checksum: {status} {text}")
    progressive = open(os.path.join(folder, "progressive.jpg"), "rb").read()
    frame = progressive.index(b"\xff\xc2")
    second = bytearray(progressive[frame:frame + 19])
    second[5:9] = struct.pack(">2H", 9000, 9000)
    place = progressive.index(b"\xff\xc4", progressive.index(b"\xff\xda") + 14)
    status, text, kinds = said("two.jpg", progressive[:place] + second + progressive[place:])
    results.check(status == 0 and "two SOF" in text and kinds == {"coarse"}, f"a second frame: {status} {text}")
    scans = [match.start() for match in re.finditer(b"\xff\xda", progressive)]
    status, text, kinds = said("nothing.jpg", progressive[:scans[0] + 14])
    results.check(status == 65, f"a JPEG of no scan: {status} {text}")
    tables = [match.start() for match in re.finditer(b"\xff\xc4", progressive) if match.start() > scans[1]]
    status, text, kinds = said("tables.jpg", progressive[:tables[0] + 9])
    results.check(status == 0 and kinds == {"coarse"}, f"cut between scans: {status} {text}")
    status, text, kinds = said("last.jpg", progressive[:-40])
    results.check(status == 0 and kinds in (set(), {"coarse"}) and (kinds or scans[-1] > len(progressive) - 60), f"cut at its end: {status} {text}")
    baseline = open(os.path.join(folder, "baseline.jpg"), "rb").read()
    status, text, kinds = said("eoi.jpg", baseline[:len(baseline) // 2] + b"\xff\xd9")
    results.check(status == 0 and kinds == {"concealed", "absent"}, f"an end in its middle: {status} {text}")
    lossy = open(os.path.join(folder, "lossy.webp"), "rb").read()
    status, text, kinds = said("riff.webp", lossy[:4] + struct.pack("<I", 1000) + lossy[8:])
    results.check(status == 0 and kinds == set(), f"a wrong RIFF size: {status} {text}")
    status, text, kinds = said("half.webp", lossy[:len(lossy) * 6 // 10])
    results.check(status == 0 and kinds == {"absent"}, f"half a WebP: {status} {text}")


def check_broken(results, corpus):
    """Every broken file: a status that stands for something, one line, and no fewer rows of its original than others have."""
    tally = {"whole": 0, "salvaged": 0, "thumbnail": 0, "refused": 0, "better": 0, "equal": 0}
    for kind in ("jpeg", "png", "webp"):
        for name in sorted(os.listdir(os.path.join(corpus, "broken", kind))):
            path = os.path.join(corpus, "broken", kind, name)
            status, said, picture, pixels = rgb(path, "--salvage")
            results.check(status in (0, 65), f"{name}: status {status} {said}")
            salvaged = [line for line in said.splitlines() if "salvaged: " in line]
            tally["refused" if status else "thumbnail" if "thumbnail" in said else "salvaged" if salvaged else "whole"] += 1
            plain = rgb(path)[0]
            results.check((status == 0 and not salvaged) == (plain == 0), f"{name}: {plain} without --salvage: {said}")
            original = os.path.join(corpus, "valid", kind, re.sub(r"\.(head|flip|zero)-[-0-9]*", "", name))
            if not re.search(r"\.(head|flip|zero)-", name) or not os.path.exists(original):
                continue
            _, _, _, whole = rgb(original)
            others = with_others(path)
            if whole is None or others is None or others.shape != whole.shape:
                continue
            mine, theirs = same_rows(pixels, whole).sum(), same_rows(others, whole).sum()
            tally["better" if mine > theirs else "equal"] += 1
            results.check(mine >= theirs, f"{name}: {mine} rows, others have {theirs}: {said}")
    print(", ".join(f"{count} {what}" for what, count in tally.items()))


def check_bombs(results, corpus):
    """The limits hold with --salvage too, in 2 GiB of addresses."""
    folder = os.path.join(corpus, "bombs")
    for name in sorted(os.listdir(folder)):
        run = subprocess.run(["sh", "-c", 'ulimit -v 2097152; exec imgdecode --salvage "$1" > /dev/null', "sh", os.path.join(folder, name)],
                             stderr=subprocess.PIPE, check=False, timeout=60)
        results.check(run.returncode in (0, 65), f"{name}: status {run.returncode} {run.stderr.decode(errors='replace')}")


def check_thumbnail(results, corpus, folder):
    """A JPEG that has lost everything but its head is its thumbnail."""
    path = next((os.path.join(corpus, "metadata", name) for name in sorted(os.listdir(os.path.join(corpus, "metadata")))
                 if name.endswith(".jpg") and shell('exiftool -b -ThumbnailImage "$1"', os.path.join(corpus, "metadata", name))[:2] == b"\xff\xd8"), None)
    content = open(path, "rb").read()
    thumbnail = np.asarray(Image.open(io.BytesIO(shell('exiftool -b -ThumbnailImage "$1" | djpeg', path))))
    scan = content.rindex(b"\xff\xda")
    cut = os.path.join(folder, "cut")
    for end in (scan + 20, scan - 30):
        with open(cut, "wb") as file:
            file.write(content[:end])
        status, said, picture, pixels = rgb(cut, "--salvage")
        results.check(status == 0 and "thumbnail" in said and pixels.shape == thumbnail.shape and (pixels == thumbnail).all(),
                      f"{os.path.basename(path)} cut at {end}: {status} {said}")
        results.check(damage(picture) == [(0, picture.info.height, 2)], f"{damage(picture)}")


def check_animation(results, corpus, folder):
    """Of a cut animation the frames that are whole, as they are in the whole one."""
    inside = os.path.join(corpus, "valid", "webp")
    paths = [os.path.join(inside, name) for name in sorted(os.listdir(inside))]
    animated = [path for path in paths if b"ANMF" in open(path, "rb").read() and os.path.getsize(path) > 2000][:4]
    for path in animated:
        content, cut = open(path, "rb").read(), os.path.join(folder, "cut")
        _, _, whole = decoded(path)
        if whole is None:
            continue
        with open(cut, "wb") as file:
            file.write(content[:len(content) * 2 // 3])
        status, said, picture = decoded(cut, "--salvage")
        count = len(picture.frames) if picture else 0
        results.check(status == 0 and 0 < count < len(whole.frames) and picture.frames == whole.frames[:count], f"{os.path.basename(path)}: {count} frames: {said}")
    results.check(len(animated) >= 2, "too few animations")


def main():
    take_tools("imgdecode --salvage")
    results = Results()
    corpus = corpus_or_end(results)
    with tempfile.TemporaryDirectory() as folder:
        check_cuts(results, corpus, folder)
        check_progressive(results, folder)
        check_faults(results, folder)
        check_thumbnail(results, corpus, folder)
        check_animation(results, corpus, folder)
    check_whole(results, corpus)
    check_broken(results, corpus)
    check_bombs(results, corpus)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
