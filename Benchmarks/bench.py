#!/usr/bin/python3
"""Our pipelines beside other people's tools, in one run: median wall time, processor time and peak memory, and the ratios.

usage: bench.py [--quick] [--bin DIR] [--out DIR] [--pyvips PYTHON]

Pictures are made of Debian's wallpapers (mate-backgrounds): 40 of exactly 2400 x 1600, half JPEG of quality 90 with 4:2:0, half PNG;
one WebP; one of 320 x 200. Commands of a case are run in turn, round by round, so that what else the machine does falls on all of them
alike; a ratio is the median of the rounds' ratios to the first peer. Processor time and memory are those of all processes of a
command (the largest one's memory). PYTHON is one that has pyvips, for the list of 40 on two processors.
"""
import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

POOL = """
import os, sys
os.environ["VIPS_CONCURRENCY"] = "1"
import pyvips
from concurrent.futures import ThreadPoolExecutor
def one(name):
    out = os.path.join(sys.argv[1], os.path.basename(name) + ".jpg")
    pyvips.Image.thumbnail(name, 800).write_to_file(out, Q=85)
with ThreadPoolExecutor(2) as pool:
    list(pool.map(one, sys.stdin.read().split("\\0")[:-1]))
"""


def sh(script, *arguments, **options):
    return subprocess.run(["sh", "-c", script, "sh", *arguments], check=True, **options)


def make_pictures(folder):
    names = sh("dpkg --listfiles mate-backgrounds | grep '[.]jpg$'", stdout=subprocess.PIPE, text=True).stdout.split()
    for i in range(20):
        source = names[i % len(names)]
        crop = "" if i < len(names) else " --gravity southeast"
        sh(f'imgdecode --pixels rgb "$1" | imgresize 2400x1600 --fit cover{crop} | imgencode -f pam | pamtopnm > "$2/p.ppm"', source, folder)
        sh('cjpeg -quality 90 -sample 2x2 "$1/p.ppm" > "$1/j$2.jpg"; pnmtopng -compression 6 "$1/p.ppm" > "$1/n$2.png" 2> /dev/null', folder, f"{i:02}")
    sh('djpeg "$1/j00.jpg" | cwebp -quiet -q 80 -o "$1/w.webp" -- -; djpeg "$1/j00.jpg" | pamscale -xsize 320 -ysize 200 | cjpeg -quality 90 > "$1/s.jpg"',
       folder, stderr=subprocess.DEVNULL)
    os.remove(os.path.join(folder, "p.ppm"))


def cases(pyvips):
    """Each case: a title, rounds, and (name, shell command) pairs, ours first. $1 is the folder."""
    ours = "imgdecode $1/{} | imgresize {} | imgencode -q 85 > $1/out/o.jpg"
    vips = "vipsthumbnail -s {1} -o $1/out/v.jpg[Q=85] $1/{0}"
    magick = "convert-im6.q16 $1/{0} -resize {1} -quality 85 $1/out/m.jpg"
    gm = "gm convert -size {1}x{1} $1/{0} -resize {1} -quality 85 $1/out/g.jpg"
    result = []
    for title, file in (("JPEG 2400x1600 to 800", "j00.jpg"), ("PNG 2400x1600 to 800", "n00.png"), ("WebP 2400x1600 to 800", "w.webp")):
        result.append((title, 15, [("imgpipe", ours.format(file, 800)), ("vipsthumbnail", vips.format(file, 800)),
                                   ("gm convert -size", gm.format(file, 800)), ("ImageMagick", magick.format(file, 800))]))
    result.append(("JPEG 320x200 to 160", 25, [
        ("imgpipe", ours.format("s.jpg", 160)), ("djpeg | pnmscale | cjpeg", "djpeg $1/s.jpg | pamscale -xsize 160 2> /dev/null | cjpeg -quality 85 > $1/out/n.jpg"),
        ("vipsthumbnail", vips.format("s.jpg", 160))]))
    result.append(("JPEG 2400x1600 decoded", 15, [("imgpipe", "imgdecode $1/j00.jpg > /dev/null"), ("djpeg", "djpeg $1/j00.jpg > /dev/null")]))
    result.append(("PNG 2400x1600 decoded", 15, [("imgpipe", "imgdecode $1/n00.png > /dev/null"), ("pngtopam", "pngtopam $1/n00.png > /dev/null")]))
    pipeline = "sh -c 'imgdecode \"$@\" | imgresize 800 | imgencode -q 85 -o \"$0/%f.jpg\"' $1/out"
    for title, files in (("40 mixed on 2 processors", "$1/[jn]*.*g"), ("20 JPEGs on 2 processors", "$1/j*.jpg"), ("20 PNGs on 2 processors", "$1/n*.png")):
        peers = [("vipsthumbnail", f"printf '%s\\0' {files} | xargs -0 -n 5 -P 2 env VIPS_CONCURRENCY=1 vipsthumbnail -s 800 -o $1/out/%s.jpg[Q=85]")]
        if pyvips:
            peers.insert(0, ("pyvips, pool of 2", f"printf '%s\\0' {files} | {shlex.quote(pyvips)} -c {shlex.quote(POOL)} $1/out"))
        result.append((title, 5, [("imgpipe", f"printf '%s\\0' {files} | xargs -0 -n 5 -P 2 {pipeline}")] + peers))
    return result


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
    left, width, bar, y, parts = 210, 420, 14, 30, []
    for title, rows in results:
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{title}</text>')
        y += 8
        most = max(row[1] for row in rows)
        for name, wall, *_ in rows:
            color = "#2563a8" if name == "imgpipe" else "#b8b8b8"
            parts.append(f'<text x="{left - 8}" y="{y + 11}" text-anchor="end">{name}</text>')
            parts.append(f'<rect x="{left}" y="{y}" width="{width * wall / most:.1f}" height="{bar - 2}" fill="{color}"/>')
            parts.append(f'<text x="{left + width * wall / most + 6:.1f}" y="{y + 11}">{wall:.0f} ms</text>')
            y += bar
        y += 24
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{y}" font-family="sans-serif" font-size="12">'
            f'<rect width="720" height="{y}" fill="white"/>' + "".join(parts) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser(description="our pipelines beside other people's tools")
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    parser.add_argument("--out", default="bench", help="where bench.md and bench.svg go")
    parser.add_argument("--pyvips", help="a Python that has pyvips")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"]
    os.makedirs(arguments.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(folder)
        os.mkdir(os.path.join(folder, "out"))
        results = []
        for case in cases(arguments.pyvips):
            results.append(run(case, folder, max(3, case[1] // 3) if arguments.quick else case[1]))
            print(table(results[-1:]), flush=True)
    with open(os.path.join(arguments.out, "bench.md"), "w", encoding="utf-8") as file:
        file.write(table(results))
    with open(os.path.join(arguments.out, "bench.svg"), "w", encoding="utf-8") as file:
        file.write(chart(results))
    print(f"{arguments.out}/bench.md, {arguments.out}/bench.svg")


if __name__ == "__main__":
    main()
