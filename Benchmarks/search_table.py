#!/usr/bin/python3
"""Writes docs/search.md: imgencode's search beside two that others use, over pictures given.

usage: search_table.py PICTURE.png ... > docs/search.md     (with Pillow and scikit-image: .build-test/bin/python3)

jpeg-archive's way: six steps of bisection between qualities 40 and 95, chroma halved, optimised tables, the last step is taken (its
jpeg-recompress; its own metric is replaced by SSIM, so that the ways of searching are compared). cwebp -psnr: its search of libwebp, up to
ten passes, for a PSNR.
"""
import io
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "Tests", "conformance"))
from quality import luma, ssim  # noqa: E402

FLOORS = (0.9, 0.95, 0.98)
DECIBELS = (34, 38)


def run(*command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, **options)


def jpeg(ppm, quality):
    return run("cjpeg", "-quality", str(quality), "-optimize", "-sample", "2x2", input=ppm).stdout


def score(first, data):
    return ssim(first, luma(np.asarray(Image.open(io.BytesIO(run("djpeg", input=data).stdout)))))


def archives_way(ppm, first, floor):
    low, high = 40, 95
    for _ in range(6):
        quality = (low + high) // 2
        data = jpeg(ppm, quality)
        found = score(first, data)
        if found < floor:
            low = min(quality + 1, high)
        else:
            high = max(quality - 1, low)
    return len(data), found, 6


def ours(path, *options):
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "o." + ("webp" if "webp" in options else "jpg"))
        said = run("sh", "-c", 'imgdecode "$1" | { shift; imgencode -v "$@"; }', "sh", path, "-o", target, *options).stderr.decode()
        with open(target, "rb") as file:
            return file.read(), int(re.search(r"of (\d+) encodings", said).group(1))


def cwebp(path, decibels):
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "o.webp")
        run("cwebp", "-quiet", "-psnr", str(decibels), "-pass", "10", path, "-o", target)
        with open(target, "rb") as file:
            return file.read()


def psnr(path, data):
    second = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    return 10 * np.log10(255 ** 2 / np.mean((np.asarray(Image.open(path).convert("RGB")).astype(float) - second) ** 2))


def main():
    print("""# Looking for a quality

imgencode's search beside two that others use. Made by `Benchmarks/search_table.py`, which says how: bytes, the score that came out as
scikit-image measures it, and encodings. Where imgencode's file is larger at a floor that both meet, halved chroma alone did not meet the
floor, and it kept chroma whole. cwebp's own PSNR is of luma and halved chroma, and so another than that of the pixels that are seen.
""")
    print("| picture | floor | imgencode | | | jpeg-archive's way | | |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    for path in sys.argv[1:]:
        first = luma(np.asarray(Image.open(path).convert("RGB")))
        ppm = run("pngtopnm", path).stdout
        for floor in FLOORS:
            data, count = ours(path, "--min-ssim", str(floor))
            size, found, steps = archives_way(ppm, first, floor)
            print(f"| {os.path.basename(path)} | SSIM {floor} | {len(data)} | {score(first, data):.4f} | {count} | {size} | {found:.4f}{'' if found >= floor else ' (missed)'} | {steps} |")
    print("\n| picture | floor | imgencode -f webp | | | cwebp -psnr | |\n|---|---:|---:|---:|---:|---:|---:|")
    for path in sys.argv[1:]:
        for decibels in DECIBELS:
            data, count = ours(path, "-f", "webp", "--min-psnr", str(decibels))
            other = cwebp(path, decibels)
            reached = psnr(path, other)
            print(f"| {os.path.basename(path)} | {decibels} dB | {len(data)} | {psnr(path, data):.2f} | {count} | {len(other)} | {reached:.2f}{'' if reached >= decibels else ' (missed)'} |")


if __name__ == "__main__":
    main()
