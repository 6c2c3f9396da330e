#!/usr/bin/python3
"""imgdecode --for: pictures decoded smaller give the result that whole ones give.

usage: scaled.py [--bin DIR]

Of every size of 1 to 64 pixels a side, as JPEG (4:2:0) and as WebP, for every geometry: the same size, and nothing moved. The pictures
are two ramps, 0 to 240 across in one channel and down in another. In the result a ramp's mean tells where the picture lies: moved by the
half of a source pixel in the narrowest that is scaled (4 pixels become 2), it would differ by 30. Allowed are 5; 3.0 was measured, of
coding the smallest of them.

Photographs: at least 45 dB between the results.
"""
import glob
import io
import os
import subprocess
import tempfile

import numpy as np

from geometry import GEOMETRIES, SIZES
from harness import Results, find_corpus, frames, picture, psnr, shell, take_tools
from pixelstream import pictures

MOST_MOVED = 5
LEAST_DECIBELS = 45
LEAST_SIDE = 40
GEOMETRIES_OF_PHOTOGRAPHS = ["24%", "12%", "8%", "4%", "2%"]
# And some that ask for little: these are scaled most.
SMALLER = ["2", "x3", "5x5", "9%", "12.5%x25%", "3x7!", "6x6^", "4>"]


def ramps(width, height):
    """Red grows across, green grows down; blue stays."""
    across = np.broadcast_to((np.arange(width) + 0.5) / width, (height, width))
    down = np.broadcast_to(((np.arange(height) + 0.5) / height)[:, None], (height, width))
    return np.stack([240 * across, 240 * down, np.full((height, width), 120)], axis=2).round().astype(np.uint8)


def results_of(folder, script):
    return list(pictures(io.BytesIO(shell(f"cd '{folder}'; {script}"))))


def check_sizes(results, folder, kind, geometry):
    whole = results_of(folder, f"imgdecode --pixels rgb --files0-from={kind} | imgresize '{geometry}'")
    ours = results_of(folder, f"imgdecode --pixels rgb --for '{geometry}' --files0-from={kind} | imgresize '{geometry}'")
    moved = 0.0
    if not len(whole) == len(ours) == len(SIZES):
        results.check(False, f"{kind} {geometry}: {len(ours)} pictures")
        return moved
    for size, a, b in zip(SIZES, whole, ours):
        same = (a.info.width, a.info.height) == (b.info.width, b.info.height)
        distance = np.abs(frames(a)[0].mean(axis=(0, 1)) - frames(b)[0].mean(axis=(0, 1))).max() if same else 255
        moved = max(moved, distance)
        results.check(distance <= MOST_MOVED, f"{kind} of {size} '{geometry}': {b.info.width} x {b.info.height}, "
                                              f"without --for {a.info.width} x {a.info.height}; means {distance:.1f} apart")
    return moved


def scaled_count(folder, kind, geometry):
    """How many of the pictures come smaller at all: else the check above would show nothing."""
    infos = [p.info for p in results_of(folder, f"imgdecode --for '{geometry}' --files0-from={kind}")]
    return sum((i.width, i.height) != (i.full_width, i.full_height) for i in infos)


def check_all_sizes(results):
    with tempfile.TemporaryDirectory() as folder:
        for w, h in SIZES:
            with open(os.path.join(folder, f"{w}x{h}.ppm"), "wb") as file:
                file.write(f"P6 {w} {h} 255\n".encode() + ramps(w, h).tobytes())
        with open(os.path.join(folder, "ppm"), "wb") as file:
            file.write(b"".join(f"{w}x{h}.ppm\0".encode() for w, h in SIZES))
        for kind, options in (("jpg", "-q 98 --subsampling 420"), ("webp", "-q 98")):
            shell(f"cd '{folder}'; imgdecode --files0-from=ppm | imgencode {options} -o '%n.{kind}'")
            with open(os.path.join(folder, kind), "wb") as file:
                file.write(b"".join(f"{w}x{h}.{kind}\0".encode() for w, h in SIZES))
            moved = max(check_sizes(results, folder, kind, geometry) for geometry in GEOMETRIES + SMALLER)
            counts = {geometry: scaled_count(folder, kind, geometry) for geometry in ("1", "9%")}
            results.check(min(counts.values()) > 500, f"{kind}: only {counts} pictures are scaled")
            print(f"{kind}: {len(GEOMETRIES + SMALLER)} geometries of {len(SIZES)} sizes, means at most {moved:.2f} apart; scaled {counts}")


def photographs():
    """Those of mate-backgrounds, and Kodak's of the corpus where there is one."""
    listed = subprocess.run("dpkg --listfiles mate-backgrounds | grep '/nature/.*[.]jpg$' | sort", shell=True, stdout=subprocess.PIPE,
                            text=True, check=True).stdout.split()
    corpus = find_corpus()
    return listed + (sorted(glob.glob(os.path.join(corpus, "kodak", "*.png"))) if corpus else [])


def check_photographs(results):
    least, count = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        for name in photographs():
            for kind, options in (("jpg", "-q 92 --subsampling 420"), ("webp", "-q 90 --effort 2")):
                source = os.path.join(folder, "a." + kind)
                shell(f'imgdecode "$1" | imgencode {options} -o "$2"', name, source)
                for geometry in GEOMETRIES_OF_PHOTOGRAPHS:
                    script = 'imgdecode {options} "$1" | imgresize {geometry} | imgencode -f pam | imgdecode'
                    whole, scaled = (frames(picture(script.format(options=options, geometry=geometry), source))[0]
                                     for options in ("", f"--for {geometry}"))
                    # What the border's pixels are made of is the outermost row, or the mean of several: where a picture is hardly more
                    # than its border, that is what is compared.
                    if min(whole.shape[:2]) < LEAST_SIDE:
                        continue
                    decibels = psnr(whole, scaled)
                    # One that comes as large as it is has not been compared.
                    count += decibels < 999
                    least[kind, geometry] = min(least.get((kind, geometry), 999), decibels)
                    results.check(decibels >= LEAST_DECIBELS, f"{name} as {kind} to {geometry}: {decibels:.1f} dB")
    results.check(count > 30, f"only {count} photographs came smaller")
    print(f"{count} reductions of photographs, least dB between with and without --for: "
          + ", ".join(f"{kind} {geometry} {v:.1f}" for (kind, geometry), v in least.items()))


def main():
    take_tools("pictures decoded smaller")
    results = Results()
    check_all_sizes(results)
    check_photographs(results)
    results.end()


if __name__ == "__main__":
    main()
