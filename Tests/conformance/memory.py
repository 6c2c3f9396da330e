#!/usr/bin/python3
"""Memory of the filters on a picture of 12000 x 9000: it must be bounded by rows, not by pixels.

usage: memory.py [--bin DIR]     DIR holds the tools; default: bin/ of this repository

Needs cjpeg, GNU time and python3-numpy. The picture is noise with the spectrum of photographs (amplitude falling with
frequency), as a baseline 4:2:0 JPEG and as a PNG that is not interlaced. Each of three pipelines reads each of them, and
every process of it may hold at most 24000000 bytes at its peak (resident set, libraries included). A row of the picture as
RGB is 36 kB, so that is room for a Lanczos window of a 15-fold reduction as floats (about 90 rows of the narrow side), the
codecs' row buffers, 256 KiB of pipe buffers and a few MiB of compressed bytes, beside some 10 MB of program and libraries;
the picture itself is 324 MB and does not fit.

The kernel's ru_maxrss of a child counts the memory of the process that it was forked from up to its exec, so Python
cannot ask for it: GNU time, which is small, forks each tool and measures it. That this is right is checked first, with a
program that takes next to nothing and one that takes 50 MiB.
"""
import argparse
import collections
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from imagesize import image_size

try:
    import numpy
except ImportError:
    numpy = None

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WIDTH, HEIGHT = 12000, 9000
TILE = 750  # rows of noise, repeated downwards: far out of the reach of deflate's 32 KiB
BAND = 150  # rows written at a time
LIMIT = 24000000
PIPELINES = [  # and the size of what comes out
    ([["imgdecode"], ["imgresize", "800"], ["imgencode"]], (800, 600)),
    ([["imgdecode"], ["imgresize", "12000x900!"], ["imgencode", "-f", "png"]], (WIDTH, 900)),
    ([["imgdecode"], ["imgresize", "50%"], ["imgencode", "-f", "jpeg"]], (WIDTH // 2, HEIGHT // 2)),
    ([["imgdecode"], ["imgencode", "-f", "jpeg"]], (WIDTH, HEIGHT)),
]
Run = collections.namedtuple("Run", "peaks statuses seconds size")


# -- The picture

def photograph_like_rows():
    """TILE x WIDTH x 3 of noise whose amplitude falls with frequency, alike but not equal in the three channels. Always
    the same. It is periodic, so that copies of it join without a seam."""
    random, shape = numpy.random.default_rng(12000), (TILE, WIDTH)
    frequency = numpy.hypot(numpy.fft.fftfreq(TILE)[:, None], numpy.fft.rfftfreq(WIDTH)[None, :])
    frequency[0, 0] = 1
    channels = []
    for _ in range(4):
        noise = numpy.fft.irfft2(numpy.fft.rfft2(random.standard_normal(shape)) / frequency ** 1.2, shape)
        channels.append((noise - noise.mean()) / noise.std())
    rows = numpy.empty((*shape, 3), numpy.uint8)
    for i, own in enumerate(channels[1:]):
        rows[..., i] = numpy.clip(128 + 45 * channels[0] + 15 * own, 0, 255)
    return rows


def bands(rows):
    """The picture in bands of rows, from top to bottom."""
    for top in range(0, HEIGHT, BAND):
        yield rows[top % TILE:top % TILE + BAND]


def write_jpeg(path, picture):
    encoder = subprocess.Popen(["cjpeg", "-quality", "85", "-sample", "2x2", "-outfile", path], stdin=subprocess.PIPE)
    encoder.stdin.write(b"P6 %d %d 255\n" % (WIDTH, HEIGHT))
    for band in bands(picture):
        encoder.stdin.write(band.tobytes())
    encoder.stdin.close()
    if encoder.wait():
        raise OSError(f"cjpeg: status {encoder.returncode}")


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, picture):
    """A PNG whose rows are all filtered by Sub, compressed fast."""
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)))
        deflate = zlib.compressobj(1)
        for band in bands(picture):
            rows = numpy.empty((BAND, 1 + WIDTH * 3), numpy.uint8)
            rows[:, 0] = 1
            rows[:, 1:4] = band[:, 0]
            rows[:, 4:] = (band[:, 1:] - band[:, :-1]).reshape(BAND, -1)
            file.write(png_chunk(b"IDAT", deflate.compress(rows.tobytes())))
        file.write(png_chunk(b"IDAT", deflate.flush()) + png_chunk(b"IEND", b""))


def make_pictures(folder):
    began, picture, paths = time.monotonic(), photograph_like_rows(), []
    for name, write in (("big.jpg", write_jpeg), ("big.png", write_png)):
        paths.append(os.path.join(folder, name))
        write(paths[-1], picture)
    sizes = " and ".join(f"{os.path.getsize(p) / 1e6:.0f} MB of {p.rsplit('.')[-1].upper()}" for p in paths)
    print(f"made {WIDTH}x{HEIGHT} in {time.monotonic() - began:.0f} s: {sizes}")
    return paths


# -- Measuring

def measured(command, note):
    """The command under GNU time, which writes its peak in KiB to the file `note`."""
    return ["time", "-q", "-f", "%M", "-o", note, *command]


def peak(note):
    """Peak bytes as GNU time noted them."""
    with open(note, encoding="ascii") as file:
        return 1024 * int(file.read().split()[-1])


def measure(folder, commands, environment, source, result):
    """Runs a pipeline from the file `source` into the file `result`."""
    notes = [os.path.join(folder, f"peak-{i}") for i in range(len(commands))]
    began, processes = time.monotonic(), []
    with open(source, "rb") as first, open(result, "wb") as last:
        given = first
        for i, (command, note) in enumerate(zip(commands, notes)):
            out = last if i == len(commands) - 1 else subprocess.PIPE
            processes.append(subprocess.Popen(measured(command, note), stdin=given, stdout=out, env=environment))
            given.close()
            given = processes[-1].stdout
        statuses = [process.wait() for process in processes]
    try:
        size = image_size(result)
    except (ValueError, IndexError, struct.error):
        size = None
    return Run([peak(note) for note in notes], statuses, time.monotonic() - began, size)


def measure_is_right(folder):
    """Whether the measure finds next to nothing for `true`, and 50 MiB for a dd with a buffer of that, from this process
    (which holds more than the first)."""
    small = measure(folder, [["true"]], os.environ, os.devnull, os.devnull).peaks[0]
    big = measure(folder, [["dd", "if=/dev/zero", "bs=50M", "count=1", "status=none"]], os.environ, os.devnull, os.devnull).peaks[0]
    print(f"the measure: {small / 1e6:.1f} MB for true, {big / 1e6:.1f} MB for dd bs=50M (52.4 MB)")
    return small < 5e6 and 52e6 < big < 58e6


def check(folder, path, commands, size, environment):
    """Runs one pipeline, prints its line, and says whether all is right."""
    run = measure(folder, commands, environment, path, os.path.join(folder, "result"))
    wrong = [f"{command[0]} over {LIMIT / 1e6:g} MB" for command, used in zip(commands, run.peaks) if used > LIMIT]
    wrong += [f"status {run.statuses}"] if any(run.statuses) else []
    wrong += [f"the result is {run.size}, not {size}"] if run.size != size else []
    cells = ", ".join(f"{command[0]} {used / 1e6:5.1f}" for command, used in zip(commands, run.peaks))
    line = " | ".join(" ".join(command) for command in commands)
    print(f"{os.path.basename(path)}  {line:52} {run.seconds:5.1f} s  MB: {cells}" + (f"  FAILED: {'; '.join(wrong)}" if wrong else ""))
    return not wrong


def main():
    parser = argparse.ArgumentParser(description="memory of the filters on a large picture")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    tools = os.path.abspath(parser.parse_args().bin)
    environment = dict(os.environ, PATH=tools + os.pathsep + os.environ["PATH"])
    missing = [name for name in ("cjpeg", "time") if not shutil.which(name)] + ([] if numpy else ["python3-numpy"])
    if missing:
        print(f"SKIPPED: {', '.join(missing)} not found")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        results = [measure_is_right(folder)]
        for path in make_pictures(folder):
            results += [check(folder, path, commands, size, environment) for commands, size in PIPELINES]
    print(f"{results.count(True)} passed, {results.count(False)} failed, 0 skipped")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
