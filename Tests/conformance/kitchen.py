"""Where the recipes of docs/cookbook.md are cooked: the pictures that each finds, the folder that it runs in, what is looked at afterwards, and the list of
checkers. The photographs are those of Debian's mate-backgrounds, made smaller by djpeg and cjpeg; results are read by djpeg, pngtopam, dwebp, ExifTool and
imagesize.py."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess

import numpy as np

from harness import ROOT, content
from imagesize import image_size

# A bound on what hangs, not a measure of speed.
PATIENCE = 120
# The checkers by slug. Each is a generator: what it does before its `yield` prepares, what it does after it checks; it yields False where it has run the
# blocks itself.
CHECKS = {}
# The photographs of the pantry: names, and sizes upright.
TREE = {"nature/Garden": (1280, 800), "nature/LadyBird": (2560, 1600), "nature/Wood": (1280, 960), "nature/YellowFlower": (1280, 800), "phone/IMG 1": (600, 960)}


def recipe(slug):
    def add(check):
        CHECKS[slug] = check
        return check
    return add


def size_within(width, height, limit):
    """Of a picture that is no wider than the limit afterwards."""
    return (width, height) if width <= limit else (limit, max(1, (2 * height * limit + width) // (2 * width)))


def is_tree(k, prefix, ending, limit):
    """Every photograph of the tree is there in its size, and no other file."""
    wanted = {f"{prefix}{name}.{ending}": size_within(*size, limit) for name, size in TREE.items()}
    k.check(k.status == 0 and not k.messages, "went well, without a word")
    k.check({name: k.size(name) for name in k.files(f"{prefix}**")} == wanted, f"the tree {k.files(f'{prefix}**')}")


def edges(pixels):
    """Mean difference between neighbours in a row."""
    return np.abs(np.diff(pixels.astype(int), axis=1)).mean()


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
