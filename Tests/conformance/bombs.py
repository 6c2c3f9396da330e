#!/usr/bin/python3
"""Pictures that claim, inflate or take too much: each limit, by the file of the corpus that needs it, in little address space.

usage: bombs.py [--bin DIR]
"""
import os
import re
import subprocess
import sys
import time

from harness import Results, corpus_or_end, take_tools

# Kilobytes of addresses: shared libraries, and what a limit of memory leaves.
LITTLE, MORE = 400_000, 1_500_000
SECONDS = 20

# A file, a command for it, and the option that its message must name.
LIMITS = [
    ("crafted-png-30000x30000-gray1-full.png", "imgdecode", "--max-pixels"),
    ("crafted-jpeg-65500x65500-gray.jpg", "imgdecode", "--max-pixels"),
    ("crafted-webp-anim-4096x4096-300x1px.webp", "imgdecode", "--max-total-pixels"),
    ("crafted-webp-anim-4096x4096-300x1px.webp", "imgdecode --max-frames 100", "--max-frames"),
    ("crafted-jpeg-2048x2048-882scans.jpg", "imgdecode", "--max-scans"),
    ("crafted-jpeg-2048x2048-882scans.jpg", "imgdecode --max-scans 10K --max-memory 8M", "--max-memory"),
    ("crafted-jpeg-2048x2048-882scans.jpg", "imgdecode --max-scans 10K --timeout 0.05", "--timeout"),
    ("crafted-png-1x1-ztxt-16MB.png", "imgdecode --max-metadata 1M", "--max-metadata"),
    ("crafted-webp-vp8l-16384x16384.webp", "imgdecode --max-memory 100M", "--max-memory"),
    ("crafted-png-30000x30000-gray1-full.png", "imgdecode --max-pixels 1G --timeout 0.02", "--timeout"),
]
# What is wrong with these is no matter of limits.
DAMAGED = ["crafted-jpeg-width0.jpg", "crafted-png-height0.png", "crafted-png-width0.png", "crafted-png-width-over-2p31.png"]


def run(command, path, addresses):
    """Status, messages, and seconds."""
    began = time.monotonic()
    process = subprocess.run(["sh", "-c", f'ulimit -v {addresses}; exec {command} "$1" > /dev/null', "sh", path], stderr=subprocess.PIPE,
                             check=False, timeout=5 * SECONDS, env={**os.environ, "SWIFT_BACKTRACE": "enable=no"})
    return process.returncode, process.stderr.decode(errors="replace"), time.monotonic() - began


def main():
    take_tools("limits, by files that need them")
    results = Results()
    corpus = corpus_or_end(results)
    folder = os.path.join(corpus, "bombs")
    for name, command, option in LIMITS:
        status, said, _ = run(command, os.path.join(folder, name), LITTLE)
        results.check(status == 65 and option in said, f"{command} {name}: status {status}: {said}")
        results.check(said.count("\n") == 1, f"{command} {name}: {said}")
    for name in DAMAGED:
        status, said, _ = run("imgdecode", os.path.join(folder, name), LITTLE)
        results.check(status == 65 and not re.search("--max|memory", said), f"{name}: status {status}: {said}")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        for command, addresses in (("imgdecode", MORE), ("imgdecode --salvage", MORE), ("imgdecode --max-memory 64M", LITTLE), ("imginfo --json", LITTLE), ("imgstrip", LITTLE)):
            status, said, seconds = run(command, path, addresses)
            results.check(status in (0, 65), f"{command} {name}: status {status}: {said}")
            results.check(status == 0 or said.count("\n") == 1, f"{command} {name}: {said}")
            results.check(seconds < SECONDS, f"{command} {name}: {seconds:.0f} s")
    results.end()


if __name__ == "__main__":
    sys.exit(main())
