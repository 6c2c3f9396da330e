#!/usr/bin/python3
"""Animated WebP through the filters against Pillow.

usage: animation.py [--bin DIR]

Frames as imgdecode composes them are Pillow's to the sample. Through `imgresize 50%` and imgencode, Pillow must find as many frames,
the same durations and loop count, and frames that are Pillow's own Lanczos reductions of its frames: without loss at least 42 dB on
a canvas of white (two 8-bit resamplers of the same kernel differ by 1 at most, 48 dB; Pillow multiplies by alpha in 8 bits too, and
rounds between its passes: 6 dB for that);
at quality 90 at least 30 dB (what libwebp's 4:2:0 leaves of hard coloured edges).
"""
import os
import tempfile

import numpy as np
from PIL import Image

from harness import Results, find_corpus, frames, picture, psnr, shell, take_tools

FILES = ["valid/webp/Pillow-iss634.webp", "valid/webp/image-extended_images-advertises_rgba_but_frames_are_rgb.webp",
         "valid/webp/image-extended_images-anim.webp"]


def animation(path):
    """Pillow's frames as RGBA, durations in milliseconds, and the loop count."""
    with Image.open(path) as image:
        found, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            found.append(image.convert("RGBA"))
            durations.append(image.info["duration"])
        return found, durations, image.info["loop"]


def on_white(image):
    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    return np.asarray(ground.convert("RGB"))


def make(folder):
    """An animation of ours to read: opaque and transparent frames, durations of all kinds."""
    made = []
    for number in range(6):
        x, y = np.meshgrid(np.arange(101), np.arange(67))
        shade = np.abs((x * 2 + number * 20) % 510 - 255)
        inside = (x - 20 - 10 * number) ** 2 + (y - 33) ** 2 < 400
        pixels = np.stack([shade, 255 - shade, 255 - y * 3, np.where(inside, 255, 40 * number)], axis=-1)
        made.append(Image.fromarray(pixels.astype(np.uint8), "RGBA"))
    path = os.path.join(folder, "made.webp")
    made[0].save(path, save_all=True, append_images=made[1:], duration=[10, 500, 33, 40, 1000, 70], loop=5, lossless=True, exact=True)
    return path


def check(results, path, folder):
    theirs, durations, loop = animation(path)
    name = os.path.basename(path)
    ours = frames(picture('imgdecode "$1"', path))
    results.check(len(ours) == len(theirs), f"{name}: {len(ours)} frames, Pillow has {len(theirs)}")
    for number, (a, b) in enumerate(zip(ours, theirs)):
        # Colour that nobody sees may differ.
        results.check(np.array_equal(on_white(Image.fromarray(a, "RGBA")), on_white(b)), f"{name}: frame {number} as decoded")
    size = tuple(max(1, (side + 1) // 2) for side in theirs[0].size)
    for options, least in (("--lossless", 42), ("-q 90", 30)):
        output = os.path.join(folder, "out.webp")
        shell(f'imgdecode "$1" | imgresize 50% | imgencode {options} -o "$2"', path, output)
        resized, new_durations, new_loop = animation(output)
        results.check((len(resized), new_durations, new_loop) == (len(theirs), durations, loop),
                      f"{name} {options}: {len(resized)} frames, {new_durations}, loop {new_loop}; {len(theirs)}, {durations}, {loop}")
        for number, (a, b) in enumerate(zip(resized, theirs)):
            decibels = psnr(on_white(a), on_white(b.resize(size, Image.Resampling.LANCZOS)))
            results.check(decibels >= least, f"{name} {options}: frame {number} at {decibels:.1f} dB")


def main():
    take_tools("animated WebP against Pillow")
    corpus, results = find_corpus(), Results()
    with tempfile.TemporaryDirectory() as folder:
        check(results, make(folder), folder)
        for file in FILES if corpus else []:
            check(results, os.path.join(corpus, file), folder)
    if corpus is None:
        results.skipped += len(FILES)
    results.end()


if __name__ == "__main__":
    main()
