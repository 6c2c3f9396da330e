#!/usr/bin/python3
"""What lists of pictures cost in calls of malloc: counted over 10 pictures and over 1000, the difference is what 990 took.

usage: allocations.py [--bin DIR]

Buffers of pixels are leased and used again: nothing of 64 KiB or more is asked for while pictures come and go. Left to the libraries:
libjpeg has one such block while it encodes, zlib four while it compresses. Small blocks are what a picture's records, names and stages are
kept in, and libjpeg's and libpng's own: measured, see the table below; a fifth more fails.
"""
import math
import os
import re
import shutil
import subprocess
import tempfile

from harness import Results, shell, take_tools

FEW, MANY = 10, 1000
# Calls for each picture, measured with libjpeg-turbo 2.1, libpng 1.6, libwebp 1.2, and how many of them are large. Nine of a JPEG's are
# those of a decompressor of its own: one that is used again keeps the tables of the picture before.
MEASURED = {
    "decode JPEG": (38, 0), "decode PNG": (58, 0), "decode WebP": (29, 0), "resize planes": (34, 0), "resize RGB": (25, 0),
    "encode JPEG": (48, 1), "encode PNG": (90, 4),
}


def counted(folder, library, script):
    """Calls of malloc, and large ones, of a tool."""
    process = subprocess.run(["sh", "-c", script], cwd=folder, env={**os.environ, "LD_PRELOAD": library}, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, check=True)
    return [int(number) for number in re.findall(r"\d+", process.stderr.splitlines()[-1])]


def main():
    take_tools("calls of malloc for each picture of a list")
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        library = os.path.join(folder, "countmalloc.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "countmalloc.c")
        subprocess.run([shutil.which("clang") or "cc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        name = shell("dpkg --listfiles mate-backgrounds | grep '/nature/.*[.]jpg$' | head -n 1").decode().strip()
        os.mkdir(os.path.join(folder, "out"))
        for ending in ("jpg", "png", "webp"):
            shell(f'cd "{folder}"; imgdecode "$1" | imgresize 100x64! | imgencode --subsampling 420 -o a.{ending}', name)
            for count in (FEW, MANY):
                with open(os.path.join(folder, f"{ending}.{count}"), "wb") as file:
                    file.write(f"a.{ending}\0".encode() * count)
                shell(f'cd "{folder}"; imgdecode --files0-from={ending}.{count} > {ending}.{count}.stream')
        commands = {
            "decode JPEG": "exec imgdecode --files0-from=jpg.{}", "decode PNG": "exec imgdecode --files0-from=png.{}",
            "decode WebP": "exec imgdecode --files0-from=webp.{}", "resize planes": "exec imgresize 32 < jpg.{}.stream",
            "resize RGB": "exec imgresize 32 < png.{}.stream", "encode JPEG": "exec imgencode -o out/%i.jpg < jpg.{}.stream",
            "encode PNG": "exec imgencode -o out/%i.png < png.{}.stream",
        }
        for title, command in commands.items():
            few, many = (counted(folder, library, command.format(count)) for count in (FEW, MANY))
            calls, large = ((b - a) / (MANY - FEW) for a, b in zip(few, many))
            most, most_large = MEASURED[title]
            results.check(calls <= math.ceil(most * 1.2), f"{title}: {calls:.1f} calls of malloc a picture, {most} were measured")
            results.check(large <= most_large + 0.01, f"{title}: {large:.2f} large ones a picture, {most_large} expected")
            print(f"{title}: {calls:.1f} calls of malloc a picture, {large:.2f} of 64 KiB and more")
    results.end()


if __name__ == "__main__":
    main()
