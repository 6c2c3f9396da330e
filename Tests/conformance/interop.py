#!/usr/bin/python3
"""Pictures through other people's programs and back: Python with examples/python/imgpipe.py, netpbm by PAM, ffmpeg by Y4M.

usage: interop.py [--bin DIR]"""
import glob
import importlib.machinery
import importlib.util
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np

from harness import ROOT, Results, content, frames, picture, shell, take_tools
from pixelstream import StreamError, pictures

EXAMPLES = os.path.join(ROOT, "examples", "python")
sys.dont_write_bytecode = True
sys.path.insert(0, EXAMPLES)
import imgpipe  # noqa: E402

# A filter that changes nothing, one that halves, and one that fails the first of two pictures.
SAME = "import sys, imgpipe; sys.exit(imgpipe.run(lambda pixels: pixels))"
HALF = "import sys, imgpipe; sys.exit(imgpipe.run(lambda pixels: pixels[::2, ::2]))"
GREY = "import sys, imgpipe; sys.exit(imgpipe.run(lambda pixels: pixels[..., 1]))"
FAIL = """import sys, imgpipe
def narrow(pixels):
    if pixels.shape[1] > 500: raise ValueError("too wide")
    return pixels
sys.exit(imgpipe.run(narrow))"""


def checker():
    """imgpipe-check as a module."""
    loader = importlib.machinery.SourceFileLoader("checker", os.path.join(os.path.dirname(__file__), "imgpipe-check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("checker", loader))
    loader.exec_module(module)
    return module


def make_inputs(folder):
    """One of each kind of samples that imgdecode puts into a stream."""
    photograph = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    shell('cd "$2"; djpeg "$1" | pamscale -xsize 333 -ysize 201 > a.ppm; pnmtopng a.ppm > rgb.png; ppmtopgm a.ppm | tee a.pgm | pnmtopng > gray.png; '
          'pamdepth 65535 a.ppm | pnmtopng > deep.png; pnmtopng -alpha a.pgm a.ppm > alpha.png; '
          'for s in 1x1 2x1 1x2 2x2 4x1; do cjpeg -quality 90 -sample $s a.ppm > $s.jpg; done; cjpeg -grayscale a.ppm > gray.jpg; '
          'cwebp -quiet a.ppm -o a.webp; img2webp -d 70 rgb.png -d 130 alpha.png -o moving.webp > moving.log 2>&1; '
          'exiftool -q -overwrite_original -Orientation#=6 -Copyright=me -XMP-dc:Title=title 2x2.jpg; '
          'icc=$(find /usr/share/color/icc -iname srgb.icc | head -n 1); '
          'exiftool -q -overwrite_original "-icc_profile<=$icc" -Comment=word rgb.png', photograph, folder)
    return sorted(name for name in os.listdir(folder) if name.rsplit(".", 1)[1] in ("jpg", "png", "webp"))


def filtered(folder, name, program, decode="imgdecode"):
    """The picture that comes of a filter, and the one that went into it."""
    got = picture(f'cd "$1"; {decode} "$2" | PYTHONPATH="$3" python3 {program}', folder, name, EXAMPLES)
    return got, picture(f'cd "$1"; {decode} "$2"', folder, name)


def negatives(results, check, folder, names):
    """negative.py for each kind of samples: the stream is right, and the pixels are what NumPy says of what imgdecode says."""
    for name in names:
        native = shell('cd "$1"; imgdecode "$2" | python3 "$3/negative.py"', folder, name, EXAMPLES)
        said = []
        results.check(check.check(io.BytesIO(native), said.append, False) == 0 and len(said) == 1, f"{name}: imgpipe-check {said}")
        got = next(pictures(io.BytesIO(native)))
        # Where a JPEG's planes are to become RGB, imgdecode does it here, and imgpipe.py there.
        wanted = picture('cd "$1"; imgdecode --pixels "$3" "$2"', folder, name, "rgb" if name.endswith("jpg") and "gray" not in name else "native")
        results.check(got.info.orientation == wanted.info.orientation and got.name == name.encode(), f"{name}: orientation and name")
        results.check([kind for kind, _ in got.metadata] == [kind for kind, _ in wanted.metadata], f"{name}: metadata {[kind for kind, _ in got.metadata]}")
        ours, theirs = frames(got), frames(wanted)
        results.check(len(ours) == len(theirs) and got.info._replace(subsampling=0) == wanted.info._replace(subsampling=0), f"{name}: {got.info}")
        for one, other in zip(ours, theirs):
            top, colours = np.iinfo(one.dtype).max, other.shape[2] - (wanted.info.alpha > 0)
            wide = other.astype(int)
            wide[..., :colours] = top - wide[..., :colours]
            # libjpeg rounds twice where it interpolates chroma both ways; one of 4:1:1 or 4:4:0 it repeats or does not, by its version.
            error = np.abs(one.astype(int) - wide)
            limit = (2, 0.6) if name in ("2x2.jpg", "2x1.jpg", "1x1.jpg") else (255, 3) if name.endswith("jpg") and "gray" not in name else (0, 0)
            results.check(error.max() <= limit[0] and error.mean() <= limit[1], f"{name}: off by {error.max()}, {error.mean():.3f} on the whole")


def shapes(results, folder):
    """A filter that changes nothing changes no byte of the file; other sizes, other channels, a profile that fits no more."""
    for name, options in [("rgb.png", "-f png"), ("gray.png", "-f png"), ("deep.png", "-f png"), ("alpha.png", "-f png"), ("moving.webp", "-f webp --lossless"), ("gray.jpg", "")]:
        script = f'cd "$1"; imgdecode "$2" | {{}} imgencode {options}'
        direct = shell(script.format(""), folder, name)
        through = shell(script.format('PYTHONPATH="$4" python3 -c "$3" |'), folder, name, SAME, EXAMPLES)
        results.check(direct == through and len(direct) > 1000, f"{name}: the same bytes through Python")
    got, before = filtered(folder, "moving.webp", f"-c '{HALF}'")
    results.check((got.info.width, got.info.height, got.info.full_width, got.frame_count) == (167, 101, 167, 2), f"half: {got.info}")
    results.check(all(np.array_equal(a, b[::2, ::2]) for a, b in zip(frames(got), frames(before))), "half: pixels")
    got, before = filtered(folder, "rgb.png", f"-c '{GREY}'")
    results.check(got.info.model == 1 and "icc_" in dict(before.metadata) and "icc_" not in dict(got.metadata), "grey has no profile of RGB")
    got, before = filtered(folder, "2x2.jpg", f"-c '{SAME}'", "imgdecode --carry-file")
    results.check(dict(got.metadata)["file"] == b"" and dict(before.metadata)["file"][:2] == b"\xff\xd8", "the file is not what the pixels are any more")
    got, before = filtered(folder, "2x2.jpg", f"-c '{SAME}'", "imgdecode --for 40")
    results.check(before.info.full_width == 333 and got.info.full_width == 333 and got.info.width == before.info.width, "full size stays")
    status = subprocess.run(["sh", "-c", 'cd "$1"; imgdecode 2x2.jpg | python3 "$2/negative.py" | imgencode > upright.jpg; djpeg upright.jpg | pamfile -size; exiftool -s3 -Copyright upright.jpg',
                             "sh", folder, EXAMPLES], capture_output=True, check=False)
    results.check(status.stdout.decode().split() == ["201", "333", "me"], f"the docstring's pipe: {status}")


def failures(results, check, folder):
    """A failure of a neighbour or of the function is handed on, once said, with the status; other pictures are whole."""
    for program, decode, status, message in [(SAME, "imgdecode rgb.png missing.png gray.png", 66, "missing.png: no such file"),
                                             (SAME, "imgdecode rgb.png rgb.txt gray.png", 65, "rgb.txt"),
                                             (FAIL, "imgdecode rgb.png wide.png gray.png", 70, "wide.png: too wide")]:
        with open(f"{folder}/rgb.txt", "w", encoding="ascii") as file:
            file.write("no picture\n")
        shell('cd "$1"; pamscale -xsize 600 a.ppm | pnmtopng > wide.png; rm -rf out; mkdir out', folder)
        ran = subprocess.run(["sh", "-c", f'cd "$1"; {decode} | PYTHONPATH="$3" python3 -c "$2" | tee stream | imgencode -o out/%n.png', "sh", folder, program, EXAMPLES],
                             capture_output=True, check=False)
        results.check(ran.returncode == status and message in ran.stderr.decode() and ran.stderr.count(b"\n") == 1, f"{decode}: {ran}")
        results.check(sorted(os.listdir(f"{folder}/out")) == ["gray.png", "rgb.png"], f"{decode}: the others")
        results.check(check.check(io.BytesIO(content(f"{folder}/stream")), lambda _: None, False) == 1, f"{decode}: the stream is right")
    whole = shell('cd "$1"; imgdecode rgb.png', folder)
    for cut in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        ran = subprocess.run(["python3", "-c", SAME], input=whole[:cut], capture_output=True, check=False, env={**os.environ, "PYTHONPATH": EXAMPLES})
        after = subprocess.run(["imgencode"], input=ran.stdout, capture_output=True, check=False)
        results.check(ran.returncode == 65 and b"truncated" in ran.stderr and ran.stderr.count(b"\n") == 1, f"cut at {cut}: {ran.returncode} {ran.stderr}")
        results.check(after.returncode == 65 and not after.stdout and not after.stderr, f"cut at {cut}: imgencode {after.returncode} {after.stderr}")
    ran = subprocess.run(["sh", "-c", 'imgdecode "$1" | PYTHONPATH="$3" python3 -c "$2" | head -c 100', "sh", f"{folder}/deep.png", SAME, EXAMPLES], capture_output=True, check=False)
    results.check(len(ran.stdout) == 100 and not ran.stderr, f"a reader that leaves: {ran.stderr}")
    big = subprocess.run(["python3", "-c", "import imgpipe; imgpipe.MAX_PIXELS = 1000\n" + SAME], input=whole, capture_output=True, check=False, env={**os.environ, "PYTHONPATH": EXAMPLES})
    results.check(big.returncode == 65 and b"over the limit" in big.stderr and check.check(io.BytesIO(big.stdout), lambda _: None, False) == 1, f"over the limit: {big.stderr}")


def read_all(data):
    """None where imgpipe.py refuses the stream; else whether all pictures of it were whole."""
    try:
        return not any([each.failure for each in imgpipe.read(io.BytesIO(data))])
    except imgpipe.StreamError:
        return None


def damage(results, check, folder):
    """Small streams cut at each byte, and with each byte changed: imgpipe.py refuses what imgpipe-check or pixelstream.py refuse."""
    planes = shell('cd "$1"; pamscale -xsize 5 -ysize 3 a.ppm | cjpeg -sample 2x2 > tiny.jpg; imgdecode tiny.jpg', folder)
    moving = io.BytesIO()
    with imgpipe.Writer(moving) as out:
        out.write(imgpipe.Picture([np.zeros((2, 3, 4), np.uint16), np.full((2, 3, 4), 9, np.uint16)], name="m.webp", durations=[5, 6], before=[(b"exif", b"II*\0abcd")], behind=[(b"text", b"k\0v")]))
        out.fail(66, "gone", "not there")

    def verdict(data):
        try:
            list(pictures(io.BytesIO(data)))
        except StreamError as error:
            # It knows no metadata but ours; filters pass other on.
            if not re.search("unknown record [a-z]", str(error)):
                return None
        except (ArithmeticError, UnicodeDecodeError):
            return None
        try:
            return not check.check(io.BytesIO(data), lambda _: None, False)
        except ( check.Broken, check.struct.error, ArithmeticError, UnicodeDecodeError):
            return None
    random.seed(10)
    count, wrong = 0, []
    for what, data, right in [("planes", planes, True), ("frames", moving.getvalue(), False)]:
        results.check(read_all(data) is right and verdict(data) is right, f"{what}: whole")
        results.check(all(read_all(data[:cut]) is None for cut in range(len(data))) and read_all(data + b"\0") is None, f"{what}: cut anywhere, or too long")
        for at in range(len(data)):
            for value in {data[at] ^ 1, data[at] ^ 128, 0, 255, random.randrange(256)} - {data[at]}:
                changed = data[:at] + bytes([value]) + data[at + 1:]
                count += 1
                if verdict(changed) is None and read_all(changed) is not None or verdict(changed) is not None and read_all(changed) is None:
                    wrong.append((what, at, value))
    results.check(not wrong and count > 2000, f"{len(wrong)} of {count} changed streams judged otherwise: {wrong[:10]}")


def netpbm(results, folder):
    """imgencode -f pam, a program of netpbm, imgdecode: what netpbm does to its own file is done to ours, alpha and 16 bits too."""
    for name, program in [("rgb.png", "pamflip -lr"), ("gray.png", "pamflip -tb"), ("deep.png", "pamflip -r90"), ("alpha.png", "pamflip -xy"),
                          ("rgb.png", "pamscale 0.5"), ("rgb.png", "pamcut -left 10 -top 7 -width 50 -height 20")]:
        ours = picture(f'cd "$1"; imgdecode "$2" | imgencode -f pam | {program} | imgdecode', folder, name)
        theirs = picture(f'cd "$1"; pngtopam -alphapam "$2" | {program} | imgdecode' if "alpha" in name else f'cd "$1"; pngtopam "$2" | {program} | imgdecode', folder, name)
        results.check(ours.info == theirs.info and ours.frames == theirs.frames, f"{name} | {program}: {ours.info}")
    ran = subprocess.run(["sh", "-c", 'cd "$1"; head -c 20000 rgb.png | imgdecode | imgencode -f pam | pamflip -lr > flipped.pam', "sh", folder], capture_output=True, check=False)
    results.check(ran.returncode != 0, "netpbm sees a short end where a picture fails")


def read_y4m(data):
    """The words of the header, and the planes of each frame."""
    head, _, rest = data.partition(b"\n")
    words = {word[:1]: word[1:] for word in head.decode().split()[1:] if word[0] != "X"}
    width, height = int(words["W"]), int(words["H"])
    across, down = {"mono": (0, 0), "444": (1, 1), "422": (2, 1), "420jpeg": (2, 2), "440": (1, 2), "411": (4, 1)}[words["C"]]
    sides = [(height, width)] + ([(-(-height // down), -(-width // across))] * 2 if across else [])
    found = []
    while rest:
        if not rest.startswith(b"FRAME\n"):
            raise ValueError(f"no frame: {rest[:20]}")
        rest, planes = rest[6:], []
        for rows, columns in sides:
            planes.append(np.frombuffer(rest[:rows * columns], "u1").reshape(rows, columns))
            rest = rest[rows * columns:]
        found.append(planes)
    return words, head.endswith(b" XCOLORRANGE=FULL"), found


def planes_of(found):
    """The planes of a picture of the stream, from its bands."""
    info, data = found.info, np.frombuffer(found.frames[0], "u1")
    h, v = info.subsampling >> 4, info.subsampling & 15
    chroma, at, parts = -(-info.width // h), 0, ([], [], [])
    for row in range(0, info.height, v):
        for part, count in zip(parts, (min(v, info.height - row) * info.width, chroma, chroma)):
            part.append(data[at:at + count])
            at += count
    return [np.concatenate(part).reshape(-1, width) for part, width in zip(parts, (info.width, chroma, chroma))]


def jfif(pixels):
    """Planes of RGB, not rounded."""
    r, g, b = (pixels[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return [y, 128 + (b - y) / 1.772, 128 + (r - y) / 1.402]


def y4m(results, folder):
    """imgencode -f y4m: a JPEG's planes as they are, other pictures by JFIF's matrix, frames and their rate; what fails is short. ffmpeg says the same."""
    for name, chroma in [("2x2.jpg", "444"), ("plain.jpg", "420jpeg"), ("1x1.jpg", "444"), ("2x1.jpg", "422"), ("1x2.jpg", "440"), ("4x1.jpg", "411"), ("gray.jpg", "mono"),
                         ("rgb.png", "444"), ("gray.png", "mono"), ("deep.png", "444"), ("alpha.png", "444"), ("moving.webp", "444")]:
        if name == "plain.jpg":
            shell('cd "$1"; cjpeg -quality 90 a.ppm > plain.jpg', folder)
        script = 'cd "$1"; imgdecode "$2" | imgencode -f y4m --background "#102030"'
        words, is_full, found = read_y4m(shell(script, folder, name))
        planar = name.endswith("jpg") and chroma not in ("mono",) and name != "2x2.jpg"
        before = picture(f'cd "$1"; imgdecode {"" if planar else "--pixels native --depth 8" if name != "2x2.jpg" else "--pixels rgb --orient apply"} "$2"', folder, name)
        results.check(words == {"W": str(before.info.width), "H": str(before.info.height), "F": "1000:70" if name == "moving.webp" else "25:1", "I": "p", "A": "1:1", "C": chroma}
                      and is_full and len(found) == before.frame_count, f"{name}: {words} {len(found)}")
        if planar:
            results.check(all(np.array_equal(a, b) for a, b in zip(found[0], planes_of(before))), f"{name}: its planes")
            continue
        for one, other in zip(found, frames(before)):
            if before.info.alpha:
                share = other[..., -1:] / 255
                other = np.rint(other[..., :-1] * share + np.array([16, 32, 48]) * (1 - share))
            wanted = [other[..., 0]] if chroma == "mono" else jfif(other)
            # Rounded once; where alpha is blended, twice.
            error = max(np.abs(a - b).max() for a, b in zip(one, wanted))
            results.check(error <= (1.6 if before.info.alpha else 0.51), f"{name}: off by {error}")
    ran = subprocess.run(["sh", "-c", 'cd "$1"; imgdecode moving.webp | imgencode -o moving.y4m; imgdecode moving.webp | imgencode -f y4m | cmp - moving.y4m', "sh", folder], capture_output=True, check=False)
    results.check(ran.returncode == 0 and b"durations" in ran.stderr, f"by its ending, and times that are lost are said: {ran}")
    ran = subprocess.run(["sh", "-c", 'cd "$1"; head -c 20000 rgb.png | imgdecode | imgencode -f y4m | wc -c; head -c 20000 rgb.png | imgdecode | imgencode -f y4m > /dev/null; echo $?; '
                          'head -c 20000 rgb.png | imgdecode | imgencode -o cut.y4m; ls cut.y4m', "sh", folder], capture_output=True, check=False)
    size, status, *rest = ran.stdout.decode().split()
    results.check(int(size) < 333 * 201 * 3 and status == "65" and not rest, f"a picture that fails: {ran}")
    if not shutil.which("ffmpeg"):
        print("SKIPPED: no ffmpeg")
        results.skipped += 1
        return
    for name, kind in [("moving.webp", "yuvj444p"), ("plain.jpg", "yuvj420p"), ("gray.png", "gray")]:
        data = shell('cd "$1"; imgdecode "$2" | imgencode -f y4m', folder, name)
        raw = subprocess.run(["ffmpeg", "-v", "error", "-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", kind, "-"], input=data, stdout=subprocess.PIPE, check=False).stdout
        results.check(raw == b"".join(plane.tobytes() for each in read_y4m(data)[2] for plane in each), f"{name}: ffmpeg's planes, {len(raw)} bytes")


def main():
    take_tools(__doc__)
    # The Python that runs this has NumPy; another one that is first on PATH may not.
    tools, _, rest = os.environ["PATH"].partition(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([tools, os.path.dirname(sys.executable), rest])
    results, check = Results(), checker()
    with tempfile.TemporaryDirectory(prefix="imgpipe-interop-") as folder:
        names = make_inputs(folder)
        negatives(results, check, folder, names)
        shapes(results, folder)
        failures(results, check, folder)
        damage(results, check, folder)
        netpbm(results, folder)
        y4m(results, folder)
    results.end()


if __name__ == "__main__":
    main()
