#!/usr/bin/python3
"""Seeds for a target of scripts/fuzz. usage: seeds.py TARGET FOLDER SOURCE...

Pictures of the sources, of 16 KiB at most, as the target wants them: behind a byte that chooses (decode, strip), as they are (inspect), or as a pixel
stream (stream, by bin/imgdecode). For text what people write on a command line.
"""
import os
import subprocess
import sys

MOST_BYTES = 16 << 10
TEXTS = ["800", "800x", "x600", "800x600", "50%", "800x600>", "1x1!", "800^", "%d/%n.jpg", "%04i-%wx%h.webp", "%%", "out/%f", "12.5%x3", "0", "-1", "99999999999x1",
         "--size=800x600>\0a.jpg", "-s50%\0-fn\x001\0--\0-x", "--region\x0010x20+3+4\0--color=#abc", "--choice=other\0--alone\x008\0--max-pixels\x0010M",
         "--timeout\x000.5\0--number=-3", "-fc\0one\0--help"]


def pictures(sources):
    for source in sources:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if name.lower().endswith((".jpg", ".jpeg", ".png", ".webp", ".pgm", ".ppm", ".pam")) and 0 < os.path.getsize(path) <= MOST_BYTES:
                    yield path


def main():
    target, folder, *sources = sys.argv[1:]
    if target == "form":
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\\"b.jpg"\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--c\r\n\r\n--b \r\n\r\n\r\n--b--\r\n'
        for i, body in enumerate([form, b"preamble\r\n" + form, form[:40]]):
            with open(os.path.join(folder, f"form{i}"), "wb") as file:
                file.write(bytes([100]) + body)
        return
    if target == "text":
        contents = [text.encode() for text in TEXTS]
    else:
        contents = []
        for number, path in enumerate(pictures(sources)):
            content = open(path, "rb").read()
            if target in ("decode", "strip"):
                contents.append(bytes([number * 37 % 256]) + content)
            elif target == "inspect":
                contents.append(content)
            elif number % 8 == 0:
                contents.append(subprocess.run(["bin/imgdecode", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout[:1 << 16])
    for number, content in enumerate(contents):
        with open(os.path.join(folder, str(number)), "wb") as file:
            file.write(content)


if __name__ == "__main__":
    sys.exit(main())
