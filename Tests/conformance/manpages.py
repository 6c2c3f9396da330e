#!/usr/bin/python3
"""Manual pages against the tools: each option of --help is in its page and the reverse, and each example does what it says.

usage: manpages.py [--bin DIR] [--service]     --service: imgserve's page, and the examples that need imgserve or a store, alone

An example is run in plain sh, in a folder with photographs, as it stands on the page, but for the addresses of servers. EXAMPLES has what must come
of each: the pictures, opened by Pillow, or what is said. An example without a word there fails, and so does a word without its example.
"""
import contextlib
import functools
import glob
import http.server
import io
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
import threading

from PIL import Image

from commandhelp import options, tools
from harness import ROOT, Results, content, shell, take_tools
from mdoc import Page
from service import Service

MANUAL = os.path.join(ROOT, "man")
COMMON = Page(os.path.join(MANUAL, "imgpipe.7"))


# MARK: Options

def check_options(results, tool):
    page = Page(os.path.join(MANUAL, f"{tool}.1"))
    helped = {f"--{option.name}": option for option in options(tool)}
    known = helped | {f"-{option.short}": option for option in helped.values() if option.short}
    own = {spelling: (item, other) for other, item in page.items() for spelling in item.values}
    # Those of all filters imgpipe(7) has; where a page says so.
    refers = any("".join(link.itertext()) == "imgpipe(7)" for link in page.tree.iter("a"))
    common = {spelling: (item, None) for _, item in reversed(COMMON.items()) for spelling in item.values} if refers else {}
    for spelling, option in known.items():
        item, other = own.get(spelling) or common.get(spelling) or (None, None)
        results.check(item, f"{tool}(1) has no {spelling}")
        if other:
            # "Of imgencode(1)": by name alone, as it is the same there.
            there = next((one for one in options(other) if one.name == option.name), option)
            results.check(option._replace(text="") == there._replace(text=""), f"{tool} has {option}, and {other} {there}")
        elif item:
            # In "-h, --help" and "-j, --jobs n" the value is that of both.
            value = item.values[spelling] or item.values.get(f"--{option.name}")
            results.check(bool(value) == bool(option.value) and bool(value and value[0] == "[") == option.isOptional,
                          f"{tool}(1) has {spelling} with the value {value}, and --help with {option.value}")
            words = set(re.findall(r"[\w,.:#%-]*\w", item.text))
            told = [*option.choices, *([option.default] if option.default else [])] if spelling in own else []
            results.check(words.issuperset(told), f"{tool}(1) says nothing of {set(told) - words} for {spelling}")
    for spelling in own:
        results.check(spelling in known, f"{tool}(1) has {spelling}, and --help has not")
    for spelling, value in page.flags("SYNOPSIS"):
        results.check(spelling in known and bool(value) == bool(known[spelling].value), f"{tool}(1): SYNOPSIS has {spelling} {value}")
    # Elsewhere options of other tools are spoken of too.
    every = {f"--{option.name}" for one in tools() for option in options(one)}
    for spelling, _ in page.flags():
        results.check(spelling in known or spelling in every, f"{tool}(1) speaks of {spelling}, which nothing has")


# MARK: Examples

PHOTOGRAPHS = [f"/usr/share/backgrounds/mate/nature/{name}.jpg" for name in ("Aqua", "Dune", "Garden")]

# What an example begins with, of which this is a part, beside the pictures that all have.
BEFORE = {
    "-- -a.jpg": "cp b.jpg ./-a.jpg",
    "--salvage": "mv a.jpg whole; head -c $(($(wc -c < whole) * 3 / 4)) whole | tee cut.jpg > a.jpg",
    "small-%n": "head -c 5000 a.jpg > cut.jpg",
    "results |": """echo '{"id":1,"status":"failed","in":"b.jpg","out":"t/b.jpg"}' > results""",
    "prom/": "mkdir prom",
    "-f y4m": "imgdecode a.jpg | imgencode -o a.webp",
}

# A part of an example, and what comes of it: files and "FORMAT WIDTHxHEIGHT"; "out" and "err", an expression for what is said there, which else is nothing.
EXAMPLES = {
    "README.md": {
        "imgresize 320": {"thumb.jpg": "JPEG 320x213"},
        "'1600x1200>' |": {"small.jpg": "JPEG 900x600"},
        "50%": {"half.png": "PNG 450x300"},
        "--lossless": {"a.webp": "WEBP 900x600"},
        "curl": {"page.jpg": "JPEG 800x533"},
        "imgget": {"s3://thumbs/a.jpg": "JPEG 800x533"},
        "#f4f4f4": {"logo.jpg": "JPEG 256x256"},
        "imgdecode --files0-from": {"out/photos/one.jpg": "JPEG 1500x1000", "out/photos/deep/three.jpg": "JPEG 600x400"},
        "xargs": {"out/photos/one.jpg": "JPEG 1500x1000", "out/photos/deep/three.jpg": "JPEG 600x400"},
        "--journal": {"out/photos/one.jpg": "JPEG 1500x1000", "out/photos/deep/three.jpg": "JPEG 600x400", "out.journal": None},
        "--for 200": {"a-200.jpg": "JPEG 200x133", "b-200.jpg": "JPEG 200x133"},
        "imgstrip": {"photos/one.jpg": "JPEG 1500x1000 nowhere"},
        "select(.gps)": {"out": "photos/one.jpg\n$"},
        "--salvage": {"rest.jpg": "JPEG 900x600", "err": "cut.jpg: salvaged"},
        "--min-ssim": {"a.jpg": "JPEG 900x600", "err": r"quality \d+"},
        "--map": {"lost.png": "PNG 900x600", "out": "^psnr"},
        "page-": {"page-001-300x200.webp": "WEBP 300x200", "page-004-200x200.webp": "WEBP 200x200"},
        "small-%n": {"small-a.jpg": "JPEG 800x533", "small-b.jpg": "JPEG 800x533", "out": "^status 65\n$", "err": "^imgdecode: cut.jpg: [^\n]*\n$"},
    },
    "imgdecode.1": {
        "curl": {"page.jpg": "JPEG 800x533"},
        "--for 200": {"a-200.jpg": "JPEG 200x133", "b-200.jpg": "JPEG 200x133"},
        "find art": {"webp/art/one.webp": "WEBP 300x200", "webp/art/deep/two.webp": "WEBP 300x200"},
        "-- -a.jpg": {"-a-copy.jpg": "JPEG 900x600", "b-copy.jpg": "JPEG 300x200"},
        "--pixels gray": {"grey.png": "PNG 900x600"},
        "/dev/null": {"err": "^imgdecode: sandbox: .*\n$"},
        "--salvage": {"b.jpg": "JPEG 900x600", "err": "a.jpg: salvaged"},
    },
    "imgresize.1": {
        "imgresize 800 |": {"b.jpg": "JPEG 800x533"},
        "'1600x1200>'": {"b.jpg": "JPEG 900x600"},
        "50%": {"b.png": "PNG 450x300"},
        "'64x64!'": {"icon.png": "PNG 64x64"},
        "nearest": {"large.png": "PNG 256x256"},
        "smart": {"t.jpg": "JPEG 200x200"},
        "--sharpen": {"t.jpg": "JPEG 320x213"},
        "--fit pad": {"b.jpg": "JPEG 800x600"},
    },
    "imgencode.1": {
        "--min-ssim": {"a.jpg": "JPEG 900x600"},
        "-q 85": {"a.jpg": "JPEG 900x600"},
        "--lossless": {"a.webp": "WEBP 900x600"},
        "#f4f4f4": {"logo.jpg": "JPEG 256x256"},
        "%04i": {"0001-400x267.webp": "WEBP 400x267", "0002-400x267.webp": "WEBP 400x267", "0004-400x400.webp": "WEBP 400x400"},
        "--no-clobber": {"photos/one-small.jpg": "JPEG 1200x800", "photos/two-small.jpg": "JPEG 600x400"},
        "--carry-file": {"b.jpg": "JPEG 900x600"},
        "--palette": {"small.png": "PNG 900x600"},
        "-o a.jpg": {"a.jpg": "JPEG 900x600"},
        "y4m": {"a.y4m": None},
        "pamflip": {"b.jpg": "JPEG 900x600"},
    },
    "imgstrip.1": {
        "imgstrip a.jpg": {"b.jpg": "JPEG 900x600 nowhere"},
        "-j 2 *.jpg": {"a.jpg": "JPEG 900x600 nowhere"},
        "gps": {"b.jpg": "JPEG 900x600 nowhere"},
        "copyright": {"b.jpg": "JPEG 800x533 nowhere"},
        "find": {"a.jpg": "JPEG 900x600 nowhere", "photos/one.jpg": "JPEG 1500x1000 nowhere"},
    },
    "imginfo.1": {
        "imginfo a.jpg": {"out": "JPEG"},
        "select(.gps)": {"out": "^a.jpg\n$"},
        "find": {"out": r"photos/deep/three\.jpg"},
        "imgresize": {"out": "800"},
    },
    "imgquality.1": {
        "imgquality a.png": {"out": r"^psnr \d+\.\d+ ssim 0\.9\d+\n$"},
        "--min-ssim": {"out": "^psnr"},
        "mkfifo": {"out": r"^psnr \d+\.\d+ ssim 0\.9\d+\n$"},
        "--map": {"lost.png": "PNG 900x600", "out": "^psnr"},
    },
    "imgget.1": {
        "imgput s3://thumbs/a.jpg": {"s3://thumbs/a.jpg": "JPEG 800x533"},
        "xargs": {"s3://clean/2026/one.jpg": "JPEG 1500x1000", "s3://clean/2026/two.jpg": "JPEG 600x400"},
        "--stat": {"out": r"\d+"},
    },
    "imgput.1": {
        "s3://thumbs/a.webp": {"s3://thumbs/a.webp": "WEBP 800x533"},
        "--no-clobber": {"s3://photos/b.jpg": "JPEG 900x600"},
    },
    "imgbatch.1": {
        "--strip \\\n    -o 'thumbs": {"thumbs/photos/one.jpg": "JPEG 320x213", "thumbs/photos/deep/three.jpg": "JPEG 320x213"},
        "imgbatch < jobs > results": {"t/a.jpg": "JPEG 900x600", "out": "^missing.jpg: no such file or directory\n$"},
        "--newer": {"web/photos/one.webp": "WEBP 1500x1000", "web/photos/deep/three.webp": "WEBP 600x400", "out": '"status":"done"'},
        "--list --null": {"s3://thumbs/2026/one.webp": "WEBP 320x213", "out": '"status":"done"'},
        "jq -cR": {"s3://thumbs/2026/one.jpg": "JPEG 200x133", "out": '"status":"done"'},
        "--journal": {"thumbs/photos/one.jpg": "JPEG 320x213", "out": '"status":"done"'},
        "--min-ssim": {"small/photos/one.jpg": "JPEG 1500x1000", "out": "small/photos/one.jpg: .*ssim"},
        "END": {"t/a.jpg": "JPEG 800x533", "t/b.jpg": "JPEG 800x533", "out": '"id":2,"status":"done"'},
        "jq -j": {"thumbs/b.jpg": "JPEG 320x213", "out": '"status":"done"'},
        "--isolate": {"t/a.jpg": "JPEG 900x600", "out": '"in":"missing.jpg"'},
        "--progress": {"t/a.jpg": "JPEG 900x600", "prom/imgbatch.prom": None},
    },
    "imgserve.1": {
        "--data-binary": {"b.jpg": "JPEG 800x533", "b.webp": "WEBP 320x213"},
        "openssl": {"b.jpg": "JPEG 800x533"},
        "--retry": {"one.webp": "WEBP 320x213", "log": None, "err": "^(curl: .*connect.*\n|Warning: .*\n)*$"},
    },
    "imgpipe.7": {
        "imgresize 320": {"thumb.jpg": "JPEG 320x213"},
        "'1600x1600>'": {"out/photos/one.jpg": "JPEG 1500x1000", "out/photos/deep/three.jpg": "JPEG 600x400"},
        "xargs": {"out/photos/one.jpg": "JPEG 1500x1000", "out/photos/deep/three.jpg": "JPEG 600x400"},
        "all done": {"a.webp": "WEBP 900x600", "b.webp": "WEBP 300x200", "out": "^all done\n$"},
        "upload": {"safe.jpg": "JPEG 800x533"},
    },
    "imgpipe.5": {
        "69 6d 67 70": {"a.png": "PNG 2x1", "out": r"255 0 0\s+0 0 255"},
        "a.pixels": {"a.jpg": "JPEG 450x300"},
    },
}


def prepare(folder):
    """The pictures that the examples name."""
    shell(r"""
        cd "$1"
        jpeg() { djpeg "$1" | pamscale -xsize "$3" -ysize "$4" | cjpeg -quality 92 -sample 2x2 > "$2"; }
        mkdir -p photos/deep art/deep
        jpeg "$2" a.jpg 900 600; jpeg "$3" b.jpg 900 600
        jpeg "$2" photos/one.jpg 1500 1000; jpeg "$3" photos/two.jpg 600 400; jpeg "$4" photos/deep/three.jpg 600 400
        exiftool -q -overwrite_original -GPSLatitude=51.5 -GPSLatitudeRef=N -GPSLongitude=0.1 -GPSLongitudeRef=W -Copyright=mine a.jpg photos/one.jpg
        djpeg "$2" | pamscale -xsize 900 -ysize 600 | pnmtopng > a.png
        djpeg b.jpg | pamscale -xsize 300 -ysize 200 | pnmtopng | tee b.png art/one.png > art/deep/two.png
        ppmmake red 64 64 | pnmtopng > icon.png; pgmramp -lr 256 256 > alpha; ppmmake blue 256 256 | pnmtopng -alpha alpha > logo.png; rm alpha
        cp a.jpg upload
        printf '{"id":"1","in":"a.jpg","out":"t/a.jpg"}\n{"id":"2","in":"missing.jpg","out":"t/m.jpg"}\n' > jobs
        """, folder, *PHOTOGRAPHS, stderr=subprocess.DEVNULL)


def examples(name):
    """Of a page, or of README's Pipelines."""
    if name == "README.md":
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            section = file.read().split("\n## Pipelines\n")[1].split("\n## ")[0]
        return [textwrap.dedent(block).strip("\n") for block in re.findall(r"(?:^ {4}.*\n)+", section, re.M)]
    return Page(os.path.join(MANUAL, name)).examples(*(["POST_/compress", "Signed_URLs"] if name == "imgserve.1" else []), "EXAMPLES")


def is_served(name, example):
    """Whether it needs a store, or imgserve."""
    return "s3://" in example or name == "imgserve.1"


def check_picture(results, what, data, expected):
    try:
        with Image.open(io.BytesIO(data or b"")) as image:
            image.load()
            found = f"{image.format} {image.width}x{image.height}"
            # Of pictures that had a position, where it is to be gone.
            if expected.endswith("nowhere"):
                found += " " + ("somewhere" if image.getexif().get_ifd(0x8825) else "nowhere")
    except OSError as error:
        found = str(error)
    results.check(found == expected, f"{what}: {found}, not {expected}")


class Examples:
    """Runs them, each in a folder of its own."""

    def __init__(self, results, pictures, environment, bucket=None):
        self.results, self.pictures, self.bucket = results, pictures, bucket
        self.environment = {**os.environ, **environment}

    def check(self, name, example, expected):
        what = f"{name}: {example}"
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(self.pictures, folder, dirs_exist_ok=True)
            for part, script in BEFORE.items():
                if part in example:
                    shell(f'cd "$1"; {script}', folder)
            with contextlib.ExitStack() as servers:
                if is_served(name, example):
                    example = self.served(example, folder, servers)
                self.run(what, example, expected, folder)

    def served(self, example, folder, servers):
        """Starts what it needs; the example with the addresses of that."""
        self.bucket.fill(folder)
        if "imgserve" in example:
            port = self.bucket.free_port()
            example = example.replace("imgserve ", f"imgserve --listen 127.0.0.1:{port} ")
        elif "127.0.0.1:8080" in example:
            # With a storage and a key for one, and without for the other.
            with open(os.path.join(folder, "key"), "w", encoding="ascii") as file:
                file.write(self.environment["KEY"])
            options = ["--storage", folder, "--sign-key-file", file.name] if "sign" in example else []
            port = servers.enter_context(Service(*options)).port
        else:
            port = 0
        return example.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("http://127.0.0.1:8333", self.environment["AWS_ENDPOINT_URL"])

    def content(self, folder, path):
        return self.bucket.content(path) if "://" in path else content(os.path.join(folder, path))

    def run(self, what, example, expected, folder):
        data = b"".join(map(bytes.fromhex, re.findall("^ *[0-9]+ ((?: {1,2}[0-9a-f]{2}){16})", example, re.M)))
        if data:
            # Bytes, as of the smallest stream.
            example = "imgencode -f png | tee a.png | pngtopnm -plain"
        # What was there is no result.
        before = {path: self.content(folder, path) for path in expected}
        process = subprocess.run(["sh", "-c", example], cwd=folder, env=self.environment, input=data, capture_output=True, timeout=120, check=False)
        self.results.check(process.returncode == 0, f"{what}: status {process.returncode}")
        for stream, text in {"out": process.stdout.decode(), "err": process.stderr.decode()}.items():
            pattern = expected.get(stream, "^$")
            self.results.check(re.search(pattern, text), f"{what}: std{stream} is {text!r}, not {pattern!r}")
        for path, kind in expected.items():
            if path in ("out", "err"):
                continue
            data = self.content(folder, path)
            self.results.check(data and data != before[path], f"{what}: no new {path}")
            if kind:
                check_picture(self.results, f"{what}: {path}", data, kind)


class Buckets:
    """A store that runs here, with the buckets that the examples name."""

    def __init__(self, folder):
        import stores  # which needs boto3
        self.free_port = stores.free_port
        self.server, port = stores.seaweedfs(folder, None)
        self.address = f"http://127.0.0.1:{port}"
        self.client = stores.wait_for(self.address, None)
        self.environment = {"AWS_ACCESS_KEY_ID": stores.ACCESS, "AWS_SECRET_ACCESS_KEY": stores.SECRET, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": self.address}
        for bucket in ("photos", "thumbs", "clean"):
            self.client.create_bucket(Bucket=bucket)

    def fill(self, folder):
        """Some photographs, and nothing else."""
        for bucket in ("photos", "thumbs", "clean"):
            for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", []):
                self.client.delete_object(Bucket=bucket, Key=entry["Key"])
        for key, path in {"a.jpg": "a.jpg", "2026/one.jpg": "photos/one.jpg", "2026/two.jpg": "photos/two.jpg"}.items():
            self.client.upload_file(os.path.join(folder, path), "photos", key)

    def content(self, url):
        bucket, key = url.removeprefix("s3://").split("/", 1)
        listed = self.client.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read() if key in [entry["Key"] for entry in listed] else None


def check_examples(results, runner, served):
    for name, table in EXAMPLES.items():
        found, named = examples(name), []
        for example in found:
            parts = [part for part in table if part in example]
            results.check(len(parts) == 1, f"{name}: what comes of an example is told {len(parts)} times: {example}")
            named += parts
            if len(parts) == 1 and is_served(name, example) == served:
                runner.check(name, example, table[parts[0]])
        results.check(sorted(named) == sorted(table), f"{name}: {set(table) - set(named)} is in no example")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web(folder):
    """A server of the folder's files; its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def main():
    given = take_tools(__doc__, "--service")
    results = Results()
    names = [tool for tool in tools() if (tool == "imgserve") == given.service]
    for tool in names:
        check_options(results, tool)
    pages = {os.path.basename(path) for path in glob.glob(os.path.join(MANUAL, "*"))}
    results.check(pages == set(EXAMPLES) - {"README.md"}, f"pages without examples here, or examples without a page: {pages ^ set(EXAMPLES)}")
    without = {f"{tool}.1" for tool in {*tools(), "imgserve"}} ^ {page for page in pages if page.endswith(".1")}
    results.check(not without, f"tools without a page, or pages without a tool: {without}")
    with tempfile.TemporaryDirectory() as pictures, tempfile.TemporaryDirectory() as folder, web(pictures) as address:
        prepare(pictures)
        environment = {"url": f"{address}/a.jpg", "KEY": "a key of more than 16 bytes"}
        buckets = Buckets(folder) if given.service else None
        try:
            check_examples(results, Examples(results, pictures, {**environment, **(buckets.environment if buckets else {})}, buckets), given.service)
        finally:
            if buckets:
                buckets.server.stop()
    results.end()


if __name__ == "__main__":
    main()
