#!/usr/bin/python3
"""JPEGs as planes: imgdecode hands on the file's own, and what a later filter makes of them.

usage: planes.py [--bin DIR]

`imgdecode X.jpg | imgencode -f pam` gives djpeg's pixels, bit for bit, for every JPEG of the corpus that decodes. And photographs
that have all their chroma, encoded as 4:2:0, reduced and encoded again: the way through planes is no worse than that through RGB, both
against the reduction of the original, in PSNR of RGB samples and in SSIM of luma. Chroma of the first is resampled once instead of twice:
measured, 0.00 to 0.40 dB better, and -0.00003 to +0.00031 in SSIM. 0.01 dB and 0.0001 are left to other versions of the libraries.
"""
import hashlib
import os
import subprocess
import tempfile

import numpy as np

from corpus import read_manifest
from harness import Results, find_corpus, frames, picture, psnr, shell, take_tools

CHANCE_DECIBELS, CHANCE_SSIM = 0.01, 0.0001


def smoothed(plane):
    """Weighted by the Gaussian of SSIM, 11 x 11 and sigma 1.5, where it lies inside."""
    weights = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5 ** 2))
    weights /= weights.sum()
    down = sum(w * plane[i:plane.shape[0] - 10 + i] for i, w in enumerate(weights))
    return sum(w * down[:, i:plane.shape[1] - 10 + i] for i, w in enumerate(weights))


def ssim(a, b):
    """Wang et al. 2004, on BT.601 luma."""
    a, b = (x.astype(np.float64) @ (0.299, 0.587, 0.114) for x in (a, b))
    ma, mb = smoothed(a), smoothed(b)
    va, vb, covariance = smoothed(a * a) - ma * ma, smoothed(b * b) - mb * mb, smoothed(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return np.mean((2 * ma * mb + c1) * (2 * covariance + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2)))


def check_corpus(results, corpus):
    rows = [row for row in read_manifest(corpus)
            if row["format"] == "jpeg" and row["expect"] == "ok" and row["px_kind"].split()[1] == "P6" and row["channels"] == "3"]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "names"), "wb") as file:
            file.write(b"".join(row["path"].encode() + b"\0" for row in rows))
        subprocess.run(["sh", "-c", f"imgdecode --orient ignore --files0-from={folder}/names | imgencode -f pam -o '{folder}/%i.pam'"],
                       cwd=corpus, check=True)
        for number, row in enumerate(rows, 1):
            with open(os.path.join(folder, f"{number}.pam"), "rb") as file:
                pixels = file.read().partition(b"ENDHDR\n")[2]
            results.check(hashlib.sha256(pixels).hexdigest() == row["px_sha256"], f"{row['path']}: not djpeg's pixels")
    print(f"{len(rows)} JPEGs as planes beside djpeg")


def check_photographs(results):
    names = subprocess.run("dpkg --listfiles mate-backgrounds | grep '/nature/.*[.]jpg$' | head -n 4", shell=True, stdout=subprocess.PIPE,
                           text=True, check=True).stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        source, original = os.path.join(folder, "in.jpg"), os.path.join(folder, "original.png")
        for name in names:
            # A half of the photograph has all its chroma: the original of a new JPEG, whose chroma is a quarter.
            shell('imgdecode --pixels rgb "$1" | imgresize 50% | imgencode --compression 1 -o "$2"', name, original)
            shell('imgdecode "$1" | imgencode -q 92 --subsampling 420 -o "$2"', original, source)
            for geometry in ("50%", "400", "33%", "20%"):
                expected = frames(picture(f'imgdecode "$1" | imgresize {geometry}', original))[0]
                for options in ("-q 85", "-q 92"):
                    quality, likeness = {}, {}
                    for pixels in ("native", "rgb"):
                        script = f'imgdecode --pixels {pixels} "$1" | imgresize {geometry} | imgencode {options} | imgdecode --pixels rgb'
                        result = frames(picture(script, source))[0]
                        quality[pixels], likeness[pixels] = psnr(result, expected), ssim(result, expected)
                    results.check(quality["native"] >= quality["rgb"] - CHANCE_DECIBELS,
                                  f"{name} {geometry} {options}: {quality['native']:.3f} dB as planes, {quality['rgb']:.3f} as RGB")
                    results.check(likeness["native"] >= likeness["rgb"] - CHANCE_SSIM,
                                  f"{name} {geometry} {options}: SSIM {likeness['native']:.5f} as planes, {likeness['rgb']:.5f} as RGB")
                    print(f"{os.path.basename(name)} {geometry} {options}: {quality['native']:.2f}, {quality['native'] - quality['rgb']:+.3f} dB; "
                          f"SSIM {likeness['native']:.5f}, {likeness['native'] - likeness['rgb']:+.5f}")


def main():
    take_tools("JPEGs as planes")
    corpus, results = find_corpus(), Results()
    if corpus:
        check_corpus(results, corpus)
    else:
        results.skipped += 1
    check_photographs(results)
    results.end()


if __name__ == "__main__":
    main()
