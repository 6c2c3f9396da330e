#!/usr/bin/python3
"""Orientation: the corpus's pictures that do not stand upright, against their unrotated siblings, and against NumPy's turning.

usage: orientation.py [--bin DIR]

The siblings (1 is the one that stands upright) are JPEGs of their own, coded in another direction: 28.9 dB and more between the same
pictures (measured with NumPy's turning), 12.7 at most between pictures that lie otherwise. Turning itself is exact: equal to
NumPy's of the rows as stored.
"""
import os

import numpy as np

from harness import Results, corpus_or_end, frames, picture, psnr, take_tools

# What makes stored rows upright, by the code of EXIF (CIPA DC-008, tag 0x0112).
TURN = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1), 7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: np.rot90}
ENDS = {"as it is": "imgencode -f pam", "JPEG": "imgencode -q 95 --subsampling 444", "resized": "imgresize 50% | imgencode -f pam",
        "enlarged": "imgresize 110% | imgencode -f pam"}


def one(script, path):
    return frames(picture(script + " | imgdecode --pixels rgb", path))[0]


def check_turning(results, path, code):
    """The picture comes upright from imgdecode, and from imgencode, as NumPy turns it."""
    expected = TURN[code](frames(picture('imgdecode --pixels rgb --orient ignore "$1"', path))[0])
    results.check(np.array_equal(frames(picture('imgdecode --pixels rgb --orient apply "$1"', path))[0], expected), f"{path}: applied")
    results.check(np.array_equal(one('imgdecode --pixels rgb "$1" | imgencode -f pam', path), expected), f"{path}: encoded")


def main():
    take_tools("orientation against unrotated siblings and NumPy")
    results = Results()
    corpus = corpus_or_end(results)
    folder = os.path.join(corpus, "orientation")
    for name in ("Landscape", "Portrait"):
        paths = {code: os.path.join(folder, f"recurser-{name}_{code}.jpg") for code in range(1, 9)}
        for title, end in ENDS.items():
            upright = one(f'imgdecode "$1" | {end}', paths[1])
            for code in range(2, 9):
                decibels = psnr(one(f'imgdecode "$1" | {end}', paths[code]), upright)
                results.check(decibels > 25, f"{paths[code]} {title}: {decibels:.1f} dB from the upright one")
        for code, path in paths.items():
            check_turning(results, path, code)
    for code in range(2, 9):
        for ending in ("jpg", "webp"):
            check_turning(results, os.path.join(folder, f"Pillow-hopper_orientation_{code}.{ending}"), code)
    check_turning(results, os.path.join(folder, "Pillow-exif_imagemagick_orientation.png"), 3)
    check_turning(results, os.path.join(corpus, "metadata", "image-png-bugfixes-F-exif-chunk-early.png"), 6)
    results.end()


if __name__ == "__main__":
    main()
