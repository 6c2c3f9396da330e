#!/usr/bin/python3
"""Our pipelines beside other people's tools, in one run: median wall time, processor time and peak memory, and the ratios.

usage: bench.py [--quick] [--bin DIR] [--out DIR] [--python PYTHON] [--only WORDS]

Pictures are made of Debian's wallpapers (mate-backgrounds): 40 of exactly 2400 x 1600, half JPEG of quality 90 with 4:2:0, half PNG;
200 of 320 x 240; one of 12000 x 9000 as JPEG and as PNG; a WebP, a progressive JPEG and a PNG with alpha. Commands of a case are run in
turn, round by round, so that what else the machine does falls on all of them alike; a ratio is the median of the rounds' ratios to the
first peer. Processor time and memory are those of all processes of a command (the largest one's memory). PYTHON is one that has pyvips,
Pillow and cykooz.resizer (fast_image_resize): lists on two processors, and Lanczos alone in memory, which is timed inside of the
processes. imgserve is beside nginx in serve.py, whose tables go into bench.md too; `--only service` is that alone.
"""
import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

import serve

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

POOL = """
import os, sys
os.environ["VIPS_CONCURRENCY"] = "1"
import pyvips
from concurrent.futures import ThreadPoolExecutor
def one(name):
    out = os.path.join(sys.argv[1], os.path.basename(name) + ".jpg")
    pyvips.Image.thumbnail(name, int(sys.argv[2])).write_to_file(out, Q=85)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(one, sys.stdin.read().split("\\0")[:-1]))
"""

# Lanczos of three lobes, one thread, the picture in memory: the median in milliseconds.
RESAMPLE = """
import sys, time
from PIL import Image
image = Image.open(sys.argv[2]).convert(sys.argv[3])
size = (800, 533)
if sys.argv[1] == "Pillow":
    def run(): image.resize(size, Image.LANCZOS)
else:
    import cykooz_resizer as c
    kind = c.PixelType.U8x3 if sys.argv[3] == "RGB" else c.PixelType.U8x4
    source, target = c.ImageData(*image.size, kind, image.tobytes()), c.ImageData(*size, kind)
    options = c.ResizeOptions(resize_alg=c.ResizeAlg.convolution(c.FilterType.lanczos3), use_alpha=True)
    resizer = c.Resizer()
    def run(): resizer.resize(source, target, options)
times = []
for _ in range(11):
    begin = time.perf_counter()
    run()
    times.append(time.perf_counter() - begin)
print(1000 * sorted(times)[5])
"""


def sh(script, *arguments, **options):
    return subprocess.run(["sh", "-c", script, "sh", *arguments], check=True, **options)


def write_list(folder, name, files):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(b"".join(os.path.join(folder, f).encode() + b"\0" for f in files))


def make_pictures(folder):
    names = sh("dpkg --listfiles mate-backgrounds | grep '[.]jpg$'", stdout=subprocess.PIPE, text=True).stdout.split()
    for i in range(20):
        source = names[i % len(names)]
        crop = "" if i < len(names) else " --gravity southeast"
        sh(f'imgdecode --pixels rgb "$1" | imgresize 2400x1600 --fit cover{crop} | imgencode -f pam | pamtopnm > "$2/p.ppm"', source, folder)
        sh('cjpeg -quality 90 -sample 2x2 "$1/p.ppm" > "$1/j$2.jpg"; pnmtopng -compression 6 "$1/p.ppm" > "$1/n$2.png" 2> /dev/null', folder, f"{i:02}")
        sh('djpeg "$1/j$2.jpg" | pamscale -xsize 320 -ysize 240 | cjpeg -quality 90 > "$1/s$2.jpg"', folder, f"{i:02}", stderr=subprocess.DEVNULL)
    sh('cd "$1"; djpeg j00.jpg | cwebp -quiet -q 80 -o w.webp -- -; djpeg j00.jpg | cjpeg -quality 90 -progressive > progressive.jpg',
       folder, stderr=subprocess.DEVNULL)
    # Alpha that falls from left to right.
    sh('cd "$1"; pgmramp -lr 2400 1600 > ramp.pgm; pngtopam n00.png | pnmtopng -alpha=ramp.pgm > alpha.png', folder, stderr=subprocess.DEVNULL)
    sh('cd "$2"; imgdecode --pixels rgb "$1" | imgresize 12000x9000! > big; imgencode -q 90 --subsampling 420 -o big.jpg < big; '
       'imgencode --depth 8 --compression 3 -o big.png < big; rm big p.ppm ramp.pgm', max(names, key=os.path.getsize), folder)
    # As a camera writes it: 1 MB, with a description, a position and a thumbnail's worth of padding.
    sh('cd "$1"; imgdecode j00.jpg | imgresize 1800 | imgencode -q 93 -o p.jpg; exiftool -q -overwrite_original -Artist=A -GPSLatitude=1 '
       '-Comment=hello -Padding=20000 p.jpg; mkdir many; for i in $(seq 200); do cp p.jpg many/$i.jpg; done', folder, stderr=subprocess.DEVNULL)
    for kind in ("", " --pixels rgba"):
        sh(f'cd "$1"; imgdecode{kind} n00.png > n00.stream{len(kind)}', folder)
    numbers = [f"{i:02}" for i in range(20)]
    write_list(folder, "jpeg.list", [f"j{n}.jpg" for n in numbers])
    write_list(folder, "png.list", [f"n{n}.png" for n in numbers])
    # By turns, so that each half has of both.
    write_list(folder, "mixed.list", [f for n in numbers for f in (f"j{n}.jpg", f"n{n}.png")])
    write_list(folder, "mixed400.list", [f for n in numbers for f in (f"j{n}.jpg", f"n{n}.png")] * 10)
    write_list(folder, "small.list", [f"s{n}.jpg" for n in numbers] * 10)


def cases(python):
    """Each case: a title, rounds, and (name, shell command) pairs, ours first. $1 is the folder."""
    ours = "imgdecode {2} $1/{0} | imgresize {1} | imgencode -q 85 > $1/out/o.jpg"
    vips = "vipsthumbnail -s {1} -o $1/out/v.jpg[Q=85] $1/{0}"
    magick = "convert-im6.q16 $1/{0} -resize {1} -quality 85 $1/out/m.jpg"
    gm = "gm convert -size {1}x{1} $1/{0} -resize {1} -quality 85 $1/out/g.jpg"
    result = []
    for title, file in (("JPEG", "j00.jpg"), ("progressive JPEG", "progressive.jpg"), ("PNG", "n00.png"), ("WebP", "w.webp")):
        result.append((f"{title} 2400x1600 to 800", 15, [
            ("imgpipe", ours.format(file, 800, "")), ("vipsthumbnail", vips.format(file, 800)),
            ("gm convert -size", gm.format(file, 800)), ("ImageMagick", magick.format(file, 800))]))
    result.append(("PNG with alpha 2400x1600 to 800", 15, [
        ("imgpipe", "imgdecode $1/alpha.png | imgresize 800 | imgencode -f png > $1/out/o.png"),
        ("vipsthumbnail", "vipsthumbnail -s 800 -o $1/out/v.png $1/alpha.png"),
        ("ImageMagick", "convert-im6.q16 $1/alpha.png -resize 800 $1/out/m.png")]))
    result.append(("JPEG 2400x1600 to 400", 15, [
        ("imgpipe --for", ours.format("j00.jpg", 400, "--for 400")), ("vipsthumbnail", vips.format("j00.jpg", 400)),
        ("gm convert -size", gm.format("j00.jpg", 400))]))
    result.append(("JPEG 320x240 to 160", 25, [
        ("imgpipe", ours.format("s00.jpg", 160, "")),
        ("djpeg | pnmscale | cjpeg", "djpeg $1/s00.jpg | pamscale -xsize 160 2> /dev/null | cjpeg -quality 85 > $1/out/n.jpg"),
        ("vipsthumbnail", vips.format("s00.jpg", 160))]))
    result.append(("JPEG 2400x1600 decoded", 15, [("imgpipe", "imgdecode $1/j00.jpg > /dev/null"), ("djpeg", "djpeg $1/j00.jpg > /dev/null")]))
    result.append(("PNG 2400x1600 decoded", 15, [("imgpipe", "imgdecode $1/n00.png > /dev/null"), ("pngtopam", "pngtopam $1/n00.png > /dev/null")]))
    # A fresh copy for each run, which all of them pay for alike.
    copy = "cp $1/p.jpg $1/out/p.jpg; "
    result.append(("JPEG of 1 MB stripped", 25, [
        ("imgpipe", copy + "imgstrip -i $1/out/p.jpg"), ("jhead -purejpg", copy + "jhead -q -purejpg $1/out/p.jpg"),
        ("jpegtran -copy none", copy + "jpegtran -copy none -outfile $1/out/t.jpg $1/out/p.jpg"),
        ("exiftool -all=", copy + "exiftool -q -overwrite_original -all= $1/out/p.jpg")]))
    copies = "rm -rf $1/out/many; cp -r $1/many $1/out/many; "
    result.append(("200 JPEGs of 1 MB stripped", 5, [
        ("imgpipe -j 2", copies + "imgstrip -i -j 2 $1/out/many/*.jpg"), ("jhead -purejpg", copies + "jhead -q -purejpg $1/out/many/*.jpg")]))
    result.append(("200 JPEGs of 1 MB described", 5, [
        ("imginfo --json", "imginfo --json $1/many/*.jpg > /dev/null"), ("jhead", "jhead $1/many/*.jpg > /dev/null"),
        ("exiftool -fast2", "exiftool -q -fast2 -json $1/many/*.jpg > /dev/null"), ("identify -ping", "identify-im6.q16 -ping $1/many/*.jpg > /dev/null")]))
    result.append(("PSNR and SSIM of PNG and JPEG 2400x1600", 9, [
        ("imgquality", "imgquality $1/n00.png $1/j00.jpg > /dev/null"),
        ("ffmpeg ssim", "ffmpeg -nostdin -v error -i $1/n00.png -i $1/j00.jpg -lavfi ssim -f null - > /dev/null")]))
    result += list_cases(python) + batch_cases(python)
    if python:
        for file, options in (("big.jpg", "--for 800"), ("big.png", "")):
            peer = f"printf '%s\\0' $1/{file} | {shlex.quote(python)} -c {shlex.quote(POOL)} $1/out 800"
            result.append((f"{file[-3:].upper()} 12000x9000 to 800", 5, [("imgpipe", ours.format(file, 800, options)), ("pyvips", peer)]))
    return result


def list_cases(python):
    """Two pipelines side by side, half of the list each."""
    result = []
    for title, name, count, size in (("40 mixed", "mixed", 40, 800), ("20 JPEGs", "jpeg", 20, 800), ("20 PNGs", "png", 20, 800),
                                     ("200 of 320x240 to 160", "small", 200, 160)):
        pipeline = f"sh -c 'imgdecode \"$@\" | imgresize {size} | imgencode -q 85 -o \"$0/%i-$$.jpg\"' $1/out"
        peers = [("vipsthumbnail", f"xargs -0 -n 5 -P 2 env VIPS_CONCURRENCY=1 vipsthumbnail -s {size} -o $1/out/%s.jpg[Q=85] < $1/{name}.list")]
        if python:
            peers.insert(0, ("pyvips, pool of 2", f"{shlex.quote(python)} -c {shlex.quote(POOL)} $1/out {size} < $1/{name}.list"))
        result.append((f"{title} on 2 processors", 5, [("imgpipe", f"xargs -0 -n {count // 2} -P 2 {pipeline} < $1/{name}.list")] + peers))
    return result


def batch_cases(python):
    """One process for the whole list, pictures in it or in processes of their own, beside a pool of threads and a process that goes on its own.

    The issue's marks: 2.2 x the pool, 8 x mogrify."""
    if not python:
        return []
    result = []
    for title, name, rounds in (("40 mixed", "mixed", 9), ("400 mixed", "mixed400", 3)):
        ours = "imgbatch -j 2 --isolate {} --resize 800 -q 85 -o $1/out/%i.jpg --files0-from=$1/" + name + ".list > /dev/null"
        commands = [("imgbatch", ours.format("never")), ("pyvips, pool of 2", f"{shlex.quote(python)} -c {shlex.quote(POOL)} $1/out 800 < $1/{name}.list"),
                    ("imgbatch --isolate always", ours.format("always"))]
        if name == "mixed":
            commands.append(("gm mogrify", f"xargs -0 -n 20 -P 2 gm mogrify -create-directories -output-directory $1/out -format jpg -resize 800 -quality 85 < $1/{name}.list"))
        result.append((f"{title}, one process, 2 processors", rounds, commands))
    return result


def resample_cases(folder, python, rounds):
    """Lanczos alone: rows as `run` gives them. Ours without the copying into bands, for which a pipeline has its pipe."""
    results = []
    for mode, stream in (("RGB", "n00.stream0"), ("RGBA", "n00.stream14")):
        runs = {"imgpipe": [], "fast_image_resize": [], "Pillow": []}
        for _ in range(rounds):
            with open(os.path.join(folder, stream), "rb") as file:
                total, copying = map(float, subprocess.run([os.path.join(ROOT, ".build", "release", "resample"), "11"], stdin=file,
                                                           stdout=subprocess.PIPE, check=True).stdout.split())
            runs["imgpipe"].append(total - copying)
            for name in ("fast_image_resize", "Pillow"):
                runs[name].append(float(subprocess.run([python, "-c", RESAMPLE, name, os.path.join(folder, "n00.png"), mode],
                                                       stdout=subprocess.PIPE, check=True).stdout))
        peer = runs["fast_image_resize"]
        results.append((f"Lanczos3 alone, {mode} 2400x1600 to 800", [
            (name, statistics.median(times), statistics.median(times), 0, statistics.median(a / b for a, b in zip(times, peer)))
            for name, times in runs.items()]))
    return results


def measure(command, folder):
    """Seconds of wall and of processors, and MiB of the largest process, of one run."""
    begin = time.perf_counter()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", command, "sh", folder], os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"status {status}: {command}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run(case, folder, rounds):
    title, _, commands = case
    runs = {name: [] for name, _ in commands}
    for name, command in commands:
        measure(command, folder)
    for _ in range(rounds):
        for name, command in commands:
            runs[name].append(measure(command, folder))
    peer = commands[1][0]
    rows = []
    for name, _ in commands:
        wall, processors, memory = (statistics.median(r[i] for r in runs[name]) for i in range(3))
        ratio = statistics.median(a[0] / b[0] for a, b in zip(runs[name], runs[peer]))
        rows.append((name, 1000 * wall, 1000 * processors, memory, ratio))
    return title, rows


def table(results):
    lines = ["| case | tool | wall ms | processor ms | MiB | of the first peer's time |", "|---|---|---:|---:|---:|---:|"]
    for title, rows in results:
        for name, wall, processors, memory, ratio in rows:
            name = name.replace("|", "\\|")
            lines.append(f"| {title} | {name} | {wall:.0f} | {processors:.0f} | {memory:.0f} | {ratio:.2f} |")
            title = ""
    return "\n".join(lines) + "\n"


def chart(results):
    """Bars of wall time, each case by itself: the slowest of a case is the full width."""
    left, width, bar, y, parts = 240, 420, 14, 30, []
    for title, rows in results:
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{title}</text>')
        y += 8
        most = max(row[1] for row in rows)
        for name, wall, *_ in rows:
            color = "#2563a8" if name.startswith("imgpipe") else "#b8b8b8"
            parts.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{name}</text>')
            parts.append(f'<rect x="{left}" y="{y}" width="{width * wall / most:.1f}" height="{bar - 2}" fill="{color}"/>')
            parts.append(f'<text x="{left + width * wall / most + 6:.1f}" y="{y + 11}">{wall:.0f} ms</text>')
            y += bar
        y += 24
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="750" height="{y}" font-family="sans-serif" font-size="12">'
            f'<rect width="750" height="{y}" fill="white"/>' + "".join(parts) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser(description="our pipelines beside other people's tools")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", default="", help="cases whose titles have this in them, and not Lanczos alone")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    parser.add_argument("--out", default="bench", help="where bench.md and bench.svg go")
    parser.add_argument("--python", help="a Python that has pyvips, Pillow and cykooz.resizer")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"]
    os.makedirs(arguments.out, exist_ok=True)
    chosen = [case for case in cases(arguments.python) if arguments.only in case[0]]
    results, over_http = [], ""
    with tempfile.TemporaryDirectory() as folder:
        if chosen:
            make_pictures(folder)
        os.mkdir(os.path.join(folder, "out"))
        for case in chosen:
            results.append(run(case, folder, max(3, case[1] // 3) if arguments.quick else case[1]))
            print(table(results[-1:]), flush=True)
        if arguments.python and not arguments.only:
            results += resample_cases(folder, arguments.python, 5 if arguments.quick else 15)
            print(table(results[-2:]), flush=True)
    if arguments.only in serve.TITLE:
        over_http, _ = serve.measure(arguments.quick)
    with open(os.path.join(arguments.out, "bench.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(part for part in (table(results) if results else "", over_http) if part))
    # Without bars there is no picture, and one of a longer run may stay.
    if results:
        with open(os.path.join(arguments.out, "bench.svg"), "w", encoding="utf-8") as file:
            file.write(chart(results))
    print(f"{arguments.out}/bench.md" + (f", {arguments.out}/bench.svg" if results else ""))


if __name__ == "__main__":
    main()
