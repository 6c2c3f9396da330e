#!/usr/bin/python3
"""Sizes of imgresize against ImageMagick's -resize, for every picture of 1 to 64 pixels a side, in every orientation.

usage: geometry.py [--bin DIR]     DIR holds imgdecode and imgresize; default: bin/ of this repository

One list of 4096 pictures a geometry. ImageMagick reckons in
floating point, so where the exact side lies half way between two numbers it may take either; ours is always the larger one.
Pictures that do not stand upright come as pixel streams; ImageMagick's size is that of the upright picture.
"""
import argparse
import fractions
import functools
import io
import os
import re
import struct
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


@functools.lru_cache(maxsize=None)
def stream(orientation):
    """A pixel stream of grey pictures that are of SIZES when they stand upright."""
    records = [b"imgpipe1" + bytes(8)]
    for upright in SIZES:
        w, h = upright[::-1] if orientation >= 5 else upright
        imag = struct.pack("<2I8B4B2I2I2II", w, h, 1, 0, 1, 0x11, 1, orientation, 0, 8, 1, 13, 0, 1, 1, 0, 0, 0, w, h, 0)
        pixels = bytes(w * h)
        for kind, payload in ((b"IMAG", imag), (b"FRAM", bytes(16)), (b"ROWS", pixels), (b"ENDI", struct.pack("<2Q", h, w * h))):
            records.append(kind + bytes(4) + struct.pack("<Q", len(payload)) + payload + bytes(-len(payload) % 16))
    records.append(b"DONE" + bytes(4) + struct.pack("<3Q", 16, len(SIZES), 0))
    return b"".join(records)


def turned_sizes(tools, geometry, orientation):
    """The sizes, upright, that imgresize makes of pictures that do not stand upright."""
    process = subprocess.run([tools["imgresize"], "--filter", "nearest", geometry], input=stream(orientation),
                             stdout=subprocess.PIPE, check=True)
    infos = [picture.info for picture in pictures(io.BytesIO(process.stdout))]
    return [(i.height, i.width) if i.orientation >= 5 else (i.width, i.height) for i in infos]


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
            for orientation in range(2, 9):
                # imgdecode and ImageMagick are asked once; what is upright says what the others must be.
                for size, a, b in zip(SIZES, ours, turned_sizes(tools, geometry, orientation)):
                    if a == b:
                        passed += 1
                    else:
                        failed += 1
                        if failed <= 20:
                            print(f"{size} -resize '{geometry}', orientation {orientation}: {b}, upright {a}")
    print(f"{len(GEOMETRIES)} geometries of {len(SIZES)} pictures; {ties} sizes are ties that ImageMagick rounds down")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
