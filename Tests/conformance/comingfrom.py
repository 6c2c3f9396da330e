#!/usr/bin/python3
"""The tables of docs/coming-from.md: both commands of each row are run on the same pictures, and their results held against each other.

usage: comingfrom.py [--bin DIR] [WORD]...     only rows whose first command has one of the words

Each row has a line in EXPECTED; a row without one fails, and so does a line without a row. A number is the least PSNR in dB, over all samples, of what both
have written, as djpeg, pngtopam and dwebp read it. Where it is low its comment says what lies between the two."""
import concurrent.futures
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import ROOT, Results, content, psnr, take_tools
from kitchen import samples

PAGE = os.path.join(ROOT, "docs", "coming-from.md")
# Equal pixels; the same words; the same numbers; the same sides, and that is all.
EQUAL, WORDS, NUMBERS, SIDES = math.inf, "words", "numbers", 0.0
# Both encode by libjpeg or libwebp; where their qualities differ, or their filters do, that is what lies between. By first words of a command.
EXPECTED = {
    # ImageMagick keeps the quality of the input, 90, and so whole chroma.
    "convert a.jpg -resize 640x480 b.jpg": 38, "convert a.jpg -resize '3000x3000>' b.jpg": 40,
    # 8 bits beside 16, edges another way; Lanczos for Mitchell has 48.1, and what is not linear 50.2 (vips: 51.0).
    "convert a.png -resize 150%": 49.5, "convert a.jpg -resize '300x300^'": 48,
    # 133 rows of white are 66 above and 67 below, or the other way round.
    "convert a.jpg -resize 400x400": 30,
    "convert a.jpg -crop": EQUAL, "convert phone.jpg -auto-orient": EQUAL, "convert logo.png -background": 46,
    "convert a.jpg -thumbnail": 36, "convert a.jpg -define jpeg:size": 36,
    # ImageMagick decodes and encodes again.
    "convert phone.jpg -strip": 50,
    "convert a.png -quality 85": 47, "convert a.png -quality 92": EQUAL,
    # Its search stops at another quality below the bound.
    "convert a.png -define jpeg:extent": 40, "convert a.png -define webp": EQUAL,
    # Dithered, by other colours.
    "convert a.png -colors 64": 33,
    # BT.601 beside BT.709.
    "convert a.jpg -colorspace gray": 35, "convert a.jpg -colorspace RGB": 50.7,
    "mogrify": 35, "identify": WORDS, "compare": NUMBERS,
    "vipsthumbnail a.jpg -s 320 -o": 39, "vipsthumbnail a.jpg -s 320x -o": 40, "vipsthumbnail a.jpg -s '3000x3000>'": EQUAL, "vipsthumbnail phone.jpg": 41,
    "vipsthumbnail a.jpg -s 300x300 --smartcrop centre": 48, "vipsthumbnail a.jpg -s 300x300 --smartcrop attention": SIDES, "vipsthumbnail a.jpg -s 320x --linear": 52.5,
    "vips copy a.png": EQUAL, "vips copy phone.jpg": 50,
    "jpegtopnm a.jpg | pamscale": 39, "jpegtopnm a.jpg | pamcut": EQUAL, "pngtopam a.png": EQUAL, "pngtopam -alphapam": EQUAL, "jpegtopnm phone.jpg": EQUAL,
    "djpeg a.jpg": EQUAL, "djpeg -grayscale": EQUAL, "djpeg -scale": 35, "cjpeg -quality 75": EQUAL, "cjpeg -quality 95": EQUAL, "cjpeg -quality 80": EQUAL, "jpegtran": EQUAL,
    # Decoded by itself, not from the planes: quality 75 of the same pixels is the same file.
    "cwebp -quiet a.png": EQUAL, "cwebp -quiet -q 60": EQUAL, "cwebp -quiet -lossless": EQUAL, "cwebp -quiet -resize": 36, "cwebp -quiet -size": 41, "dwebp": EQUAL,
    "exiftool -q": EQUAL, "exiftool -s3": WORDS,
}
# Statuses that are not 0: `compare` says by 1 that pictures differ.
STATUSES = {"compare": (1, 0)}
# Tags of ExifTool that are no statement of the picture's, but of who wrote it, or what every JPEG's EXIF has to have by the letter.
USUAL = ("XMPToolkit", "XResolution", "YResolution", "ResolutionUnit", "YCbCrPositioning")


def rows():
    """Pairs of commands: table rows whose first two cells are code."""
    found = []
    for line in content(PAGE).decode().splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and all(cell.startswith("`") and cell.endswith("`") for cell in cells[:2]):
            found.append((cells[0][1:-1], cells[1][1:-1]))
    return found


def fill(folder):
    """The pictures of all rows."""
    nature = "/usr/share/backgrounds/mate/nature"
    subprocess.run(["sh", "-ec", f"""
        cd "{folder}"; mkdir small
        djpeg -scale 1/2 {nature}/Wood.jpg | pamcut 0 0 1280 853 > a.ppm
        cjpeg -quality 90 a.ppm > a.jpg
        pamscale -xsize 600 a.ppm > p.ppm; pnmtopng p.ppm > a.png
        cjpeg -quality 60 p.ppm > lossy.jpg; cwebp -quiet -q 70 p.ppm -o small.webp
        cjpeg -quality 90 p.ppm > phone.jpg
        exiftool -q -overwrite_original -Orientation#=6 -Copyright='Ada' -XMP-dc:Rights=Ada -GPSLatitude=48.1 -GPSLatitudeRef=N -GPSLongitude=11.5 -GPSLongitudeRef=E \\
            -XMP-exif:GPSLatitude=48.1 -Model=Telephone phone.jpg
        ppmmake rgb:c0/20/40 60 40 > r.ppm; pgmramp -lr 60 40 > r.pgm; pnmtopng -alpha r.pgm r.ppm > logo.png; rm p.ppm r.ppm r.pgm"""], check=True, stderr=subprocess.DEVNULL)


def run(command, pantry, folder):
    """Status, output, and what was written, by name."""
    shutil.copytree(pantry, folder)
    before = set(os.listdir(folder))
    ran = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, check=False, timeout=120)
    written = sorted(name for name in set(os.listdir(folder)) - before) + [f"small/{name}" for name in sorted(os.listdir(f"{folder}/small"))]
    return ran.returncode, (ran.stdout + ran.stderr).decode(errors="replace"), {name.rsplit(".", 1)[0]: f"{folder}/{name}" for name in written}


def pixels(path):
    data = content(path)
    if data[:1] == b"P":
        return samples(data)
    program = {b"\xff\xd8": "djpeg", b"\x89P": "pngtopam -alphapam", b"RI": "dwebp -quiet -pam -o - --"}[data[:2]]
    found = samples(subprocess.run(["sh", "-c", f'{program} "$1"', "sh", path], stdout=subprocess.PIPE, check=True).stdout)
    found = found[..., :-1] if found.shape[2] in (2, 4) and found[..., -1].min() == found[..., -1].max() else found
    return found.repeat(3, 2) if found.shape[2] == 1 else found


def tags(path):
    """What ExifTool finds but for what it says of the file itself."""
    output = subprocess.run(["exiftool", "-a", "-G1", "-s", "-n", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    return [line for line in output.splitlines() if re.match(r"\[(IFD\d|GPS|ExifIFD|XMP-\w+|IPTC)\]", line)]


def find(table, command):
    """The longest beginning of a command that a table has."""
    return max((start for start in table if command.startswith(start)), key=len, default=None)


def check(results, theirs, ours, both):
    """The two results of a row."""
    start = find(EXPECTED, theirs)
    if start is None:
        results.check(False, f"no expectation for {theirs}")
        return
    expected, what = EXPECTED[start], f"{theirs} beside {ours}"
    statuses = tuple(each[0] for each in both)
    results.check(statuses == STATUSES.get(start, (0, 0)), f"{what}: {statuses} {[each[1][-300:] for each in both]}")
    if expected == WORDS:
        results.check(both[0][1] == both[1][1] != "", f"{what}: {both[0][1]!r} {both[1][1]!r}")
        return
    if expected == NUMBERS:
        numbers = [float(re.search(r"[\d.]+", each[1])[0]) for each in both]
        results.check(abs(numbers[0] - numbers[1]) < 0.01, f"{what}: {numbers}")
        return
    names = [set(each[2]) for each in both]
    results.check(names[0] == names[1] != set(), f"{what}: wrote {names}")
    for name in names[0] & names[1]:
        one, other = (pixels(each[2][name]) for each in both)
        score = psnr(one, other)
        results.check(one.shape[:2] == other.shape[:2] and score >= expected, f"{what}: {one.shape} {other.shape} {score:.1f} dB, not {expected}")
        if theirs.startswith("exiftool"):
            found = [sorted(line for line in tags(each[2][name]) if not any(f" {usual} " in line for usual in USUAL)) for each in both]
            results.check(found[0] == found[1], f"{what}: {found}")
    if "--max-bytes" in ours:
        bound = int(re.search(r"--max-bytes (\d+)", ours)[1])
        results.check(0.9 * bound < os.path.getsize(both[1][2]["b"]) <= bound, f"{what}: bytes")


def main():
    words = [word for i, word in enumerate(sys.argv) if i and not word.startswith("-") and sys.argv[i - 1] != "--bin"]
    sys.argv = [word for word in sys.argv if word not in words]
    take_tools(__doc__)
    # Debian's programs, whatever else has their names.
    tools, _, rest = os.environ["PATH"].partition(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([tools, "/usr/bin", rest])
    results, table = Results(), rows()
    used = {find(EXPECTED, theirs) for theirs, _ in table}
    results.check(len(table) > 50 and set(EXPECTED) <= used, f"{len(table)} rows; expectations without one: {set(EXPECTED) - used}")
    with tempfile.TemporaryDirectory(prefix="imgpipe-comingfrom-") as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
        pantry = f"{folder}/pantry"
        os.makedirs(pantry)
        fill(pantry)
        chosen = [row for row in table if not words or any(word in row[0] for word in words)]
        both = pool.map(lambda job: [run(command, pantry, f"{folder}/{job[0]}-{i}") for i, command in enumerate(job[1])], enumerate(chosen))
        for row, result in zip(chosen, both):
            check(results, *row, result)
    results.end()


if __name__ == "__main__":
    main()
