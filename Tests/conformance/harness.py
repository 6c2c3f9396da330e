"""What the conformance scripts share: the tools, the corpus, pictures as arrays, and a count of what passed."""
import argparse
import collections
import io
import json
import os
import subprocess
import sys

import numpy as np

from pixelstream import pictures

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Results:
    """Counts checks, prints those that failed, and the line that CI reads."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, is_right, what):
        if is_right:
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {what}")

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        sys.exit(1 if self.failed else 0)


def find_corpus():
    """The corpus's folder; None, said loudly, where there is none."""
    folder = os.environ.get("IMG_CORPUS") or os.path.join(ROOT, os.pardir, "shared", "corpus")
    if os.path.isfile(os.path.join(folder, "MANIFEST.tsv")):
        return folder
    print("SKIPPED: no corpus (neither $IMG_CORPUS nor ../shared/corpus beside the repository holds a MANIFEST.tsv)")
    return None


def corpus_or_end(results):
    """The corpus's folder; where there is none the script ends here, with a check skipped."""
    corpus = find_corpus()
    if corpus is None:
        results.skipped += 1
        results.end()
    return corpus


def take_tools(description, *flags):
    """Puts the folder of --bin first on PATH. Which of `flags` are given: their names, as of attributes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(given.bin) + os.pathsep + os.environ["PATH"]
    return given


def content(path):
    """A file's bytes; None where there is none, or of a process that has ended."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None


def shell(script, *arguments, **options):
    """What a script for plain sh puts out; $1 and so on are the arguments. Its messages go where ours go. Ends where it fails."""
    process = subprocess.run(["sh", "-c", script, "sh", *arguments], stdout=subprocess.PIPE, check=False, **options)
    if process.returncode:
        sys.exit(f"status {process.returncode}: {script} {arguments}")
    return process.stdout


def exiftool(folder):
    """ExifTool's tags of all files of a folder: name of the file, group, tag, values."""
    output = subprocess.run(["exiftool", "-json", "-a", "-G1", "-n", "-api", "LargeFileSupport=1", folder], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False).stdout
    found = {}
    for file in json.loads(output or b"[]"):
        tags = collections.defaultdict(dict)
        for key, value in file.items():
            group, _, tag = key.rpartition(":")
            tags[group][tag] = value
        found[os.path.basename(file["SourceFile"])] = tags
    return found


def picture(script, *arguments):
    """The one whole picture of the stream that a script puts out."""
    found = list(pictures(io.BytesIO(shell(script, *arguments))))
    if len(found) != 1 or found[0].failure:
        sys.exit(f"no whole picture: {script} {arguments}")
    return found[0]


def frames(found):
    """Frames of a packed picture, height x width x channels each."""
    info = found.info
    kind = np.uint8 if info.sample == 1 else np.dtype("<u2")
    return [np.frombuffer(frame, kind).reshape(info.height, info.width, -1) for frame in found.frames]


def psnr(a, b):
    """In decibels, of 8-bit samples; infinite for equal ones, 0 where the shapes differ."""
    if a.shape != b.shape:
        return 0.0
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(255 ** 2 / error)
