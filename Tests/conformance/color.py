#!/usr/bin/python3
"""imgdecode --color srgb against tificc, Little CMS's own program, on every picture of the corpus that has an ICC profile.

usage: color.py [--bin DIR]

The picture goes to tificc as a TIFF of the samples that Pillow decodes (its libjpeg and libpng are the system's, as ours are), at
the same intent, with black point compensation. At most 1 off on 99.9 % of the samples. (jpgicc works the same way, but writes a
JPEG, whose loss would be measured too.) A profile that tificc cannot use is one that we must drop with a warning.
"""
import io
import os
import subprocess
import tempfile
import warnings

import numpy as np
from PIL import Image

from harness import Results, corpus_or_end, frames, take_tools
from pixelstream import pictures

Image.MAX_IMAGE_PIXELS = None
# Some TIFFs in EXIF blocks are cut, which is not the point here.
warnings.simplefilter("ignore")


def with_profile(corpus):
    """Paths of JPEGs, PNGs and WebPs in which Pillow finds a profile, and which it decodes."""
    for folder, _, names in sorted(os.walk(corpus)):
        if os.path.relpath(folder, corpus).split(os.sep)[0] in ("bombs", "broken"):
            continue
        for name in sorted(names):
            path = os.path.join(folder, name)
            try:
                with Image.open(path) as image:
                    if image.format in ("JPEG", "MPO", "PNG", "WEBP") and image.info.get("icc_profile"):
                        image.load()
                        yield path, image.copy(), image.info["icc_profile"]
            except (OSError, SyntaxError, ValueError):
                continue


def their_samples(image, profile, folder):
    """What tificc makes of it; None where it cannot use the profile."""
    source, target, icc = (os.path.join(folder, name) for name in ("in.tif", "out.tif", "in.icc"))
    with open(icc, "wb") as file:
        file.write(profile)
    for path in (source, target):
        if os.path.exists(path):
            os.remove(path)
    is_gray = profile[16:20] == b"GRAY"
    image.convert("L" if is_gray else "CMYK" if image.mode == "CMYK" else "RGB").save(source)
    process = subprocess.run(["tificc", "-b", "-t1", "-i", icc, source, target], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, check=False)
    if process.returncode or not os.path.exists(target):
        return None
    try:
        with Image.open(target) as result:
            return np.asarray(result.convert("RGB"))
    except OSError:
        # It crashed or gave up, and left a beginning.
        return None


def fits(image, profile):
    """Whether the profile is for such samples; we drop one that is not, and tificc may not look."""
    space = {b"GRAY": ("L", "1", "LA", "I;16"), b"RGB ": ("RGB", "RGBA", "P"), b"CMYK": ("CMYK",)}
    return image.mode in space.get(profile[16:20], ())


def main():
    take_tools("colour against Little CMS")
    results = Results()
    corpus = corpus_or_end(results)
    compared = dropped = 0
    with tempfile.TemporaryDirectory() as folder:
        for path, image, profile in with_profile(corpus):
            name = os.path.relpath(path, corpus)
            run = subprocess.run(["imgdecode", "--color", "srgb", "--pixels", "rgba", "--depth", "8", "--orient", "ignore", path],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            ours = list(pictures(io.BytesIO(run.stdout)))[0]
            if ours.failure:
                results.check(False, f"{name}: {run.stderr}")
                continue
            results.check(not any(kind == "icc_" for kind, _ in ours.metadata), f"{name}: the profile is still there")
            theirs = their_samples(image, profile, folder) if fits(image, profile) else None
            if theirs is None or b"ICC profile cannot be used" in run.stderr:
                dropped += 1
                results.check((theirs is None) == (b"ICC profile cannot be used" in run.stderr) or not fits(image, profile),
                              f"{name}: usable for only one of us")
                continue
            off = np.abs(frames(ours)[0][:, :, :3].astype(int) - theirs.astype(int))
            compared += 1
            results.check(np.mean(off <= 1) >= 0.999, f"{name}: {np.mean(off <= 1):.5f} within 1, {off.max()} at most")
    print(f"{compared} pictures compared with tificc, {dropped} with profiles that do not serve")
    results.check(compared >= 30, "too few pictures compared")
    results.end()


if __name__ == "__main__":
    main()
