#!/usr/bin/python3
"""Sizes of imgresize against ImageMagick's -resize, for every picture of 1 to 64 pixels a side.

usage: geometry.py [--bin DIR]     DIR holds imgdecode and imgresize; default: bin/ of this repository

One list of 4096 pictures a geometry. ImageMagick reckons in
floating point, so where the exact side lies half way between two numbers it may take either; ours is always the larger one.
"""
import argparse
import fractions
import os
import re
import subprocess
import sys
import tempfile

from pixelstream import pictures

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIDES = range(1, 65)
BATCH = 64  # canvases in one command: its time grows with their square
SIZES = [(w, h) for w in SIDES for h in SIDES]
GEOMETRIES = ["20", "20x", "x20", "20x30", "30x7", "50%", "33.3%", "150%", "50%x25%", "20x30>", "20x30<", "20>", "x20<",
              "20x30!", "20x30^", "1", "64x64^"]


def our_sizes(folder, tools, geometry):
    """The sizes that imgresize makes, in the order of SIZES."""
    names = b"".join(f"{w}x{h}.pgm\0".encode() for w, h in SIZES)
    with open(os.path.join(folder, "names"), "wb") as file:
        file.write(names)
    with open(os.path.join(folder, "names"), "rb") as file:
        decode = subprocess.Popen([tools["imgdecode"], "--files0-from=-"], cwd=folder, stdin=file, stdout=subprocess.PIPE)
        resize = subprocess.Popen([tools["imgresize"], "--filter", "nearest", geometry], stdin=decode.stdout, stdout=subprocess.PIPE)
        decode.stdout.close()
        sizes = [(picture.info.width, picture.info.height) for picture in pictures(resize.stdout)]
        if decode.wait() or resize.wait():
            sys.exit(f"{geometry}: a tool failed")
    return sizes


def their_sizes(geometry):
    """The sizes that ImageMagick makes; None where it refuses a side of 0, which is 1 here."""
    sizes = []
    for first in range(0, len(SIZES), BATCH):
        batch = SIZES[first:first + BATCH]
        lines = run_imagemagick(batch, geometry)
        # One that is refused takes its whole batch with it.
        sizes += lines if lines else [(run_imagemagick([size], geometry) or [None])[0] for size in batch]
    return sizes


def run_imagemagick(sizes, geometry):
    """What comes of canvases of these sizes; nothing when ImageMagick fails."""
    words = ["convert-im6.q16"]
    for w, h in sizes:
        words += ["-size", f"{w}x{h}", "xc:gray"]
    words += ["-filter", "point", "-resize", geometry, "-format", "%wx%h\n", "info:-"]
    process = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return [] if process.returncode else [tuple(map(int, line.split("x"))) for line in process.stdout.decode().split()]


def is_tie(size, ours, theirs, geometry):
    """Whether the sides that differ are a tie of rounding: exact arithmetic gives a half."""
    numbers = re.fullmatch(r"(\d*)x?(\d*)[<>^]?", geometry)
    if numbers is None:
        percents = [fractions.Fraction(p) / 100 for p in re.findall(r"[\d.]+", geometry)]
        exact = [size[0] * percents[0], size[1] * percents[-1]]
    else:
        # The side that was asked for fixes the other one.
        fixed = 0 if str(ours[0]) == numbers.group(1) else 1
        exact = [fractions.Fraction(ours[fixed] * side, size[fixed]) for side in size]
    return all(a == b or (a - b == 1 and e.denominator == 2) for a, b, e in zip(ours, theirs, exact))


def main():
    parser = argparse.ArgumentParser(description="sizes of imgresize against ImageMagick")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    folder = os.path.abspath(parser.parse_args().bin)
    tools = {name: os.path.join(folder, name) for name in ("imgdecode", "imgresize")}
    passed = failed = ties = 0
    with tempfile.TemporaryDirectory() as temporary:
        for w, h in SIZES:
            with open(os.path.join(temporary, f"{w}x{h}.pgm"), "wb") as file:
                file.write(f"P5 {w} {h} 255\n".encode() + bytes(w * h))
        for geometry in GEOMETRIES:
            ours, theirs = our_sizes(temporary, tools, geometry), their_sizes(geometry)
            if not len(ours) == len(theirs) == len(SIZES):
                sys.exit(f"{geometry}: {len(ours)} and {len(theirs)} sizes")
            for size, a, b in zip(SIZES, ours, theirs):
                if a == b or (1 in a if b is None else is_tie(size, a, b, geometry)):
                    passed += 1
                    ties += b is not None and a != b
                else:
                    failed += 1
                    if failed <= 20:
                        print(f"{size} -resize '{geometry}': {a}, ImageMagick {b}")
    print(f"{len(GEOMETRIES)} geometries of {len(SIZES)} pictures; {ties} sizes are ties that ImageMagick rounds down")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
