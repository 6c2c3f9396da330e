#!/usr/bin/python3
"""imgquality beside scikit-image, ImageMagick and the package ssimulacra2 of PyPI: Kodak's pictures at several qualities, and distortions.

usage: quality.py [--bin DIR]

SSIM to 1e-5 (single precision here, double there; 2e-6 is seen), PSNR to 1e-4 dB (six digits are printed). SSIMULACRA 2 to 0.1 of the
package with libjxl's window and its nothing around the picture, where the package mirrors two of the sides; and to 0.5 of the package as it
is where a grey margin lies around both pictures, so that borders count little.
"""
import io
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from harness import Results, corpus_or_end, shell, take_tools

#: What an impulse becomes in libjxl's recursive Gaussian of sigma 1.5 (lib/jxl/gauss_blur.h: "zero-pad boundary handling").
WINDOW = [0, 0.009414367813, 0.03601111467, 0.1093353728, 0.2129285919, 0.2646211051, 0.2129285919, 0.1093353728, 0.03601111467, 0.009414367813, 0]
#: Wang et al. 2003.
SCALES = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def luma(pixels):
    pixels = pixels.astype(np.float64)
    return pixels if pixels.ndim == 2 else pixels @ np.array([0.299, 0.587, 0.114])


def ssim(a, b):
    """Over the places where the window fits."""
    _, full = structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True)
    return float(full[5:-5, 5:-5].mean())


def contrast_structure(a, b):
    """The mean of the second factor of SSIM."""
    from scipy.ndimage import gaussian_filter

    def blur(x):
        return gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    return float(((2 * cov + 58.5225) / (va + vb + 58.5225)).mean())


def halved(x):
    return (x[::2, ::2] + x[1::2, ::2] + x[::2, 1::2] + x[1::2, 1::2]) / 4


def multi_scale(a, b):
    product = 1.0
    for weight in SCALES[:-1]:
        product *= max(0, contrast_structure(a, b)) ** weight
        a, b = halved(a), halved(b)
    return product * max(0, ssim(a, b)) ** SCALES[-1]


def scaled(a, b):
    """Averages of boxes as ssim.m takes them, for sides that the box divides, and a box of an even side or 3."""
    side = max(1, int(min(a.shape) / 256 + 0.5))
    def small(x):
        return x.reshape(x.shape[0] // side, side, x.shape[1] // side, side).mean((1, 3))
    return ssim(small(a), small(b))


def ours(a, b, metrics="psnr,ssim"):
    return json.loads(shell('imgquality --json --metric "$3" "$1" "$2"', a, b, metrics))


def save(folder, name, pixels):
    path = os.path.join(folder, name)
    Image.fromarray(pixels).save(path)
    return path


def check_pair(results, what, a, b, first, second):
    found = ours(a, b)
    wanted = ssim(luma(first), luma(second))
    results.check(abs(found["ssim"] - wanted) < 1e-5, f"{what}: SSIM {found['ssim']}, scikit-image's {wanted}")
    error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
    wanted = 10 * np.log10(255 ** 2 / error)
    results.check(abs(found["psnr"] - wanted) < 1e-4, f"{what}: PSNR {found['psnr']}, by definition {wanted}")


def check_distortions(results, folder, pixels):
    random = np.random.default_rng(6)
    impulses = pixels.copy()
    impulses[random.random(pixels.shape[:2]) < 0.02] = 255
    box = np.stack([np.convolve(row.ravel(), np.ones(9) / 9, "same").reshape(row.shape) for row in pixels.astype(float)]).astype(np.uint8)
    a = save(folder, "a.png", pixels)
    for what, other in (("+7", np.clip(pixels.astype(int) + 7, 0, 255).astype(np.uint8)), ("flipped", pixels[:, ::-1].copy()), ("blurred", box),
                        ("impulses", impulses)):
        check_pair(results, what, a, save(folder, "b.png", other), pixels, other)
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    check_pair(results, "grey", save(folder, "g.png", grey), save(folder, "h.png", grey[:, ::-1].copy()), grey, grey[:, ::-1])


def with_libjxl_borders(module):
    from scipy.ndimage import correlate1d

    def blur(image, sigma=1.5):
        return correlate1d(correlate1d(image, WINDOW, axis=0, mode="constant"), WINDOW, axis=1, mode="constant")
    module.blur_image = blur


def libjxls_score(package, first, second):
    """The package's parts in the order of libjxl's loop: it looks at the size before it halves, so that the last scale may be below 8."""
    linear = [package.srgb_to_linear(np.array(Image.open(path).convert("RGB"), dtype=np.float64)) for path in (first, second)]
    whole = package.Msssim()
    for scale in range(package.kNumScales):
        if min(linear[0].shape[:2]) < 8:
            break
        if scale:
            linear = [package.downsample(picture, 2, 2) for picture in linear]
        a, b = (package.make_positive_xyb(package.linear_rgb_to_xyb(picture)) for picture in linear)
        means = package.blur_image(a), package.blur_image(b)
        one = package.MsssimScale()
        one.avg_ssim = package.ssim_map(*means, package.blur_image(a * a), package.blur_image(b * b), package.blur_image(a * b))
        one.avg_edgediff = package.edge_diff_map(a, means[0], b, means[1])
        whole.scales.append(one)
    return whole.score()


def check_kodak(results, corpus, folder):
    try:
        import ssimulacra2.ssimulacra2 as package
    except ImportError:
        print("SKIPPED: the package ssimulacra2 of PyPI is not there; scripts/check puts it into .build-test")
        results.skipped += 1
        package = None
    names = [os.path.join(corpus, "kodak", name) for name in sorted(os.listdir(os.path.join(corpus, "kodak"))) if name.endswith(".png")]
    results.check(len(names) >= 5, "too few of Kodak's pictures")
    for name in names:
        first = np.asarray(Image.open(name).convert("RGB"))
        for quality in (90, 50, 20):
            what = f"{os.path.basename(name)} at {quality}"
            jpeg = os.path.join(folder, "k.jpg")
            shell('pngtopnm "$1" | cjpeg -quality "$2" > "$3"', name, str(quality), jpeg, stderr=subprocess.DEVNULL)
            second = np.asarray(Image.open(io.BytesIO(shell('djpeg -ppm "$1"', jpeg))))
            check_pair(results, what, name, jpeg, first, second)
            decoded = save(folder, "d.png", second)
            theirs = subprocess.run(["compare-im6.q16", "-metric", "PSNR", name, decoded, "null:"], stderr=subprocess.PIPE, check=False).stderr
            results.check(abs(ours(name, jpeg)["psnr"] - float(theirs.split()[0])) < 1e-3, f"{what}: ImageMagick's PSNR {theirs}")
            found = ours(name, jpeg, "ms-ssim,ssim-scaled")
            for metric, wanted in (("ms-ssim", multi_scale(luma(first), luma(second))), ("ssim-scaled", scaled(luma(first), luma(second)))):
                results.check(abs(found[metric] - wanted) < 1e-5, f"{what}: {metric} {found[metric]}, {wanted} with SciPy")
            if package and quality != 90:
                check_ssimulacra2(results, package, what, folder, name, decoded)


def check_ssimulacra2(results, package, what, folder, name, decoded):
    margin = 192
    pairs = []
    for label, path in (("A", name), ("B", decoded)):
        picture = Image.open(path).convert("RGB")
        wide = Image.new("RGB", (picture.width + 2 * margin, picture.height + 2 * margin), (128, 128, 128))
        wide.paste(picture, (margin, margin))
        pairs.append(os.path.join(folder, label + ".png"))
        wide.save(pairs[-1])
    found, wanted = ours(*pairs, "ssimulacra2")["ssimulacra2"], package.compute_ssimulacra2(*pairs)
    results.check(abs(found - wanted) < 0.5, f"{what}, in grey: SSIMULACRA 2 {found}, the package's {wanted}")
    original = package.blur_image
    with_libjxl_borders(package)
    whole = [Image.open(path).convert("RGB") for path in (name, decoded)]
    for side in (8, 11, 16, 33, 64, 100, 128, 225, 0):
        pairs = [save(folder, f"s{i}.png", np.asarray(picture)[100:100 + side, 60:60 + side] if side else np.asarray(picture)) for i, picture in enumerate(whole)]
        found, wanted = ours(*pairs, "ssimulacra2")["ssimulacra2"], libjxls_score(package, *pairs)
        results.check(abs(found - wanted) < 0.1, f"{what}, side {side}: SSIMULACRA 2 {found}, the package's with libjxl's borders and scales {wanted}")
    package.blur_image = original


def main():
    take_tools("imgquality beside other implementations")
    results = Results()
    corpus = corpus_or_end(results)
    with tempfile.TemporaryDirectory() as folder:
        check_distortions(results, folder, np.asarray(Image.open(os.path.join(corpus, "kodak", "images-kodim23.png")).convert("RGB"))[:300, :400])
        check_kodak(results, corpus, folder)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
