#!/usr/bin/env python3
"""The recipes of docs/cookbook.md: each is taken out of the page, run in plain sh in a folder of its own, and what came of it is looked at.

usage: cookbook.py [--bin DIR] [RECIPE]...     recipes by the slugs of their headings; all without one. KEEP=1 leaves the folders.

A recipe without a checker fails, and so does a checker without a recipe. The photographs are those of Debian's mate-backgrounds, made smaller by
djpeg and cjpeg; what is looked at is read by those, pngtopam, dwebp, ExifTool and imagesize.py."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from harness import ROOT, Results, content, take_tools
from imagesize import image_size

PAGE = os.path.join(ROOT, "docs", "cookbook.md")
# A bound on what hangs, not a measure of speed.
PATIENCE = 120


class Recipe:
    """A heading and its blocks: kind (sh, make, python), name of the file or "", text."""

    def __init__(self, title, text):
        self.title = title
        self.slug = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        self.blocks = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def recipes():
    with open(PAGE, encoding="utf-8") as file:
        parts = re.split(r"^## (.*)$", file.read(), flags=re.MULTILINE)
    return [Recipe(title, text) for title, text in zip(parts[1::2], parts[2::2])]


class Kitchen:
    """A folder with the page's photographs, where a recipe is run."""

    def __init__(self, results, recipe, pantry, folder):
        self.results, self.recipe, self.folder = results, recipe, folder
        shutil.copytree(pantry, folder)
        self.environment = {**os.environ, "HOME": folder, "PYTHONPATH": os.path.join(ROOT, "examples", "python")}
        self.status, self.output, self.messages, self.process = None, "", "", None

    def check(self, is_right, what):
        self.results.check(is_right, f"{self.recipe.slug}: {what}; status {self.status}, {self.output[-300:]!r} {self.messages[-300:]!r}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def shell(self, script):
        """What prepares and what looks, not what is tested."""
        return subprocess.run(["sh", "-ec", script], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, check=True, timeout=PATIENCE).stdout.decode()

    def start(self):
        """The blocks that have names become files, the others run one after the other."""
        script = "set -u\n"
        for kind, name, body in self.recipe.blocks:
            if name:
                with open(self.path(name), "w", encoding="utf-8") as file:
                    file.write(body)
            elif kind == "sh":
                script += body
        self.process = subprocess.Popen(["sh", "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def finish(self):
        try:
            output, messages = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.stop()
            output, messages = self.process.communicate()
        self.status, self.output, self.messages = self.process.returncode, output.decode(errors="replace"), messages.decode(errors="replace")

    def run(self):
        self.start()
        self.finish()

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    # -- What came of it

    def files(self, pattern):
        return sorted(os.path.relpath(path, self.folder) for path in glob.glob(self.path(pattern), recursive=True) if os.path.isfile(path))

    def size(self, name):
        """Width and height as stored; None where there is no picture."""
        try:
            return image_size(self.path(name))
        except (OSError, ValueError, IndexError):
            return None

    def bytes(self, name):
        return len(content(self.path(name)) or b"")

    def text(self, name):
        return (content(self.path(name)) or b"").decode(errors="replace")

    def pixels(self, name):
        """By the format's own decoder: height x width x channels, without an alpha that is opaque everywhere."""
        program = {b"\xff\xd8": "djpeg", b"\x89P": "pngtopam -alphapam", b"RI": "dwebp -quiet -pam -o - --"}[content(self.path(name))[:2]]
        found = samples(subprocess.run(["sh", "-c", f'{program} "$1"', "sh", name], stdout=subprocess.PIPE, check=True, cwd=self.folder).stdout)
        return found[..., :-1] if found.shape[2] in (2, 4) and found[..., -1].min() == found[..., -1].max() else found

    def tags(self, *names):
        """All that ExifTool finds, as text."""
        return subprocess.run(["exiftool", "-a", "-G1", "-s", "-n", *names], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode(errors="replace")


def samples(data):
    """A raw PGM, PPM or PAM as an array."""
    if data[:2] == b"P7":
        head, _, body = data.partition(b"ENDHDR\n")
        width, height, depth, top = (int(re.search(rb"%s (\d+)" % word, head)[1]) for word in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    else:
        found = re.match(rb"P([56])\s+(\d+)\s+(\d+)\s+(\d+)\s", data)
        depth, body = 1 if found[1] == b"5" else 3, data[found.end():]
        width, height, top = int(found[2]), int(found[3]), int(found[4])
    return np.frombuffer(body, ">u2" if top > 255 else "u1").reshape(height, width, depth)


def fill_pantry(folder):
    """What all recipes find: photos/, a.jpg and a.png of it, art/."""
    nature = "/usr/share/backgrounds/mate/nature"
    shell = f"""
        cd "{folder}"; mkdir -p photos/nature photos/phone art
        cp {nature}/LadyBird.jpg photos/nature
        for name in Garden Wood YellowFlower; do
            djpeg -scale 1/2 {nature}/$name.jpg | cjpeg -quality 90 > photos/nature/$name.jpg
        done
        djpeg -scale 3/8 {nature}/Aqua.jpg | cjpeg -quality 88 > 'photos/phone/IMG 1.jpg'
        exiftool -q -overwrite_original -Orientation#=6 -Model=Telephone -Copyright='(c) Ada' -GPSLatitude=48.1 -GPSLatitudeRef=N -GPSLongitude=11.5 \
            -GPSLongitudeRef=E -XMP-exif:GPSLatitude=48.1 -XMP-dc:Rights='(c) Ada' photos/phone/*.jpg
        cp photos/nature/Garden.jpg a.jpg
        djpeg -scale 1/4 {nature}/Garden.jpg | pnmtopng > a.png
        ppmmake rgb:30/60/a0 300 200 > chart.ppm; ppmmake white 100 80 | pnmpaste - 50 60 chart.ppm | pnmtopng -force -compression 0 > art/chart.png
        djpeg -scale 1/8 {nature}/Wood.jpg | pnmtopng > art/wood.png
        echo 'no picture' > art/notes.txt; rm chart.ppm"""
    subprocess.run(["sh", "-ec", shell], check=True, timeout=PATIENCE, stderr=subprocess.DEVNULL)


def cook(results, recipe, check, pantry, folder):
    """A checker is a generator: what it does before its `yield` prepares, what it does after it checks. It yields False where it runs the blocks itself."""
    kitchen = Kitchen(results, recipe, pantry, folder)
    before, start = results.passed + results.failed, time.monotonic()
    try:
        steps = check(kitchen)
        if next(steps, None) is not False:
            kitchen.run()
        next(steps, None)
        results.check(results.passed + results.failed > before, f"{recipe.slug}: nothing was checked")
    except (OSError, ValueError, KeyError, IndexError, TypeError, TimeoutError, subprocess.SubprocessError) as error:
        kitchen.check(False, f"{type(error).__name__} {error}")
    finally:
        if kitchen.process and kitchen.process.poll() is None:
            kitchen.stop()
    print(f"{recipe.slug}: {time.monotonic() - start:.1f} s")


def main():
    names = [word for i, word in enumerate(sys.argv) if i and not word.startswith("-") and sys.argv[i - 1] != "--bin"]
    sys.argv = [word for word in sys.argv if word not in names]
    take_tools(__doc__)
    # The Python that runs this has NumPy; another one that is first on PATH may not.
    tools, _, rest = os.environ["PATH"].partition(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([tools, os.path.dirname(sys.executable), rest])
    import cookbookrecipes
    import cookbookservers
    checks = {**cookbookrecipes.CHECKS, **cookbookservers.CHECKS}
    results, page = Results(), recipes()
    slugs = [recipe.slug for recipe in page]
    results.check(len(slugs) >= 30 and len(set(slugs)) == len(slugs), f"{len(slugs)} recipes, each once")
    results.check(set(slugs) == set(checks), f"recipes without a check: {set(slugs) - set(checks)}; checks without a recipe: {set(checks) - set(slugs)}")
    folder = tempfile.mkdtemp(prefix="imgpipe-cookbook-")
    try:
        os.mkdir(f"{folder}/pantry")
        fill_pantry(f"{folder}/pantry")
        for recipe in page:
            if recipe.slug in checks and (not names or recipe.slug in names):
                cook(results, recipe, checks[recipe.slug], f"{folder}/pantry", f"{folder}/{recipe.slug}")
    finally:
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    results.end()


if __name__ == "__main__":
    main()
