#!/usr/bin/python3
"""The three filters on the photographs of Debian's wallpaper packages.

usage: photographs.py [--bin DIR]     DIR holds the tools; default: bin/ of this repository

Needs the packages below, vips (libvips-tools), ImageMagick, djpeg, pngtopnm, dwebp and python3-numpy. Checked is:
1. Pipelines, in plain sh under find and xargs: `imgdecode | imgresize 800 | imgencode` of every photograph ends with
   status 0 and a file that the format's own decoder opens, of the size reckoned here from the input's header.
2. Pixels: before lossy encoding, `imgdecode | imgresize 800` is within 40 dB (PSNR over all samples of 8 bits) of plain
   `vips resize` where the picture is reduced. Both are Lanczos of three lobes over the same geometry; what separates them is
   vips's box prefilter, rounding between the two passes and the precision of its weights. 40 dB is an error of 2.5 steps
   RMS: enough for all that. A shift by half a pixel, a wrong edge, weights for another size or a confusion of channels is far
   below on any photograph with detail in it.
   Where it is enlarged, ImageMagick's Lanczos is the reference: vips 8.14 enlarges by bicubic interpolation that lies half an
   output pixel off the centres (at twice the size it equals centred Catmull-Rom to 59 dB only when that is moved by a quarter
   of an input pixel; ours equals ImageMagick's Catmull-Rom to 60 dB unmoved), and so lies 28 to 52 dB from any centred filter.
   Pictures with alpha are compared over white: blending and premultiplied resampling commute, so vips may blend first.
3. Rows flow: with the first tenth of a file in the pipe and nothing after it for now, a ROWS record comes out within 10 s
   (rows of a tenth of a photograph take milliseconds; 10 s is for a busy machine), of imgdecode alone and after imgresize.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import math
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from imagesize import image_size, is_baseline_jpeg, is_plain_png
from pixelstream import HEADER, StreamError, pictures

try:
    import numpy
except ImportError:
    numpy = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ["plasma-workspace-wallpapers", "gnome-backgrounds", "mate-backgrounds"]
PROGRAMS = ["vips", "vipsheader", "convert-im6.q16", "djpeg", "pngtopnm", "dwebp", "dpkg"]
WIDTH = 800
LEAST_PSNR = 40.0
FIRST_ROWS_SECONDS = 10
FLOW_BYTES = 1000000
OUTPUTS = {"png": ["jpeg"], "jpg": ["jpeg", "png", "webp"], "webp": ["jpeg", "png", "webp"]}
READERS = {"jpeg": ["djpeg"], "png": ["pngtopnm"], "webp": ["dwebp", "-quiet", "-ppm", "-o", "-", "--"]}

# The pipeline of check 1. $1 is the input; SUFFIX, FORMAT and OUT are in the environment.
SCRIPT = 'imgdecode "$1" | imgresize 800 | imgencode -f "$FORMAT" -q 85 > "$OUT/$(basename "$1" "$SUFFIX").$FORMAT"'

Photograph = collections.namedtuple("Photograph", "path kind width height")


class Score:
    """What was checked so far. A failure is said at once, in a line of its own."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, right, what):
        self.passed += bool(right)
        self.failed += not right
        if not right:
            print(f"FAILED: {what}")

    def skip(self, what):
        self.skipped += 1
        print(f"SKIPPED: {what}")


# -- Photographs

def photograph(path):
    kind = path.rsplit(".", 1)[1].lower()
    return Photograph(path, kind, *image_size(path))


def package_photographs(package):
    """The package's pictures, each once whatever links lead to it."""
    listing = subprocess.run(["dpkg", "-L", package], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    paths = [p for p in listing.stdout.splitlines() if re.search(r"\.(jpg|png|webp)$", p)]
    return sorted({os.path.realpath(p) for p in paths if os.path.isfile(p)})


def distinct(paths):
    """Of files of the same bytes, the first."""
    found = {}
    for path in paths:
        with open(path, "rb") as file:
            found.setdefault(hashlib.sha256(file.read()).digest(), path)
    return list(found.values())


def choose(score):
    """All photographs of the packages."""
    everything = []
    for package in PACKAGES:
        found = package_photographs(package)
        if not found:
            score.skip(f"package {package} is not installed")
        everything += found
    chosen = [photograph(p) for p in distinct(everything)]
    counts = collections.Counter(p.kind for p in chosen)
    print(f"photographs: {counts['png']} PNG, {counts['webp']} WebP, {counts['jpg']} JPEG")
    return chosen


def new_height(p):
    """The height at WIDTH, rounded to nearest, at least 1."""
    return max(1, (2 * p.height * WIDTH + p.width) // (2 * p.width))


def short(path):
    return "-".join(part for part in path.split("/")[3:] if part not in ("contents", "wallpapers", "backgrounds"))


# -- 1. Pipelines

def link_inputs(folder, photographs):
    """Links every photograph under a name of its own into a folder for its kind and output format; yields these folders."""
    groups, turn = collections.defaultdict(list), collections.Counter()
    for p in photographs:
        groups[p.kind, OUTPUTS[p.kind][turn[p.kind] % len(OUTPUTS[p.kind])]].append(p)
        turn[p.kind] += 1
    for (kind, output), members in sorted(groups.items()):
        inputs = os.path.join(folder, f"{kind}-to-{output}")
        os.mkdir(inputs)
        for p in members:
            os.symlink(p.path, os.path.join(inputs, short(p.path)))
        yield kind, output, inputs, members


def run_pipelines(kind, output, inputs, results, environment):
    """Runs find, xargs and sh over a folder; the status of xargs."""
    command = f"find \"$IN\" -name '*.{kind}' -print0 | xargs -0 -P 2 -n 1 sh -c '{SCRIPT}' x"
    return subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, env=dict(
        environment, IN=inputs, OUT=results, FORMAT=output, SUFFIX="." + kind)).returncode


def read_pnm(data):
    """A PGM or PPM of 8 bits as an array of height x width x 3 (grey repeated)."""
    header = re.match(rb"P([56])\s+(?:#.*\s+)*(\d+)\s+(\d+)\s+255\s", data)
    if not header:
        raise ValueError(f"no 8-bit PNM: {data[:20]!r}")
    channels, width, height = 3 if header[1] == b"6" else 1, int(header[2]), int(header[3])
    pixels = numpy.frombuffer(data, numpy.uint8, width * height * channels, header.end())
    return numpy.broadcast_to(pixels.reshape(height, width, channels), (height, width, 3))


def opened_size(path, output):
    """Width and height as the format's own decoder gives them; None where it refuses. Its warnings are shown."""
    run = subprocess.run(READERS[output] + [path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in run.stderr.decode(errors="backslashreplace").splitlines():
        print(f"note: {os.path.basename(path)}: {line}")
    if run.returncode:
        return None
    try:
        height, width, _ = read_pnm(run.stdout).shape
    except ValueError:
        return None
    return width, height


def check_pipelines(score, folder, photographs, environment):
    for kind, output, inputs, members in link_inputs(folder, photographs):
        results = inputs + "-results"
        os.mkdir(results)
        began, before = time.monotonic(), score.failed
        status = run_pipelines(kind, output, inputs, results, environment)
        seconds = time.monotonic() - began
        score.check(status == 0, f"find | xargs over {kind} to {output}: status {status}")
        for p in members:
            path = os.path.join(results, short(p.path)[:-len(kind)] + output)
            size, expected = opened_size(path, output), (WIDTH, new_height(p))
            score.check(size == expected, f"{p.path} to {output}: {READERS[output][0]} finds {size}, not {expected}")
        print(f"pipelines: {len(members)} {kind} to {output} in {seconds:.1f} s, {score.failed - before} failed")


# -- 2. Pixels

def our_pixels(p, environment):
    """Pixels of `imgdecode | imgresize`, 0...255, height x width x 3, over white; and what they came as. Through PAM, which makes RGB of
    YCbCr and leaves other samples as they are."""
    script = f'imgdecode -- "$1" | imgresize {WIDTH} | imgencode -f pam | imgdecode'
    process = subprocess.Popen(["sh", "-c", script, "sh", p.path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)
    with process.stdout:
        (picture,) = pictures(process.stdout)
    if process.wait() or picture.failure:
        raise StreamError(f"status {process.returncode}")
    return over_white(picture), f"{picture.channels} x {8 * picture.info.sample} bit"


def over_white(picture):
    """The first frame as floats 0...255 over white, height x width x 3."""
    info, channels = picture.info, picture.channels
    if info.layout != 1:
        raise StreamError("planar rows were not asked for")
    samples = numpy.frombuffer(picture.frames[0], "<u2" if info.sample == 2 else "u1").astype(numpy.float64)
    samples = samples.reshape(info.height, info.width, channels) * (255 / (65535 if info.sample == 2 else 255))
    if info.alpha:
        alpha = samples[..., -1:] / 255
        samples = samples[..., :-1] * alpha + 255 * (1 - alpha)
    return numpy.broadcast_to(samples, (info.height, info.width, 3))


def vips(*arguments):
    subprocess.run(["vips", *arguments], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=dict(os.environ, VIPS_CONCURRENCY="1"))


def vips_bands(path):
    """Bands of a picture as vips loads it; 2 and 4 have alpha here, where nothing is CMYK."""
    header = subprocess.run(["vipsheader", "-f", "bands", path], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return int(header.stdout)


def opaque_ppm(p, folder):
    """The picture as vips loads it, blended with white where it has alpha, in a file that vips reads without loss."""
    if vips_bands(p.path) in (1, 3):
        return p.path
    path = os.path.join(folder, short(p.path) + ".flat.v")
    vips("flatten", p.path, path, "--background", "255")
    return path


def reference_pixels(p, folder):
    """The resized picture by vips, or by ImageMagick where it is enlarged."""
    source, result = opaque_ppm(p, folder), os.path.join(folder, short(p.path) + ".ppm")
    if p.width >= WIDTH:
        vips("resize", source, result, repr(WIDTH / p.width), "--vscale", repr(new_height(p) / p.height))
    else:
        vips("copy", source, result)
        subprocess.run(["convert-im6.q16", result, "-filter", "Lanczos", "-resize", f"{WIDTH}x{new_height(p)}!", result], check=True)
    with open(result, "rb") as file:
        pixels = read_pnm(file.read()).astype(numpy.float64)
    os.remove(result)
    if source != p.path:
        os.remove(source)
    return pixels


def psnr(a, b):
    error = numpy.square(a - b).mean()
    return math.inf if error < 1e-12 else 10 * math.log10(255 * 255 / error)  # less is the rounding of floats


def compare(p, folder, environment):
    """PSNR, and a word on the picture; an explanation in place of the PSNR where there is none."""
    try:
        ours, form = our_pixels(p, environment)
        reference = reference_pixels(p, folder)
    except (StreamError, ValueError, subprocess.CalledProcessError) as error:
        return str(error), ""
    if ours.shape != reference.shape:
        return f"size {ours.shape[:2]}, the reference's {reference.shape[:2]}", form
    return psnr(ours, reference), form


def check_pixels(score, folder, photographs, environment):
    began, found = time.monotonic(), collections.defaultdict(list)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for p, (value, form) in zip(photographs, pool.map(lambda p: compare(p, folder, environment), photographs)):
            right = isinstance(value, float) and value >= LEAST_PSNR
            shown = f"PSNR {value:.2f}, not {LEAST_PSNR:g} dB" if isinstance(value, float) else value
            score.check(right, f"{p.path} ({p.width}x{p.height}, {form}): {shown}")
            if isinstance(value, float):
                found[p.kind + (" enlarged" if p.width < WIDTH else "")].append((value, short(p.path), form))
    for kind, values in sorted(found.items()):
        least = min(values)
        print(f"PSNR of {len(values):2} {kind:13} min {least[0]:6.2f} ({least[1]}, {least[2]}), "
              f"median {statistics.median(v for v, _, _ in values):6.2f}, max {max(values)[0]:6.2f}")
    every = [v for values in found.values() for v, _, _ in values]
    if every:
        print(f"PSNR of all {len(every)}: min {min(every):.2f}, median {statistics.median(every):.2f} dB "
              f"in {time.monotonic() - began:.1f} s")


# -- 3. Rows flow

def seconds_to_rows(pipe, seconds):
    """How long until a whole ROWS record is out of `pipe`; None when that takes too long."""
    began, data = time.monotonic(), b""
    while (left := began + seconds - time.monotonic()) > 0:
        if not select.select([pipe], [], [], left)[0]:
            break
        part = os.read(pipe.fileno(), 1 << 16)
        if not part:
            break
        data += part
        at = len(HEADER)
        while at + 16 <= len(data):
            kind, length = data[at:at + 4], int.from_bytes(data[at + 8:at + 16], "little")
            at += 16 + length + -length % 16
            if kind == b"ROWS" and len(data) >= at:
                return time.monotonic() - began
    return None


def feed(pipe, data, more):
    """Writes the first tenth, waits for `more` to be set, writes the rest and closes."""
    try:
        pipe.write(data[:len(data) // 10])
        pipe.flush()
        more.wait()
        pipe.write(data[len(data) // 10:])
        pipe.close()
    except BrokenPipeError:
        pass


def flow(p, tools, environment):
    """Seconds to the first rows from a tenth of the file (None: too long), and the statuses of the tools in the end."""
    with open(p.path, "rb") as file:
        data = file.read()
    processes, source = [], subprocess.PIPE
    for tool in tools:
        processes.append(subprocess.Popen(tool, stdin=source, stdout=subprocess.PIPE, env=environment))
        if source != subprocess.PIPE:
            source.close()
        source = processes[-1].stdout
    more = threading.Event()
    writer = threading.Thread(target=feed, args=(processes[0].stdin, data, more))
    writer.start()
    seconds = seconds_to_rows(source, FIRST_ROWS_SECONDS)
    more.set()
    while os.read(source.fileno(), 1 << 16):
        pass
    source.close()
    writer.join()
    return seconds, [process.wait() for process in processes]


def rows_can_flow(p):
    """Whether a file is a baseline JPEG or a non-interlaced PNG of at least FLOW_BYTES."""
    return os.path.getsize(p.path) >= FLOW_BYTES and (is_baseline_jpeg(p.path) or is_plain_png(p.path))


def check_flow(score, photographs, environment):
    for kind in ("jpg", "png"):
        p = next((p for p in photographs if p.kind == kind and rows_can_flow(p)), None)
        if p is None:
            score.skip(f"rows flow: no {kind} of {FLOW_BYTES} bytes in rows")
            continue
        for tools in ([["imgdecode"]], [["imgdecode"], ["imgresize", str(WIDTH)]]):
            seconds, statuses = flow(p, tools, environment)
            what = f"{' | '.join(' '.join(t) for t in tools)} of a tenth of {short(p.path)}"
            score.check(seconds is not None, f"rows flow: {what}: no rows within {FIRST_ROWS_SECONDS} s")
            score.check(not any(statuses), f"rows flow: {what} and then the rest: status {statuses}")
            if seconds is not None:
                print(f"rows flow: {what}: first rows after {seconds:.3f} s")


def main():
    parser = argparse.ArgumentParser(description="the filters on the photographs of Debian's wallpaper packages")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    tools = os.path.abspath(parser.parse_args().bin)
    environment, score = dict(os.environ, PATH=tools + os.pathsep + os.environ["PATH"]), Score()
    missing = [name for name in PROGRAMS if not shutil.which(name)] + ([] if numpy else ["python3-numpy"])
    photographs = [] if missing else choose(score)
    if missing:
        score.skip(f"everything: {', '.join(missing)} not found")
    with tempfile.TemporaryDirectory() as folder:
        if photographs:
            check_pipelines(score, folder, photographs, environment)
            check_pixels(score, folder, photographs, environment)
            check_flow(score, photographs, environment)
    print(f"{score.passed} passed, {score.failed} failed, {score.skipped} skipped")
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
