#!/usr/bin/env python3
"""What one core does, for docs/sizing.md: processor time, memory, bytes, requests to a store, for each picture. `sizing.py --bin bin`.

Processor time rather than time, so that a machine that is busy with others measures the same."""
import argparse
import collections
import glob
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import time

WALLPAPERS = sorted(glob.glob("/usr/share/backgrounds/mate/*/*.jpg"))


class Store(http.server.BaseHTTPRequestHandler):
    """As much of an S3 as counts requests: signatures are not looked at."""
    protocol_version = "HTTP/1.1"
    requests = collections.Counter()
    files = {}

    def answer(self, status, body=b"", **headers):
        self.requests[self.command] += 1
        self.send_response(status)
        self.send_header("ETag", '"1"')
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        body = self.files.get(self.path)
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if body is None:
            return self.answer(404)
        if not asked:
            return self.answer(200, body)
        first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        return self.answer(206, body[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(body)}")

    do_HEAD = do_GET

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def log_message(self, *_):
        pass


def resident(pid):
    """KiB of a process and those that it has started, what they share counted once."""
    total = 0
    for path in [f"/proc/{pid}", *(f"/proc/{child}" for name in glob.glob(f"/proc/{pid}/task/*/children") for child in text(name).split())]:
        total += sum(int(size) for size in re.findall(r"^Pss: +(\d+)", text(f"{path}/smaps_rollup"), re.MULTILINE))
    return total


def text(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def batch(tool, jobs, folder, *options):
    """Runs one imgbatch: processor seconds, the most memory resident in KiB, bytes of answers, of the journal, of outputs."""
    with open(f"{folder}/jobs", "w", encoding="utf-8") as file:
        file.write("".join(json.dumps(job) + "\n" for job in jobs))
    journal = f"{folder}/journal"
    if os.path.exists(journal):
        os.remove(journal)
    with open(f"{folder}/jobs", "rb") as file, open(f"{folder}/answers", "wb") as answers:
        process = subprocess.Popen([tool, "-j", "1", "--strict", "--journal", journal, *options], stdin=file, stdout=answers)
        # Not what wait4 says of memory: that is at least what Python had when it started the process.
        memory, status = 0, 0
        while True:
            memory = max(memory, resident(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(0.05)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"status {process.returncode}: {options}")
    with open(f"{folder}/answers", "rb") as file:
        written = sum(json.loads(line).get("bytes", 0) for line in file)
    return usage.ru_utime + usage.ru_stime, memory, os.path.getsize(f"{folder}/answers"), os.path.getsize(journal), written


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="bin")
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    tool, count = os.path.abspath(f"{arguments.bin}/imgbatch"), arguments.count
    with tempfile.TemporaryDirectory(prefix="sizing-") as folder:
        kinds = [("JPEG 2400 x 1600 to 800", "2400x1600", "jpg", "800", "jpg", ()), ("JPEG 2400 x 1600 to 800, WebP", "2400x1600", "jpg", "800", "webp", ()),
                 ("PNG 2400 x 1600 to 800, JPEG", "2400x1600", "png", "800", "jpg", ()), ("JPEG 400 x 300 to 160", "400x300", "jpg", "160", "jpg", ()),
                 ("JPEG 2400 x 1600 to 800, own process", "2400x1600", "jpg", "800", "jpg", ("--isolate", "always"))]
        for size, ending in {(size, ending): None for _, size, ending, *_ in kinds}:
            jobs = [{"id": i, "in": path, "out": f"{folder}/in/{size}/{i}.{ending}", "resize": size, "fit": "cover", "quality": 90, "color": "srgb"} for i, path in enumerate(WALLPAPERS)]
            batch(tool, jobs, folder)
        print("| | ms of processor | a second and core | MiB resident | KB in | KB out | bytes of answer | of journal |\n|---|---|---|---|---|---|---|---|")
        for name, size, ending, width, format_, options in kinds:
            inputs = sorted(glob.glob(f"{folder}/in/{size}/*.{ending}"))
            jobs = [{"id": i, "in": inputs[i % len(inputs)], "out": f"{folder}/out/{i}.{format_}", "resize": width} for i in range(count)]
            seconds, memory, answers, journal, written = batch(tool, jobs, folder, *options)
            read = sum(os.path.getsize(job["in"]) for job in jobs)
            print(f"| {name} | {1000 * seconds / count:.1f} | {count / seconds:.0f} | {memory / 1024:.0f} | {read / count / 1000:.0f} | {written / count / 1000:.0f} | "
                  f"{answers / count:.0f} | {journal / count:.0f} |", flush=True)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ.update(AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}", AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret", AWS_REGION="us-east-1")
        inputs = sorted(glob.glob(f"{folder}/in/2400x1600/*.jpg"))
        for i, path in enumerate(inputs):
            with open(path, "rb") as file:
                Store.files[f"/in/{i}.jpg"] = file.read()
        jobs = [{"id": i, "in": f"s3://in/{i % len(inputs)}.jpg", "out": f"s3://out/{i}.jpg", "resize": "800"} for i in range(count)]
        seconds, memory, *_ = batch(tool, jobs, folder)
        asked = ", ".join(f"{Store.requests[verb] / count:.2f} {verb}" for verb in sorted(Store.requests))
        print(f"\nFrom s3:// to s3://: {1000 * seconds / count:.1f} ms of processor, {memory / 1024:.0f} MiB resident, requests for each picture: {asked}")


if __name__ == "__main__":
    main()
