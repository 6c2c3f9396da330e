#!/usr/bin/env python3
"""imgserve's pictures of a directory: the cache, conditional requests, no way out of the directory, and URLs that are signed.

usage: serveimages.py [--bin DIR]"""
import concurrent.futures
import hmac
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse

from harness import Results, shell, take_tools
from serve import pictures
from service import Service


def stored_pictures(results, files, folder):
    """GET /image/KEY of a directory: the cache, conditions, and no way out of it."""
    os.makedirs(f"{folder}/store/deep", exist_ok=True)
    for name, data in files.items():
        with open(f"{folder}/store/deep/{name}", "wb") as file:
            file.write(data)
    with open(f"{folder}/secret.jpg", "wb") as file:
        file.write(files["small.jpg"])
    os.symlink("../secret.jpg", f"{folder}/store/out.jpg")
    os.symlink("deep/small.jpg", f"{folder}/store/in.jpg")
    os.symlink("/", f"{folder}/store/root")
    os.mkfifo(f"{folder}/store/pipe.jpg")
    with Service("--storage", f"{folder}/store", "--max-age", "60") as service:
        path = "/image/deep/large.jpg?resize=80"
        expected = shell('imgdecode "$1" | imgresize 80 | imgstrip --keep copyright | imgencode', f"{folder}/store/deep/large.jpg")
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda _: service.ask("GET", path), range(12)))
        results.check(all(a.status == 200 and a.body == expected for a in answers), f"twelve at once: {[a.status for a in answers]}")
        results.check(service.metric('imgpipe_cache_requests_total{result="miss"}') == 1, "made once for all of them")
        answer = service.ask("GET", path)
        results.check(answer.headers.get("cache-control") == "public, max-age=60", "Cache-Control")
        tag = answer.headers["etag"]
        head = service.ask("HEAD", path)
        results.check(head.status == 200 and head.headers["etag"] == tag and head.headers["content-length"] == str(len(expected)) and not head.body, "HEAD")
        for value, status in [(tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)]:
            answer = service.ask("GET", path, headers=[f"If-None-Match: {value}"])
            results.check(answer.status == status and answer.headers["etag"] == tag and (status == 200 or not answer.body), f"If-None-Match {value}: {answer.status}")
        results.check(service.ask("GET", path + "&quality=50").headers["etag"] != tag, "other options, another tag")
        results.check(service.ask("GET", "/image/deep/alpha.png?resize=20").headers["content-type"] == "image/png", "the key's ending says the format")
        with open(f"{folder}/store/deep/large.jpg", "wb") as file:
            file.write(files["small.jpg"])
        answer = service.ask("GET", path)
        results.check(answer.headers["etag"] != tag and answer.body != expected, "a file that has changed is made anew")
        results.check(service.ask("GET", "/image/in.jpg").status == 200, "a link within the directory")
        for key in ["../secret.jpg", "deep/../../secret.jpg", "%2e%2e/secret.jpg", "..%2fsecret.jpg", "%2e%2e%2fsecret.jpg", "%252e%252e/secret.jpg",
                    "..%5csecret.jpg", "..\\secret.jpg", "/etc/passwd", "%2fetc%2fpasswd", f"{folder}/secret.jpg", "deep//small.jpg", "./deep/small.jpg",
                    "deep/.%2e/.%2E/secret.jpg", "out.jpg", "root/etc/passwd", "root" + folder + "/secret.jpg", "%00", "deep/small.jpg%00.png", "pipe.jpg",
                    "%c0%ae%c0%ae/secret.jpg", "....//secret.jpg", "deep", "deep/", "", "%", "%zz", "x" * 300, "/".join(["a"] * 600), "file:///etc/passwd",
                    "s3://bucket/key", "http://127.0.0.1/"]:
            answer = service.ask("GET", f"/image/{key}")
            results.check(answer and answer.status in (400, 403, 404), f"/image/{key[:60]}: {answer and answer.status}")
        results.check(service.ask("POST", path, b"x").status == 405, "POST /image: 405")
    missing = subprocess.run(["imgserve", "--storage", f"{folder}/missing"], capture_output=True, check=False)
    results.check(missing.returncode == 66, f"a storage that is not there: {missing.returncode}")


def signed_urls(results, files, folder):
    """--sign-key-file: nothing without the key's signature."""
    key = b"a key of more than sixteen bytes"
    with open(f"{folder}/key", "wb") as file:
        file.write(key + b"\n")

    def signed(path, **query):
        pairs = sorted(f"{name}={urllib.parse.quote(str(value), safe='')}" for name, value in query.items())
        return f"{path}?{'&'.join(pairs)}&sign=" + hmac.new(key, f"{path}?{'&'.join(pairs)}".encode(), "sha256").hexdigest()
    with Service("--sign-key-file", f"{folder}/key", "--storage", f"{folder}/store") as service:
        small = files["small.jpg"]
        later, before = int(time.time()) + 60, int(time.time()) - 1
        for path, status in [
            ("/compress?resize=50", 403), (signed("/compress", resize=50, quality=70), 200), (signed("/compress", resize=50).replace("50", "60"), 403),
            (signed("/compress", resize=50) + "&quality=3", 403), (signed("/compress", resize=50)[:-1], 403), (signed("/compress", resize=50) + "&sign=0", 403),
            (signed("/compress", resize=50, expires=later), 200), (signed("/compress", resize=50, expires=before), 403),
            (signed("/compress", resize=50, expires="never"), 403), (signed("/image/deep/small.jpg").replace("/image/deep/small.jpg", "/compress"), 403),
        ]:
            answer = service.post(path, small)
            results.check(answer.status == status, f"{path}: {answer.status}, wanted {status}")
        results.check(service.ask("GET", signed("/image/deep/small.jpg", resize=30)).status == 200, "a signed image")
        results.check(service.ask("GET", "/image/deep/small.jpg?resize=30").status == 403, "one without")
        results.check(service.ask("GET", "/healthz").status == 200, "health needs none")
    with open(f"{folder}/short", "wb") as file:
        file.write(b"short\n")
    results.check(subprocess.run(["imgserve", "--sign-key-file", f"{folder}/short"], capture_output=True, check=False).returncode == 64, "a short key: 64")


def main():
    take_tools(__doc__)
    results, folder = Results(), tempfile.mkdtemp(prefix="imgserve-")
    try:
        files = pictures(f"{folder}/in")
        stored_pictures(results, files, folder)
        signed_urls(results, files, folder)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
