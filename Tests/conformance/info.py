#!/usr/bin/python3
"""imginfo beside ExifTool, ImageMagick and Pillow over the corpus: metadata/, icc/, orientation/, valid/, and broken/ for its answers.

usage: info.py [--bin DIR]
"""
import glob
import json
import math
import os
import subprocess
import sys
import tempfile

from PIL import Image

from harness import Results, corpus_or_end, exiftool, take_tools

FOLDERS = ("metadata", "icc", "orientation", "valid")
EXIF_GROUPS = ("IFD0", "ExifIFD", "GPS", "InteropIFD")
#: Long or binary, or of a meaning that only ExifTool gives them.
UNLISTED = {"MakerNote", "Padding", "OffsetSchema", "PrintImageMatching", "ApplicationNotes", "CFAPattern", "DeviceSettingDescription", "OECF",
            "SpatialFrequencyResponse", "XPTitle", "ThumbnailOffset", "ThumbnailLength", "ThumbnailImage", "IPTC-NAA", "ICC_Profile", "PhotoshopSettings"}


#: Where ExifTool says something else, and why.
KNOWN = {
    ("Pillow-exif_gps.jpg", "OtherImageLength"),  # 0x0202 outside of the thumbnail's directory
    ("jpeg-decoder-relax-jpeg.jpg", "ModifyDate"),  # it has two blocks; ExifTool lists both
}


def files(corpus, folders):
    return sorted(os.path.join(place, name) for folder in folders for place, _, names in os.walk(os.path.join(corpus, folder)) for name in names)


def info(paths, *options):
    run = subprocess.run(["imginfo", "--json", *options, "--files0-from=-"], input=b"\0".join(os.fsencode(path) for path in paths),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return run.returncode, [json.loads(line) for line in run.stdout.splitlines()], run.stderr.decode(errors="replace")


def same(ours, theirs):
    """Values of a field: numbers to nine digits, texts but for spaces around them; ExifTool puts no text as its number's text."""
    if isinstance(theirs, list):
        return isinstance(ours, list) and len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs)) or same(ours, ", ".join(map(str, theirs)))
    ours, theirs = str(ours).strip(), str(theirs).strip()
    if ours == theirs or " ".join(ours.split()) == " ".join(theirs.split()):
        return True
    if len(ours.split()) != len(theirs.split()):
        return False
    try:
        return all(math.isclose(float(a), float(b), rel_tol=1e-7, abs_tol=1e-9) for a, b in zip(ours.split(), theirs.split()))
    except ValueError:
        return False


def check_manifest(results, corpus, found):
    """Sizes as the manifest has them."""
    rows = [line.rstrip("\n").split("\t") for line in open(os.path.join(corpus, "MANIFEST.tsv"), encoding="utf-8")]
    head = {name: i for i, name in enumerate(rows[0])}
    count = 0
    for row in rows[1:]:
        picture = found.get(os.path.join(corpus, row[0]))
        if picture and row[head["expect"]].startswith("ok") and row[head["width"]].isdigit():
            count += 1
            size = (int(row[head["width"]]), int(row[head["height"]]))
            results.check((picture["width"], picture["height"]) == size, f"{row[0]}: {picture['width']} x {picture['height']}, not {size}")
            results.check(picture["format"] == row[head["format"]], f"{row[0]}: {picture['format']}")
    print(f"{count} sizes as in the manifest")
    results.check(count > 500, "too few sizes compared")


def check_fields(results, corpus, found):
    """EXIF, position, XMP and IPTC as ExifTool reads them."""
    counts = dict.fromkeys(("exif", "position", "xmp", "iptc", "icc", "head"), 0)
    folders = {os.path.dirname(path) for path in found}
    for folder in sorted(folders):
        for name, tags in exiftool(folder).items():
            picture = found.get(os.path.join(folder, name))
            if not picture:
                continue
            exif, where = picture.get("exif", {}), os.path.relpath(os.path.join(folder, name), corpus)
            for group in EXIF_GROUPS:
                for tag, value in tags.get(group, {}).items():
                    ours = exif.get(tag)
                    if tag in UNLISTED or tag.startswith("MakerNote") or (name, tag) in KNOWN or value == "" or "Binary data" in str(value):
                        continue
                    others = [tags[other][tag] for other in EXIF_GROUPS if tag in tags.get(other, {})]
                    counts["exif"] += 1
                    results.check(ours is not None and any(same(ours, other) for other in others), f"{where}: {group}:{tag} is {str(ours)[:50]!r}, ExifTool's {str(value)[:50]!r}")
            composite = tags.get("Composite", {})
            if "GPSLatitude" in composite and ("GPSLatitudeRef" in tags.get("GPS", {}) or "GPSLatitude" in tags.get("XMP-exif", {})):
                position = picture.get("gps", {})
                counts["position"] += 1
                for axis in ("latitude", "longitude"):
                    results.check(same(position.get(axis), composite["GPS" + axis.capitalize()]), f"{where}: {axis} {position.get(axis)}, ExifTool's {composite['GPS' + axis.capitalize()]}")
            for key, value in picture.get("xmp", {}).items():
                prefix, _, tag = key.partition(":")
                if prefix == "plus":
                    continue  # ExifTool shortens its URLs
                theirs = tags.get("XMP-" + prefix.replace("Iptc4xmpCore", "iptcCore").replace("Iptc4xmpExt", "iptcExt"), {})
                theirs = theirs.get(tag[0].upper() + tag[1:])
                if theirs is not None:
                    counts["xmp"] += 1
                    results.check(same(value, theirs) or "Date" in tag or isinstance(theirs, bool), f"{where}: {key} is {value!r}, ExifTool's {theirs!r}")
            for key, value in picture.get("iptc", {}).items():
                theirs = tags.get("IPTC", {}).get(key)
                counts["iptc"] += 1
                results.check(theirs is not None and (same(value, theirs) or "Date" in key or "Time" in key), f"{where}: IPTC {key} is {value!r}, ExifTool's {theirs!r}")
            profile = tags.get("ICC_Profile", {}).get("ProfileDescription")
            if profile is not None and "icc" in picture:
                counts["icc"] += 1
                results.check(same(picture["icc"].get("description"), profile), f"{where}: profile {picture['icc']}, ExifTool's {profile!r}")
            file = tags.get("File", {})
            if picture["format"] == "jpeg" and "EncodingProcess" in file:
                counts["head"] += 1
                results.check(picture["progressive"] == (file["EncodingProcess"] in (2, 6, 10, 14)), f"{where}: progressive {picture['progressive']}")
                results.check(picture["depth"] == file["BitsPerSample"], f"{where}: depth {picture['depth']}")
                sampling = {"1 1": "4:4:4", "2 1": "4:2:2", "2 2": "4:2:0", "1 2": "4:4:0", "4 1": "4:1:1", "4 2": "4:1:0"}.get(file.get("YCbCrSubSampling"))
                if sampling and "subsampling" in picture:
                    results.check(picture["subsampling"] == sampling, f"{where}: {picture['subsampling']}, ExifTool's {sampling}")
            results.check(picture["c2pa"] == ("JUMBF" in tags), f"{where}: c2pa {picture['c2pa']}")
    print("compared with ExifTool: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    for name, least in {"exif": 2000, "position": 5, "xmp": 100, "iptc": 30, "icc": 30, "head": 170}.items():
        results.check(counts[name] >= least, f"too few of {name} compared")


def two_tables(path):
    """Whether a JPEG has no more than two quantisation tables, of 8 bits."""
    run = subprocess.run(["djpeg", "-verbose", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    places = {line.split()[3] for line in run.stderr.splitlines() if line.startswith(b"Define Quantization Table")}
    return len(places) <= 2 and b"precision 1" not in run.stderr


def check_quality(results, corpus, found):
    """Quality as ImageMagick estimates it, where the tables are libjpeg's: of two tables at most, for it adds up all that there are."""
    paths = [path for path, picture in found.items() if picture.get("quality_exact") and two_tables(path)]
    run = subprocess.run(["identify", "-format", "%Q\n", *[path + "[0]" for path in paths]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    theirs = run.stdout.split()
    if len(theirs) != len(paths):
        theirs = [subprocess.run(["identify", "-format", "%Q", path + "[0]"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout for path in paths]
    count = 0
    for path, quality in zip(paths, theirs):
        if quality.strip():
            count += 1
            ours = found[path]["quality"]
            results.check(ours == int(quality), f"{os.path.relpath(path, corpus)}: quality {ours}, ImageMagick's {int(quality)}")
    print(f"{count} qualities as ImageMagick's")
    results.check(count > 100, "too few qualities compared")


def check_frames(results, found):
    count = 0
    for path, picture in found.items():
        if picture["format"] in ("webp", "png"):
            try:
                with Image.open(path) as other:
                    frames, mode = getattr(other, "n_frames", 1), other.mode
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                continue
            count += 1
            # Pillow counts the still picture of an animation that is not one of its frames.
            results.check(picture["frames"] in (frames, frames - 1), f"{path}: {picture['frames']} frames, Pillow's {frames}")
            if picture["format"] == "webp":
                results.check(picture["alpha"] == (mode == "RGBA"), f"{path}: alpha {picture['alpha']}, Pillow's {mode}")
    print(f"{count} counts of frames as Pillow's")
    results.check(count > 100, "too few counts compared")


def check_pipes(results, paths):
    """From a pipe the same is said but for what only a file has."""
    for path in paths[::7]:
        whole = info([path])[1]
        with open(path, "rb") as file:
            run = subprocess.run("cat | imginfo --json", shell=True, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        piped = [json.loads(line) for line in run.stdout.splitlines()]
        for picture in whole + piped:
            picture.pop("file")
            picture.pop("bytes", None)
        results.check(whole == piped, f"{path}: from a pipe {str(piped)[:80]}, from a file {str(whole)[:80]}")


def check_broken(results, corpus):
    paths = files(corpus, ("broken", "bombs"))
    status, pictures, messages = info(paths)
    results.check(status == 65, f"broken files: {status} {messages[-200:]}")
    named = {picture["file"] for picture in pictures if "error" not in picture}
    silent = [path for path in paths if path not in named and path not in messages]
    results.check(not silent, f"neither described nor refused: {silent[:3]}")
    print(f"{len(paths)} broken files: {len(named)} have a sound head")


def check_positions_of_xmp(results):
    """A position that XMP alone has, in the ways that it can be written."""
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    with tempfile.TemporaryDirectory() as folder:
        for latitude, longitude, expected in [("48,7.404N", "11,34.5W", (48.1234, -11.575)), ("33,52,8S", "151,12,30E", (-33.868889, 151.208333)),
                                              ("91,0N", "11,0E", None), ("48,7", "11,0E", None), ("48,-7N", "11,0E", None), ("", "", None)]:
            path = os.path.join(folder, "a.jpg")
            packet = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
                      f'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="{latitude}"><exif:GPSLongitude>{longitude}</exif:GPSLongitude>'
                      '<exif:GPSAltitude>5205/10</exif:GPSAltitude></rdf:Description></rdf:RDF></x:xmpmeta>').encode()
            segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
            with open(source, "rb") as file, open(path, "wb") as copy:
                data = file.read()
                copy.write(data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:])
            position = json.loads(subprocess.run(["imginfo", "--json", path], stdout=subprocess.PIPE, check=True).stdout).get("gps")
            found = position and (round(position["latitude"], 6), round(position["longitude"], 6))
            results.check(found == expected and (not position or position["altitude"] == 520.5), f"XMP's {latitude} {longitude}: {position}")


def main():
    take_tools("imginfo beside other readers")
    results = Results()
    check_positions_of_xmp(results)
    corpus = corpus_or_end(results)
    paths = files(corpus, FOLDERS)
    _, pictures, messages = info(paths)
    found = {picture["file"]: picture for picture in pictures}
    print(f"{len(found)} of {len(paths)} files described")
    results.check(len(found) > 0.95 * len(paths), messages[-400:])
    check_manifest(results, corpus, found)
    check_fields(results, corpus, found)
    check_quality(results, corpus, found)
    check_frames(results, found)
    check_pipes(results, paths)
    check_broken(results, corpus)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
