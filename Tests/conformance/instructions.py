#!/usr/bin/python3
"""Instructions of the hot paths, counted by callgrind, against those in instructions.tsv: they do not depend on the machine's load.

usage: instructions.py [--bin DIR] [--update]

More than 3 % above fails. What is far below is said: --update writes what was counted, to be committed with what made it less. Counted
with Debian 12's libraries, and our kernels of x86-64-v3, which callgrind runs; a processor without them is said, and nothing is counted.
Pictures are made by other people's tools, so that they stay the same.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

from harness import ROOT, Results, shell

MOST = 1.03
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.tsv")

# Standard input, and the command.
PATHS = {
    "start imgdecode": ("/dev/null", "imgdecode"),
    "start imgresize": ("/dev/null", "imgresize 8"),
    "start imgencode": ("/dev/null", "imgencode"),
    "decode JPEG": ("a.jpg", "imgdecode"),
    "decode JPEG as RGB": ("a.jpg", "imgdecode --pixels rgb"),
    "decode JPEG for a quarter": ("a.jpg", "imgdecode --for 200"),
    "decode PNG": ("a.png", "imgdecode"),
    "decode WebP": ("a.webp", "imgdecode"),
    "resize planes": ("planes", "imgresize 400"),
    "resize RGB": ("rgb", "imgresize 400"),
    "resize RGBA": ("rgba", "imgresize 400"),
    "resize 16 bits": ("deep", "imgresize 400"),
    "enlarge RGB": ("rgb", "imgresize 1500"),
    "encode JPEG": ("planes", "imgencode"),
    "encode PNG": ("rgb", "imgencode -f png"),
    "encode WebP": ("rgb", "imgencode -f webp"),
    "strip JPEG": ("a.jpg", "imgstrip"),
    "describe JPEG": ("a.jpg", "imginfo --json"),
}


def make_pictures(folder):
    name = shell("dpkg --listfiles mate-backgrounds | grep '/nature/Aqua[.]jpg$'").decode().strip()
    shell('cd "$2"; djpeg "$1" | pamscale -xsize 1200 -ysize 800 > a.ppm; cjpeg -quality 90 -sample 2x2 a.ppm > a.jpg; '
          "pnmtopng -compression 6 a.ppm > a.png 2> /dev/null; cwebp -quiet -q 80 a.ppm -o a.webp; "
          "imgdecode a.jpg > planes; imgdecode a.png > rgb; imgdecode --pixels rgba a.png > rgba; imgdecode --depth 16 a.png > deep",
          name, folder, stderr=subprocess.DEVNULL)


def count(folder, source, command):
    """Instructions of one process. Its environment is small and the same everywhere."""
    with open(os.path.join(folder, source), "rb") as file:
        process = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command.split()], stdin=file, cwd=folder,
                                 env={"PATH": os.environ["PATH"], "IMG_CPU": "v3"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, check=False)
    return int(re.search(r"Collected : (\d+)", process.stderr).group(1))


def read_table():
    with open(TABLE, encoding="utf-8") as file:
        return {name: int(number) for name, number in (line.rstrip("\n").split("\t") for line in file)}


def main():
    parser = argparse.ArgumentParser(description="instructions of the hot paths")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    parser.add_argument("--update", action="store_true", help="write the table anew")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"]
    results = Results()
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if " avx2 " not in file.read():
            print("SKIPPED: the processor has no AVX2")
            results.skipped += 1
            results.end()
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(folder)
        counted = {name: count(folder, *path) for name, path in PATHS.items()}
    if arguments.update:
        with open(TABLE, "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\t{number}\n" for name, number in counted.items()))
        sys.exit()
    expected = read_table()
    for name, number in counted.items():
        ratio = number / expected[name]
        results.check(ratio <= MOST, f"{name}: {number} instructions, {100 * (ratio - 1):+.1f} %")
        print(f"{name}: {number / 1e6:.1f} million instructions, {100 * (ratio - 1):+.1f} %" + (" (run --update)" if ratio < 0.97 else ""))
    results.end()


if __name__ == "__main__":
    main()
