#!/usr/bin/python3
"""imgstrip as ExifTool and other decoders see it: the corpus's metadata/, icc/, orientation/, valid/, broken/, and mutated files.

usage: strip.py [--bin DIR]

With --drop all no group is left but those of the file, its header and its rendering; with the default only the profile and the orientation
stay; with --keep each field that stays has its value, and no other stays. Decoded pixels are those of the file before.
"""
import concurrent.futures
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

from fileparts import tells_secret, with_secret
from harness import Results, exiftool, find_corpus, take_tools

BARE = {"System", "ExifTool", "File", "Composite", "JFIF", "Adobe", "RIFF", "PNG", "PNG-cICP", "PNG-pHYs", "APNG", "SourceFile", ""}
#: What of PNG's header and rendering ExifTool shows in the group PNG; any other is a text.
PNG_TAGS = {"ImageWidth", "ImageHeight", "BitDepth", "ColorType", "Compression", "Filter", "Interlace", "Gamma", "WhitePointX", "WhitePointY", "RedX",
            "RedY", "GreenX", "GreenY", "BlueX", "BlueY", "SRGBRendering", "BackgroundColor", "SignificantBits", "Transparency", "Palette",
            "AnimationFrames", "AnimationPlays", "PixelsPerUnitX", "PixelsPerUnitY", "PixelUnits"}
MUTATIONS = 10000
SECRETS = 6000


def pixels(path):
    """A sum over what another decoder makes of a file; None where it refuses it."""
    with open(path, "rb") as file:
        head = file.read(12)
    tool = "djpeg" if head[:2] == b"\xff\xd8" else "pngtopam -alphapam" if head[:4] == b"\x89PNG" else "dwebp -quiet -pam -o - --"
    with open(path, "rb") as file:
        if head[8:12] == b"WEBP" and b"ANIM" in file.read(64):
            # dwebp refuses animations.
            tool = "d() { imgdecode < \"$1\" | imgstrip --drop all 2> /dev/null; }; d"
    run = subprocess.run(
        ["sh", "-c", f'{tool} "$1"', "sh", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return hashlib.sha256(run.stdout).hexdigest() if run.stdout else None


def strip(options, source, target):
    run = subprocess.run(["imgstrip", *options, "-o", target, "--", source], stderr=subprocess.PIPE, check=False)
    return run.returncode, run.stderr.decode(errors="replace")


def is_bare(group, tag):
    return group in BARE and not (group == "PNG" and tag not in PNG_TAGS)


def files(*folders):
    return sorted(os.path.join(place, name) for folder in folders for place, _, names in os.walk(folder) for name in names)


def check_files(results, corpus):
    paths = [path for path in files(*(os.path.join(corpus, folder) for folder in ("metadata", "icc", "orientation", "valid")))
             if path.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".mpo"))]
    with tempfile.TemporaryDirectory() as out:
        done = []
        for i, path in enumerate(paths):
            target = os.path.join(out, f"{i:04}-{os.path.basename(path)}")
            status, messages = strip(["--drop", "all"], path, target)
            results.check(status in (0, 65) and (status == 0) == os.path.exists(target), f"{path}: {status} {messages}")
            if status == 0:
                done.append(path)
                results.check(pixels(path) == pixels(target), f"{path}: pixels changed")
        print(f"{len(done)} of {len(paths)} files stripped bare")
        results.check(len(done) >= 0.97 * len(paths), "too few files stripped")
        for name, tags in exiftool(out).items():
            for group, found in tags.items():
                for tag in found:
                    results.check(is_bare(group, tag), f"{name}: {group}:{tag} is still there")


KEPT = {
    (): lambda group, tag: (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "copyright"): lambda group, tag: (group, tag) in {
        ("IFD0", "Orientation"), ("IFD0", "Artist"), ("IFD0", "Copyright"), ("XMP-dc", "Rights"), ("XMP-dc", "Creator"), ("IPTC", "By-line"),
        ("IPTC", "CopyrightNotice"), ("IPTC", "CodedCharacterSet"), ("Photoshop", "CopyrightFlag"), ("PNG", "Copyright"), ("PNG", "Author")}
    or group == "XMP-xmpRights",
    ("--keep", "gps"): lambda group, tag: (group, tag) == ("IFD0", "Orientation") or group == "GPS" or group.startswith("XMP") and tag.startswith("GPS"),
    ("--keep", "exif", "--drop", "gps"): lambda group, tag: group in {"IFD0", "ExifIFD", "InteropIFD", "IFD1"},
    ("--keep", "exif"): lambda group, tag: True,
    ("--keep", "xmp"): lambda group, tag: group.startswith("XMP") or (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "iptc"): lambda group, tag: group == "IPTC" or (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "thumbnail"): lambda group, tag: group == "IFD1" or (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "makernote"): lambda group, tag: group not in {"IFD0", "ExifIFD", "GPS", "IFD1", "InteropIFD", "IPTC", "Photoshop", "PNG"}
    and not group.startswith("XMP") or (group, tag) in {("IFD0", "Orientation"), ("ExifIFD", "MakerNoteUnknownText"), ("XMP-exif", "MakerNote")},
    ("--keep", "orientation", "--drop", "icc"): lambda group, tag: (group, tag) in {("IFD0", "Orientation"), ("XMP-tiff", "Orientation"), ("XMP-x", "XMPToolkit")},
    ("--keep", "resolution"): lambda group, tag: tag in {"XResolution", "YResolution", "ResolutionUnit", "Orientation", "DisplayedUnitsX", "DisplayedUnitsY"},
    ("--keep", "time"): lambda group, tag: any(word in tag for word in ("Date", "Time", "SubSec", "Offset", "When", "when")) or (group, tag) == ("IFD0", "Orientation")
    or group == "IPTC" and tag == "CodedCharacterSet",
    ("--keep", "comment"): lambda group, tag: group == "PNG" or (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "c2pa"): lambda group, tag: group.startswith(("JUMBF", "CBOR", "JSON", "C2PA", "Jpeg2000")) or (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "icc"): lambda group, tag: (group, tag) == ("IFD0", "Orientation"),
    ("--keep", "exif", "--drop", "time"): lambda group, tag: group in {"IFD0", "ExifIFD", "InteropIFD", "IFD1", "GPS"} and not any(
        word in tag for word in ("DateTime", "CreateDate", "ModifyDate", "DateStamp", "TimeStamp", "SubSec", "OffsetTime")),
    ("--keep", "exif,makernote", "--drop", "gps"): lambda group, tag: group in {"IFD0", "ExifIFD", "InteropIFD", "IFD1"} and not tag.startswith("MakerNote"),
    ("--keep", "all", "--drop", "gps"): lambda group, tag: group != "GPS" and not tag.startswith("GPS"),
}


#: What goes though its group stays: it says nothing, or is no field but a container of its own.
SHED = {("IPTC", "CodedCharacterSet"), ("XMP-x", "XMPToolkit"), ("IFD0", "Padding"), ("ExifIFD", "Padding"), ("XMP-exif", "MakerNote"),
        ("ExifIFD", "MakerNoteUnknownText"), ("XMP-GImage", "ImageMimeType"), ("XMP-GImage", "ImageData"), ("XMP-xmpNote", "HasExtendedXMP")}
#: For which of KEPT all that is allowed must stay, where it is wider than that.
KEEPS = {
    ("--keep", "copyright"): lambda group, tag: True,
    ("--keep", "gps"): lambda group, tag: True,
    ("--keep", "exif", "--drop", "gps"): lambda group, tag: True,
    ("--keep", "exif"): lambda group, tag: group in {"IFD0", "ExifIFD", "GPS", "InteropIFD"},
    ("--keep", "xmp"): lambda group, tag: True,
    ("--keep", "iptc"): lambda group, tag: True,
    ("--keep", "resolution"): lambda group, tag: tag != "Orientation" and group != "XMP-exif",
    ("--keep", "exif", "--drop", "time"): lambda group, tag: True,
    ("--keep", "exif,makernote", "--drop", "gps"): lambda group, tag: True,
    ("--keep", "all", "--drop", "gps"): lambda group, tag: True,
}


def check_nothing_more_goes(results, options, allowed, before, after, messages):
    """What is to stay is there."""
    count = 0
    for name, tags in before.items():
        if name not in after or "malformed" in messages[name]:
            continue
        for group, found in tags.items():
            if group not in ("IFD0", "ExifIFD", "GPS", "InteropIFD", "IPTC") and not group.startswith("XMP"):
                continue
            for tag, value in found.items():
                # An orientation of 1 is none.
                is_turned = (group, tag) == ("IFD0", "Orientation") and value in range(2, 9)
                # Depth maps are pictures inside of XMP.
                must = is_turned or (group != "XMP-GDepth" and tag != "Orientation" and options in KEEPS and KEEPS[options](group, tag) and (group, tag) not in SHED)
                if must and allowed(group, tag):
                    count += 1
                    results.check(tag in after[name].get(group, {}), f"{' '.join(options)}: {name}: {group}:{tag} is gone")
    return count


def check_all_stays(results, corpus):
    """With --keep all a file is itself; by default a profile is what it was."""
    folder = os.path.join(corpus, "metadata")
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        run = subprocess.run(["imgstrip", "--keep", "all", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        with open(path, "rb") as file:
            results.check(run.returncode == 65 or run.stdout == file.read(), f"--keep all: {name} is another file")
    folder, profiles = os.path.join(corpus, "icc"), 0
    before = exiftool(folder)
    with tempfile.TemporaryDirectory() as out:
        messages = {name: strip([], os.path.join(folder, name), os.path.join(out, name))[1] for name in before}
        for name, tags in exiftool(out).items():
            for group in before[name]:
                if group.startswith("ICC") and "malformed" not in messages[name]:
                    profiles += 1
                    results.check(before[name][group] == tags.get(group), f"{name}: {group} has changed")
    print(f"{profiles} groups of profiles as they were")
    results.check(profiles > 15, "too few profiles")


def check_groups(results, corpus):
    """Fields before and after, for the words of --keep and --drop."""
    source = os.path.join(corpus, "metadata")
    before = exiftool(source)
    for options, allowed in KEPT.items():
        with tempfile.TemporaryDirectory() as out:
            messages = {name: strip(options, os.path.join(source, name), os.path.join(out, name))[1] for name in before}
            after = exiftool(out)
            kept = 0
            due = check_nothing_more_goes(results, options, allowed, before, after, messages)
            for name, tags in after.items():
                for group, found in tags.items():
                    if group.startswith(("ICC", "MakerNotes")) or group in BARE - {"PNG"}:
                        continue
                    for tag, value in found.items():
                        # The profile stays in all of these, and its name with it.
                        if is_bare(group, tag) or (group, tag) == ("PNG", "ProfileName"):
                            continue
                        kept += 1
                        results.check(allowed(group, tag), f"{' '.join(options)}: {name}: {group}:{tag} is still there")
                        if group in ("IFD0", "ExifIFD", "GPS", "IPTC") or group.startswith("XMP"):
                            # A namespace that nobody knows has another prefix where not all of XMP stays.
                            if "Offset" in tag or group.startswith("XMP-ns") or tag in ("XMPToolkit", "HasExtendedXMP"):
                                continue
                            old = before[name][group].get(tag)
                            results.check(old == value, f"{' '.join(options)}: {name}: {group}:{tag} was {str(old)[:40]!r}, is {str(value)[:40]!r}")
            print(f"{' '.join(options) or 'default'}: {len(after)} files, {kept} fields kept, {due} of which had to be")


def further_picture(path):
    return subprocess.run(["exiftool", "-b", "-MPImage2", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout


def check_further_pictures(results, corpus):
    """Multi-picture files whose further pictures stay: found where MPF says, the same pixels, and without metadata of their own."""
    source = os.path.join(corpus, "metadata")
    names = [name for name in sorted(os.listdir(source)) if name.endswith(".mpo") and further_picture(os.path.join(source, name))]
    results.check(len(names) >= 3, f"only {len(names)} multi-picture files")
    with tempfile.TemporaryDirectory() as out:
        for name in names:
            old, new = os.path.join(source, name), os.path.join(out, name)
            status, messages = strip(["--keep", "mpf", "--drop", "icc,orientation"], old, new)
            results.check(status == 0, f"{name}: {status} {messages}")
            if status:
                continue
            for path in (old, new):
                with open(path + ".2.jpg" if path == new else os.path.join(out, "old.jpg"), "wb") as file:
                    file.write(further_picture(path))
            results.check(pixels(new) == pixels(old) and pixels(new + ".2.jpg") == pixels(os.path.join(out, "old.jpg")), f"{name}: pixels changed")
            os.remove(os.path.join(out, "old.jpg"))
        for name, tags in exiftool(out).items():
            for group, found in tags.items():
                # The attributes of each picture among its fellows are MPF's own.
                results.check(group in BARE or group.startswith("MP"), f"{name}: {group}:{list(found)} is still there")


def check_secrets(results, corpus):
    """A text put wherever a decoder does not look does not come out."""
    random.seed(6)
    paths = files(os.path.join(corpus, "metadata"), os.path.join(corpus, "icc"), os.path.join(corpus, "valid"), os.path.join(corpus, "orientation"))
    seeds = [open(path, "rb").read() for path in paths if os.path.getsize(path) < 30000]
    seeds = [data for data in seeds if data[:2] == b"\xff\xd8" or data[:4] == b"\x89PNG" or data[8:12] == b"WEBP"]
    done = 0
    with tempfile.TemporaryDirectory() as out:
        for start in range(0, SECRETS, 1000):
            batch = os.path.join(out, str(start))
            os.makedirs(batch)
            for i in range(1000):
                with open(os.path.join(batch, str(i)), "wb") as file:
                    file.write(with_secret(random.choice(seeds)))
            for options in ("--drop all", "", "--keep copyright,time,resolution"):
                os.makedirs(batch + "-out")
                run = subprocess.run(f"cd '{batch}' && imgstrip -j 2 {options} -o '../{start}-out/%f' -- *", shell=True, stderr=subprocess.PIPE, check=False)
                results.check(run.returncode in (0, 65) and b"internal" not in run.stderr, f"{options}: {run.returncode} {run.stderr.decode(errors='replace')[-300:]}")
                for name in os.listdir(batch + "-out"):
                    done += 1
                    with open(os.path.join(batch + "-out", name), "rb") as file:
                        results.check(options != "--drop all" or not tells_secret(file.read()), f"{options}: {start}/{name}: the text is still there")
                shutil.rmtree(batch + "-out")
            shutil.rmtree(batch)
    print(f"{SECRETS} files with a text where none belongs: stripped {done} times")
    results.check(done > SECRETS, "too few of them are stripped")


def tags_of(folder):
    """The tags of each file of a folder, without the values; of what is in no file."""
    return {name: {(group, tag) for group, found in tags.items() for tag in found if not is_bare(group, tag) and group not in BARE}
            for name, tags in exiftool(folder).items()}


def check_no_more_tags(results, before, after, names):
    """ExifTool finds no field in a stripped file that it did not find before."""
    with tempfile.TemporaryDirectory() as samples:
        for folder, label in ((before, "a"), (after, "b")):
            os.makedirs(os.path.join(samples, label))
            for name in names:
                shutil.copy(os.path.join(folder, name), os.path.join(samples, label, name))
        old, new = tags_of(os.path.join(samples, "a")), tags_of(os.path.join(samples, "b"))
    for name, found in new.items():
        # A packet that is written anew names who wrote it not, and its length is another.
        more = {pair for pair in found - old.get(name, set()) if pair != ("XMP-x", "XMPToolkit") and pair[1] not in ("ThumbnailOffset", "ThumbnailImage")}
        results.check(not more, f"mutated {name}: new fields {sorted(more)[:4]}")


def check_mutations(results, corpus):
    """Files that are not what they should be: never a crash, no metadata that was not there, the same pixels."""
    random.seed(5)
    broken = files(os.path.join(corpus, "broken"))
    seeds = [os.path.join(corpus, "metadata", name) for name in sorted(os.listdir(os.path.join(corpus, "metadata")))]
    seeds = [open(path, "rb").read() for path in seeds if os.path.getsize(path) < 60000]
    count = 0
    with tempfile.TemporaryDirectory() as out:
        target = os.path.join(out, "out")
        for path in broken:
            status, messages = strip([], path, target)
            results.check(status in (0, 65) and (status == 0 or len(messages.strip().splitlines()) >= 1), f"{path}: {status} {messages}")
            if status == 0:
                results.check(pixels(path) == pixels(target), f"{path}: pixels changed")
                os.remove(target)
        batch = os.path.join(out, "batch")
        for start in range(0, MUTATIONS, 500):
            os.makedirs(batch)
            for i in range(500):
                data = bytearray(random.choice(seeds))
                for _ in range(random.randrange(1, 8)):
                    at = random.randrange(min(len(data), 4000))
                    data[at] = random.choice((0, 255, random.randrange(256)))
                with open(os.path.join(batch, str(i)), "wb") as file:
                    file.write(data)
            os.makedirs(batch + "-out")
            for options in ((), ("--keep", "exif,xmp,iptc,makernote,thumbnail", "--drop", "time"), ("--keep", "copyright")):
                run = subprocess.run(f"cd '{batch}' && imgstrip -j 2 {' '.join(options)} -o '../batch-out/%f' -- *", shell=True, stderr=subprocess.PIPE, check=False)
                # The status is the first failure's: a later 70 is seen in the messages alone.
                bugs = [line for line in run.stderr.splitlines() if b"internal error" in line]
                results.check(run.returncode in (0, 65) and not bugs, f"mutated files: {run.returncode} {bugs[:2]}")
            names = os.listdir(batch + "-out")
            count += len(names)
            if start % 2000 == 0:
                check_no_more_tags(results, batch, batch + "-out", random.sample(names, min(60, len(names))))
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                pairs = pool.map(lambda name: (name, pixels(os.path.join(batch, name)) == pixels(os.path.join(batch + "-out", name))), names)
                for name, is_same in pairs:
                    results.check(is_same, f"mutated {start}/{name}: pixels changed")
            shutil.rmtree(batch)
            shutil.rmtree(batch + "-out")
    print(f"{len(broken)} broken files; {count} of {MUTATIONS} mutated ones stripped")


def main():
    take_tools("imgstrip as others see its files")
    corpus, results = find_corpus(), Results()
    if corpus is None:
        results.skipped += 1
        results.end()
    check_files(results, corpus)
    check_groups(results, corpus)
    check_all_stays(results, corpus)
    check_further_pictures(results, corpus)
    check_secrets(results, corpus)
    check_mutations(results, corpus)
    results.end()


if __name__ == "__main__":
    sys.exit(main())
