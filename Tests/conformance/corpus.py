#!/usr/bin/python3
"""Corpus conformance: imgdecode against what the reference decoders made of every file of the corpus.

usage: corpus.py [--bin DIR]     DIR holds imgdecode; default: bin/ of this repository

The corpus is $IMG_CORPUS, else ../shared/corpus beside the repository. Its MANIFEST.tsv gives for every file what the
reference decoders, taken together, say ("expect") and the SHA-256 of their pixels. Nothing here has a tolerance: JPEG
decoding repeats libjpeg-turbo's integer IDCT and fancy upsampling, PNG and lossless WebP have only one answer, and lossy
WebP is defined to the bit. A limit holds where a file is one that asks for much: 60 s (the slowest legal file takes about a
second) and 1600000 KiB of address space (1 GiB for pictures, the default limit, and half as much for the program, its
libraries and the allocator's arenas).

What each "expect" asks of imgdecode:
  ok, ok-warn                         status 0 and the same pixels; but see made_up() for JPEGs whose pixels libjpeg made up
  partial, reject, reject-or-partial, status 65, one line "imgdecode: ..." on standard error, and a stream that ends with
  valid-unsupported                   FAIL and DONE
  disagree, limit                     either of the two, never a crash; the pixels of an accepted one are not judged
"""
import argparse
import collections
import csv
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading

import numpy as np

from harness import find_corpus
from pixelstream import StreamError, pictures

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ADDRESS_SPACE = 1600000 * 1024
SECONDS = 60
# Grey stays grey: made RGB, it would go through its profile first. JPEGs of colour are asked for as RGB.
OPTIONS = {"jpeg": ["--pixels", "rgb"], "jpeg, grey": [], "png": [], "webp": ["--pixels", "rgba"], "other": []}
REFUSED = {"partial", "reject", "reject-or-partial", "valid-unsupported"}
ACCEPTED = {"ok", "ok-warn"}
OPEN = {"disagree", "limit"}
VERDICTS = ["expect", "djpeg", "libpng", "dwebp", "pillow", "disagree"]
COLUMNS = ["equal", "equal (frame 1)", "refused as expected", "refused as damaged", "over a limit", "CMYK with a profile", "left open", "wrong"]

# What one run of imgdecode on one file came to: status (-1: not by itself), lines on standard error, the picture that
# came, and what is wrong with the stream (None: nothing).
Outcome = collections.namedtuple("Outcome", "status messages picture broken")


def kind(row):
    """What a file is, as far as it decides what is asked of imgdecode."""
    return "jpeg, grey" if row["format"] == "jpeg" and row["px_kind"].split()[1:2] == ["P5"] else row["format"]


def read_manifest(corpus):
    with open(os.path.join(corpus, "MANIFEST.tsv"), encoding="ascii", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def damaged(row):
    """Whether an accepted JPEG is one that we refuse as damaged: libjpeg has made up pixels (see made_up)."""
    return row["made up"] is True


def made_up(corpus, row):
    """Whether libjpeg makes up pixels of a JPEG that it accepts; None where its warnings do not tell.

    It warns and goes on where entropy-coded data ends early or holds a code that is in no table: what follows in the picture
    is grey, or noise. We do not hand on made-up pixels unasked, so these are status 65:
    - "Premature end of JPEG file": there is no EOI, so nothing says that the data is all there;
    - "bad Huffman code": the data is not what was encoded;
    - "premature end of data segment". But in the last row of blocks of a scan of AC coefficients only the scan's last bits are
      missing, which some encoders leave out, and every pixel is there. djpeg does not say in which row it was; with a single
      row there is no question, else the file may be refused, or have djpeg's pixels.
    Bytes too many before a marker are none of these: all pixels came before them. The manifest has djpeg's first warning
    only; given -verbose three times djpeg tells all of them, and where each scan starts.
    """
    if row["format"] != "jpeg" or row["expect"] != "ok-warn":
        return False
    process = subprocess.run(["djpeg", "-verbose", "-verbose", "-verbose", "-outfile", os.devnull, row["path"]], cwd=corpus,
                             stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    is_ac_scan = perhaps = False
    for line in process.stderr.decode(errors="replace").splitlines():
        scan = re.match(r"  Ss=(\d+), Se=", line)
        if scan:
            is_ac_scan = "SOF2" in row["features"].split() and int(scan.group(1)) > 0
        if "Premature end of JPEG file" in line or "bad Huffman code" in line:
            return True
        if "premature end of data segment" in line:
            if not is_ac_scan:
                return True
            perhaps = int(row["height"]) > 8
    return None if perhaps else False


def cmyk_with_profile(row):
    """CMYK goes through its profile here and not in djpeg: the pixels must differ."""
    return row["format"] == "jpeg" and row["channels"] == "4" and "ICC_Profile" in row["metadata"].split(",")


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def start(tool, corpus, options, errors, names=None):
    """Starts imgdecode in the corpus, and a timer that ends it; `names`, where given, is its standard input."""
    process = subprocess.Popen([tool, *options], cwd=corpus, stdin=names or subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=errors, preexec_fn=limit_memory)
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    return process, timer


def finish(process, timer):
    """Takes what output is left, and waits. Gives the status, and what is wrong where the time ran out."""
    while process.stdout.read(1 << 20):
        pass
    process.stdout.close()
    status = process.wait()
    late = None if timer.is_alive() else f"still running after {SECONDS} s"
    timer.cancel()
    return status, late


def decode_one(tool, corpus, row):
    """Runs imgdecode on one file and judges nothing. Pixels are kept of the first frame only."""
    found, broken = [], None
    with tempfile.TemporaryFile() as errors:
        process, timer = start(tool, corpus, OPTIONS[kind(row)] + ["--", row["path"]], errors)
        try:
            found += pictures(process.stdout, keep_frames=1)
            broken = f"{len(found)} pictures in the stream" if len(found) != 1 else None
        except StreamError as error:
            broken = str(error)
        status, late = finish(process, timer)
        errors.seek(0)
        messages = errors.read().decode(errors="backslashreplace").splitlines()
    return Outcome(status, messages, found[0] if found else None, late or broken)


def rgb_sum(row, picture):
    """SHA-256 of RGB or grey rows, as the reference has them."""
    if (row["px_kind"].split()[1] == "P5") != (picture.channels == 1):
        return f"{picture.channels} channels, not those of {row['px_kind']}"
    return hashlib.sha256(picture.frames[0]).hexdigest()


def rgba_sum(picture):
    """SHA-256 of RGBA rows, 16-bit samples as the reference has them: high byte first."""
    samples = np.frombuffer(picture.frames[0], np.uint8 if picture.info.sample == 1 else "<u2").reshape(-1, picture.channels)
    colour, alpha = (samples[:, :-1], samples[:, -1:]) if picture.info.alpha else (samples, np.full((len(samples), 1), -1).astype(samples.dtype))
    rgba = np.concatenate([np.broadcast_to(colour, (len(samples), 3)), alpha], axis=1)
    return hashlib.sha256(rgba.astype(rgba.dtype.newbyteorder(">")).tobytes()).hexdigest()


def expected_sum(row, picture):
    """The sum that the pixels must have: of 16-bit samples where the stream has them, else of 8-bit ones."""
    return row["px_rgba16_libpng"] if picture.info.sample == 2 else row["px_sha256"]


def difference(row, picture):
    """What is wrong with the pixels of a whole picture; None where they are the reference's."""
    info, channels = picture.info, {"jpeg": (1, 3), "webp": (4,)}.get(row["format"], (1, 2, 3, 4))
    if info.layout != 1 or picture.channels not in channels:
        return f"layout {info.layout} with {picture.channels} channels, not packed with {channels}"
    if (str(info.width), str(info.height)) != (row["width"], row["height"]):
        return f"{info.width}x{info.height}, the manifest says {row['width']}x{row['height']}"
    if (info.sample == 2) != row["px_kind"].endswith("strip16"):
        return f"{8 * info.sample}-bit samples from a file of kind {row['px_kind']}"
    found = rgb_sum(row, picture) if row["format"] == "jpeg" else rgba_sum(picture)
    return None if found == expected_sum(row, picture) else f"pixels differ ({found[:40]})"


def wrong_with_refusal(outcome):
    """What is wrong with an outcome that should be a clean refusal; None where it is one."""
    if outcome.broken:
        return outcome.broken
    if outcome.status != 65:
        return f"status {outcome.status}, not 65"
    if len(outcome.messages) != 1 or not outcome.messages[0].startswith("imgdecode: "):
        return f"{len(outcome.messages)} lines on standard error"
    if not outcome.picture.failure or outcome.picture.failure.status != 65:
        return "the stream does not say FAIL 65"
    return None


def wrong_with_limit(outcome):
    """None where a refusal says which limit it is about."""
    return None if re.search(r", over the limit of \d+ \(--max-[a-z-]+\)$", outcome.messages[0]) else "refused, and not for a limit"


def wrong_with_success(row, outcome):
    """What is wrong with an outcome that should be the reference's pixels; None where it is that."""
    if outcome.status != 0:
        return f"status {outcome.status}, not 0"
    if outcome.broken:
        return outcome.broken
    if outcome.picture.failure:
        return "status 0, but the picture failed"
    return difference(row, outcome.picture)


def wrong_with_either(outcome):
    """A crash, a hang, a broken stream; None for a clean refusal and for a whole picture."""
    if outcome.status == 0 and not outcome.broken and not outcome.picture.failure:
        return None
    return wrong_with_refusal(outcome)


def judge(row, outcome):
    """The column that a file belongs to, and what is wrong with it where that is "wrong"."""
    if cmyk_with_profile(row) and row["expect"] in ACCEPTED:
        wrong, column = wrong_with_either(outcome), "CMYK with a profile"
    elif row["expect"] in ACCEPTED and (damaged(row) or (row["made up"] is None and outcome.status != 0)):
        wrong, column = wrong_with_refusal(outcome), "refused as damaged"
    elif row["expect"] in ACCEPTED and row["path"].startswith("bombs/") and outcome.status != 0:
        # A bomb may be legal, and still ask for more than the limits allow.
        wrong, column = wrong_with_refusal(outcome) or wrong_with_limit(outcome), "over a limit"
    elif row["expect"] in ACCEPTED:
        animated = row["px_kind"] == "pillow-rgba8-frame1"
        wrong, column = wrong_with_success(row, outcome), "equal (frame 1)" if animated else "equal"
    elif row["expect"] in REFUSED:
        wrong, column = wrong_with_refusal(outcome), "refused as expected"
    elif row["expect"] in OPEN:
        wrong, column = wrong_with_either(outcome), "left open"
    else:
        wrong, column = f"the manifest expects {row['expect']!r}, which has no rule", "wrong"
    return ("wrong", wrong) if wrong else (column, None)


def judge_batch(tool, corpus, rows):
    """Decodes the files of `rows`, one format's, in one process. Gives column and reason, by path, of each picture that
    came whole; of none where the process did not end as it should after these pictures."""
    found, results, failures = {os.fsencode(row["path"]): row for row in rows}, {}, []
    with tempfile.TemporaryFile() as names:
        names.write(b"".join(path + b"\0" for path in found))
        names.seek(0)
        process, timer = start(tool, corpus, OPTIONS[kind(rows[0])] + ["--files0-from=-"], subprocess.DEVNULL, names)
        try:
            for picture in pictures(process.stdout, keep_frames=1):
                if picture.failure:
                    failures.append(picture.failure.status)
                elif picture.name in found:
                    row = found[picture.name]
                    results[row["path"]] = judge(row, Outcome(0, [], picture, None))
            right = True
        except StreamError:
            right = False
        status, late = finish(process, timer)
    return results if right and not late and status == (failures[0] if failures else 0) else {}


def batchable(row):
    """Files that must decode and are no bombs share a process; the rest get one each, with its own status and messages."""
    return row["expect"] in ACCEPTED and not damaged(row) and not cmyk_with_profile(row) and not row["path"].startswith("bombs/")


def judge_all(tool, corpus, rows):
    """Each file's column, reason (of wrong ones) and messages (of those decoded alone), by path. What does not come right
    in a batch is decoded again alone, and judged by that."""
    results = {}
    for kind_name in OPTIONS:
        batch = [row for row in rows if kind(row) == kind_name and batchable(row)]
        judged = judge_batch(tool, corpus, batch) if batch else {}
        results.update((path, (*verdict, [])) for path, verdict in judged.items() if verdict[0] != "wrong")
    for row in rows:
        if row["path"] not in results:
            outcome = decode_one(tool, corpus, row)
            results[row["path"]] = (*judge(row, outcome), outcome.messages)
    return results


def print_table(rows, results):
    counts = collections.defaultdict(collections.Counter)
    for row in rows:
        for key in (f"{row['path'].split('/')[0]}/{row['format']}", "all"):
            counts[key][results[row["path"]][0]] += 1
    widths = [max(len(c), 5) for c in COLUMNS]
    print(f"{'':18}  files  " + "  ".join(c.rjust(w) for c, w in zip(COLUMNS, widths)))
    for key in sorted(counts, key=lambda k: (k == "all", k)):
        cells = (str(counts[key][c] or "-").rjust(w) for c, w in zip(COLUMNS, widths))
        print(f"{key:18}  {counts[key].total():5}  " + "  ".join(cells))
    return counts["all"]


def print_files(rows, results):
    """Names what the table only counts: files left out, files that our policy refuses, and wrong ones."""
    for title in ("over a limit", "CMYK with a profile", "refused as damaged", "wrong"):
        for row in rows:
            column, wrong, messages = results[row["path"]]
            if column == title:
                verdicts = ", ".join(f"{key} {row[key]}" for key in VERDICTS if row[key] != "-")
                detail = f": {wrong} ({verdicts})" if wrong else ""
                print(f"{title}: {row['path']}{detail}" + (f" [{' | '.join(messages)}]" if messages else ""))


def main():
    parser = argparse.ArgumentParser(description="imgdecode against the corpus")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    tool = os.path.join(os.path.abspath(parser.parse_args().bin), "imgdecode")
    corpus = find_corpus()
    if corpus is None:
        return 0
    rows = read_manifest(corpus)
    for row in rows:
        row["made up"] = made_up(corpus, row)
    results = judge_all(tool, corpus, rows)
    total = print_table(rows, results)
    print_files(rows, results)
    skipped, failed = total["CMYK with a profile"], total["wrong"]
    print(f"{len(rows) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
