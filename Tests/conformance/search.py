#!/usr/bin/python3
"""imgencode's search for a quality: floors as scikit-image measures them, bytes against all hundred qualities, chroma of coloured text.

usage: search.py [--bin DIR]

With LONG=1 in the environment all of Kodak's pictures, and 20 of Debian's wallpapers at 1600 pixels.
"""
import io
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from harness import Results, corpus_or_end, shell, take_tools
from quality import luma, ssim

ENCODES = re.compile(r"quality (\d+)(, 4:\d:\d)?.*, (\d+) bytes, of (\d+) encodings")


def found(picture, target, *options):
    """The status, and what imgencode -v says of the picture."""
    run = subprocess.run(["sh", "-c", 'imgdecode "$1" | { shift; imgencode -v "$@"; }', "sh", picture, "-o", target, *options],
                         stderr=subprocess.PIPE, check=False)
    lines = run.stderr.decode(errors="replace").splitlines(keepends=True)
    return run.returncode, "".join(line for line in lines if ": sandbox: " not in line)


def decoded(path):
    if path.endswith(".jpg"):
        return np.asarray(Image.open(io.BytesIO(shell('djpeg "$1"', path))))
    return np.asarray(Image.open(io.BytesIO(shell('dwebp -quiet -ppm "$1" -o -', path))))


def check_floors(results, names, folder):
    encodes = []
    for name in names:
        first = np.asarray(Image.open(name).convert("RGB"))
        for ending in ("jpg", "webp"):
            target = os.path.join(folder, "o." + ending)
            for least in (0.9, 0.95, 0.98):
                status, said = found(name, target, "--min-ssim", str(least))
                second = decoded(target)
                value = ssim(luma(first), luma(second))
                results.check(status == 0 and value >= least, f"{name} {ending} {least}: {status}, SSIM {value} {said}")
                match = ENCODES.search(said)
                encodes.append(int(match.group(4)))
                results.check(encodes[-1] <= 7 and os.path.getsize(target) == int(match.group(3)), f"{name}: {said}")
                again = os.path.join(folder, "again." + ending)
                found(name, again, "--min-ssim", str(least))
                results.check(open(target, "rb").read() == open(again, "rb").read(), f"{name} {ending} {least}: another file the second time")
            status, said = found(name, target, "--min-psnr", "36")
            error = np.mean((first.astype(float) - decoded(target).astype(float)) ** 2)
            results.check(status == 0 and 10 * np.log10(255 ** 2 / error) >= 36 - 1e-6, f"{name} {ending}: PSNR {10 * np.log10(255 ** 2 / error)} {said}")
            status, said = found(name, target, "--max-bytes", "30000")
            size = os.path.getsize(target)
            results.check(status == 0 and 27000 < size <= 30000, f"{name} {ending}: {size} bytes of 30000 {said}")
    print(f"{len(encodes)} searches for SSIM, {sum(encodes) / len(encodes):.1f} encodings each")
    results.check(sum(encodes) / len(encodes) < 4.5, "too many encodings")


def wallpapers(folder, size="1600>"):
    """Twenty, in PNG."""
    paths = shell("dpkg --listfiles mate-backgrounds gnome-backgrounds plasma-workspace-wallpapers | grep -E '[.](jpg|png)$' | grep -v screenshot | sort")
    chosen = paths.decode().split()
    for i, path in enumerate(chosen[:: max(1, len(chosen) // 20)][:20]):
        name = os.path.join(folder, f"wallpaper-{i}.png")
        shell('imgdecode --pixels rgb --orient apply "$1" | imgresize "$3" | imgencode --depth 8 --compression 1 -o "$2"', path, name, size)
        yield name


def check_wallpapers(results, folder):
    encodes = []
    for name in wallpapers(folder):
        first = luma(np.asarray(Image.open(name).convert("RGB")))
        target = os.path.join(folder, "o.jpg")
        status, said = found(name, target, "--min-ssim", "0.95")
        value = ssim(first, luma(decoded(target)))
        encodes.append(int(ENCODES.search(said).group(4)))
        results.check(status == 0 and value >= 0.95, f"{name}: {status}, SSIM {value} {said}")
    print(f"{len(encodes)} wallpapers, {sum(encodes) / len(encodes):.1f} encodings each")
    results.check(len(encodes) == 20, "not twenty wallpapers")


def all_qualities(name):
    """Bytes, quality, SSIM and PSNR of all JPEGs that cjpeg makes, with either chroma."""
    picture = np.asarray(Image.open(name).convert("RGB"))
    first = luma(picture)
    ppm = shell('pngtopnm "$1"', name)
    tried = {"4:2:0": [], "4:4:4": []}
    for quality in range(1, 101):
        for chroma, factors in (("4:2:0", "2x2"), ("4:4:4", "1x1")):
            jpeg = subprocess.run(["cjpeg", "-quality", str(quality), "-optimize", "-sample", factors], input=ppm, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, check=True).stdout
            second = np.asarray(Image.open(io.BytesIO(subprocess.run(["djpeg"], input=jpeg, stdout=subprocess.PIPE, check=True).stdout)))
            error = np.mean((picture.astype(float) - second.astype(float)) ** 2)
            tried[chroma].append((len(jpeg), quality, ssim(first, luma(second)), 10 * np.log10(255 ** 2 / max(error, 1e-9))))
    return tried


def check_all_qualities(results, name, folder, colors=True):
    """No other quality with the same chroma meets the floor with 2 % fewer bytes, nor does cjpeg, but for the next lower one; and with a floor
    that sees colours (`colors`), no chroma."""
    tried = all_qualities(name)
    target = os.path.join(folder, "o.jpg")
    for least in (0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99):
        status, said = found(name, target, "--min-ssim", str(least))
        match = ENCODES.search(said)
        # As cjpeg writes them, without metadata; whose tables are larger below 25, where ours are a baseline JPEG's.
        sizes = tried[match.group(2)[2:]][24 if int(match.group(1)) < 25 else 0:]
        best = min((entry for entry in sizes if entry[2] >= least + 1e-5), default=sizes[0])
        size = next((entry[0] for entry in sizes if entry[1] == int(match.group(1))), best[0])
        is_near = size <= 1.02 * best[0] or best[1] == int(match.group(1)) - 1
        results.check(status == 0 and is_near and int(match.group(4)) <= 7, f"{name} {least}: {size} bytes ({said}), quality {best[1]} has {best[0]}")
    for least in (30, 34, 38) if colors else ():
        status, said = found(name, target, "--min-psnr", str(least))
        fit = [min((entry for entry in tried[chroma] if entry[3] >= least), default=(10 ** 9, 0)) for chroma in tried]
        chosen = fit[0 if "4:2:0" in said else 1]
        match = ENCODES.search(said)
        size = tried[match.group(2)[2:]][int(match.group(1)) - 1][0]
        results.check(status == 0 and size <= 1.02 * chosen[0] and size <= 1.05 * min(fit)[0], f"{name} PSNR {least}: {size} bytes ({said}), of {fit}")


def text_page(folder, color):
    picture = Image.new("RGB", (480, 320), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(20):
        draw.text((8, 16 * line), f"{line} the quick brown fox jumps over the lazy dog, and over nine more", fill=color, font=ImageFont.load_default())
    path = os.path.join(folder, f"text-{color}.png")
    picture.save(path)
    return path


def page(folder):
    """Of text in four colours, and lines and boxes: drawn, so that scores have ripples over quality."""
    picture = Image.new("RGB", (480, 320), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(14):
        color = ("red", "blue", "#107010", "black")[line % 4]
        draw.text((8, 16 * line), f"{line} the quick brown fox jumps over the lazy dog, and over nine more", fill=color, font=ImageFont.load_default())
    draw.rectangle([20, 240, 200, 300], fill="#d02020")
    draw.rectangle([180, 250, 300, 310], fill="#2060c0", outline="black")
    draw.ellipse([320, 235, 400, 315], fill="#f0b000")
    draw.line([300, 310, 470, 236], fill="#107010", width=3)
    path = os.path.join(folder, "page.png")
    picture.save(path)
    return path


def check_lists(results, names, folder):
    """Each picture of a list is found as alone, whatever came before it."""
    for ending in ("jpg", "webp"):
        # Text in colours has no more in a WebP, whose chroma is always of half the size.
        for options in ("--min-ssim 0.95", "--min-psnr 34" if ending == "jpg" else "--min-psnr 22", "--max-bytes 20000"):
            for name in names:
                found(name, os.path.join(folder, "alone-" + os.path.basename(name)[:-4] + "." + ending), *options.split())
            for order in (names, names[::-1]):
                shell(f'imgdecode "$@" | imgencode {options} -o "{folder}/list-%n.{ending}"', *order)
                for name in names:
                    base = os.path.basename(name)[:-4] + "." + ending
                    alone, listed = (open(os.path.join(folder, kind + base), "rb").read() for kind in ("alone-", "list-"))
                    results.check(alone == listed, f"{base} {options}: another file in a list")


def check_text(results, folder):
    """Red text smears with chroma of half the size, and gets whole chroma; black text does not."""
    for color, wanted in (("red", "4:4:4"), ("black", "4:2:0")):
        target = os.path.join(folder, "t.jpg")
        status, said = found(text_page(folder, color), target, "--min-ssim", "0.95")
        results.check(status == 0 and f", {wanted}, " in said, f"{color} text: {said}")


def check_unreachable(results, name, folder):
    target = os.path.join(folder, "none.jpg")
    status, said = found(name, target, "--min-ssim", "0.9999", "--max-bytes", "2000")
    results.check(status == 1 and not os.path.exists(target) and len(said.splitlines()) == 1, f"{status} {said}")


def main():
    take_tools("imgencode's search for a quality")
    results = Results()
    corpus = corpus_or_end(results)
    names = [os.path.join(corpus, "kodak", name) for name in sorted(os.listdir(os.path.join(corpus, "kodak"))) if name.endswith(".png")]
    with tempfile.TemporaryDirectory() as folder:
        is_long = bool(os.environ.get("LONG"))
        check_floors(results, names if is_long else names[:3], folder)
        if is_long:
            check_wallpapers(results, folder)
            for name in wallpapers(folder, "400>"):
                # Which chroma is smaller for PSNR is a guess, and in five of these a wrong one.
                check_all_qualities(results, name, folder, colors=False)
        check_text(results, folder)
        check_unreachable(results, names[0], folder)
        drawn = [page(folder), text_page(folder, "red"), text_page(folder, "blue")]
        for name in (names if is_long else names[-1:]) + drawn:
            check_all_qualities(results, name, folder)
        check_lists(results, names + drawn, folder)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
