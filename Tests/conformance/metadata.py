#!/usr/bin/python3
"""Metadata through the filters, as ExifTool reads it: every file of the corpus's metadata/, halved, to JPEG, PNG and WebP.

usage: metadata.py [--bin DIR]

Each tag of EXIF (MakerNotes too, whose offsets must still be right), XMP and IPTC that ExifTool finds in the file must be in the new
one with the same value, but for those that say what the pixels look like: orientation 1, the new width and height, no thumbnail.
"""
import collections
import os
import subprocess
import sys
import tempfile

from harness import Results, corpus_or_end, exiftool, take_tools

# Tags that say where something stands, how large it is, or show the old pixels.
PLACES = {"ThumbnailOffset", "ThumbnailLength", "ThumbnailImage", "PreviewImageStart", "PreviewImage", "OtherImage", "OtherImageLength", "ExifOffset",
          "HasExtendedXMP", "ExtendedXMP", "XMPToolkit"}
SIZES = {"ExifImageWidth": "ImageWidth", "ExifImageHeight": "ImageHeight", "ImageWidth": "ImageWidth", "ImageHeight": "ImageHeight"}
SKIPPED_GROUPS = ("System", "File", "JFIF", "Composite", "ExifTool", "ICC", "PNG", "RIFF", "MPF", "MPImage", "IFD1", "JUMBF", "CBOR",
                  "Photoshop", "Jpeg2000", "JSON", "APP", "Ducky", "Adobe", "SourceFile", "FPXR", "GIMP")


def convert(paths, ending, out):
    """Halves the files into a folder, under their names with an ending more; names of those that are not whole are left out."""
    with tempfile.TemporaryFile() as names:
        names.write(b"".join(os.fsencode(path) + b"\0" for path in paths))
        names.seek(0)
        subprocess.run(["sh", "-c", f"imgdecode --files0-from=- | imgresize 50% | imgencode -o '{out}/%f.{ending}'"], stdin=names,
                       stderr=subprocess.DEVNULL, check=False)


def compare(results, name, before, after, size):
    for group, tags in before.items():
        if not group or group.startswith(SKIPPED_GROUPS):
            continue
        for tag, value in tags.items():
            if tag in PLACES or "Offset" in tag or tag.startswith("Preview"):
                continue
            found = after[group].get(tag)
            if tag in SIZES and group in ("IFD0", "ExifIFD", "XMP-tiff", "XMP-exif"):
                # One camera writes two numbers, the second 0.
                value, found = size[SIZES[tag]], int(str(found).split()[0])
            elif tag == "Orientation" and value in range(1, 9):
                value = 1
            results.check(found == value, f"{name}: {group}:{tag} is {str(found)[:60]!r}, not {str(value)[:60]!r}")
    results.check("ThumbnailImage" not in after["IFD1"], f"{name}: a thumbnail")


def main():
    take_tools("metadata as ExifTool reads it")
    results = Results()
    corpus = corpus_or_end(results)
    source = os.path.join(corpus, "metadata")
    before = exiftool(source)
    paths = sorted(os.path.join(source, name) for name in before)
    for ending in ("jpg", "png", "webp"):
        with tempfile.TemporaryDirectory() as folder:
            convert(paths, ending, folder)
            after = exiftool(folder)
            print(f"{len(after)} of {len(paths)} files became {ending}")
            results.check(len(after) >= len(paths) - 2, f"only {len(after)} files became {ending}")
            for name, tags in sorted(after.items()):
                original = name[:-len(ending) - 1]
                groups = {group: tags for group, tags in before[original].items() if not (ending == "webp" and group == "IPTC")}
                size = tags["File" if ending == "jpg" else "PNG" if ending == "png" else "RIFF"]
                compare(results, name, collections.defaultdict(dict, groups), tags, size)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
