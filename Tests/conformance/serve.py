#!/usr/bin/env python3
"""imgserve over real sockets: each of its limits, the bytes of the filters' pipeline, and what a client that leaves, a full queue or a signal does.

usage: serve.py [--bin DIR]"""
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time

from harness import Results, content, find_corpus, shell, take_tools
from service import Service, form, request

# Where time is measured: how much later than asked for something may happen on a machine that others use.
SLACK = 1.5


def pictures(folder):
    """A JPEG of some size and a small one, an animation's neighbour: a WebP, and a PNG with alpha."""
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    os.makedirs(folder, exist_ok=True)
    shell('imgdecode "$1" | imgresize 2400x1600! | imgencode -q 85 -o "$2/large.jpg"', source, folder)
    shell('imgdecode "$1" | imgresize 400 | imgencode -q 90 -o "$2/small.jpg"', source, folder)
    shell('imgdecode "$1" | imgresize 300 | imgencode -o "$2/small.webp"', source, folder)
    shell('imgdecode --pixels rgba "$1" | imgresize 200 | imgencode -o "$2/alpha.png"', source, folder)
    return {name: content(f"{folder}/{name}") for name in ("large.jpg", "small.jpg", "small.webp", "alpha.png")}


def bytes_of_the_filters(results, files, folder):
    """An answer is what the pipeline of the filters writes."""
    recipes = [
        ("resize=100&quality=85", "imgresize 100 | imgstrip --keep copyright | imgencode -q 85"),
        ("resize=64x64&fit=cover&format=webp&quality=70", "imgresize 64x64 --fit cover | imgstrip --keep copyright | imgencode -f webp -q 70"),
        ("resize=120%3E&strip=none&progressive", "imgresize '120>' | imgencode --progressive"),
        ("format=png&keep=icc%2Ccomment&effort=2", "imgstrip --keep icc,comment | imgencode -f png --effort 2"),
        ("resize=90&min_ssim=0.95", "imgresize 90 | imgstrip --keep copyright | imgencode --min-ssim 0.95"),
        ("strip=1&quality=60", "imgstrip | imgencode -q 60"),
    ]
    with Service() as service:
        for name, data in files.items():
            for query, line in recipes:
                expected = shell(f'imgdecode "$1" | {line}', f"{folder}/{name}")
                answer = service.post(f"/compress?{query}", data)
                results.check(answer and answer.status == 200 and answer.body == expected, f"{name} {query}: {answer and answer.status}, the filters' bytes")
        data = files["small.jpg"]
        raw = service.post("/compress?resize=50", data)
        for parts, what in [([("file", "a.jpg", data)], "a field called file"), ([("other", None, data)], "another field alone"),
                            ([("note", None, b"words"), ("file", "a.jpg", data)], "file behind another field"),
                            ([("file", "a.jpg", data), ("file", "b.jpg", files["alpha.png"])], "the first file of two")]:
            body, kind = form(*parts)
            answer = service.post("/compress?resize=50", body, kind)
            results.check(answer.status == 200 and answer.body == raw.body, f"a form with {what}: {answer.status}")
        headers = raw.headers
        results.check(headers["content-type"] == "image/jpeg" and headers["content-length"] == str(len(raw.body)), "type and length")
        results.check(headers["x-original-size"] == str(len(data)) and headers["x-compressed-size"] == str(len(raw.body)), "sizes before and after")
        results.check(headers["etag"] == f'"{hashlib.sha256(raw.body).hexdigest()[:32]}"', "an entity tag of the content")
        timing = dict(part.strip().split(";dur=") for part in headers["server-timing"].split(","))
        results.check(list(timing) == ["read", "queue", "decode", "resize", "encode"] and float(timing["decode"]) > 0, f"Server-Timing {timing}")
        for accept, kind in [("image/avif,image/webp,*/*", "image/webp"), ("image/webp;q=0", "image/jpeg"), ("*/*", "image/jpeg")]:
            answer = service.post("/compress?resize=50&format=auto", data, f"Accept: {accept}")
            results.check(answer.headers["content-type"] == kind and answer.headers.get("vary") == "Accept", f"format=auto with Accept: {accept}")
        cut = data[: len(data) // 2]
        results.check(service.post("/compress", cut).error == "damaged", "a damaged picture is 422")
        answer = service.post("/compress?salvage=1", cut)
        results.check(answer.status == 200 and answer.headers.get("warning", "").startswith('199 imgserve "salvaged:'), "salvage=1 with a Warning")


def what_is_refused(results, files):
    """Queries, headers and methods that are wrong; with the words of the command line."""
    small = files["small.jpg"]
    with Service("--max-body", "1M", "--max-pixels", "1000000") as service:
        for path, headers, status, word, detail in [
            ("/compress?frobnicate=1", (), 400, "usage", "unknown option frobnicate"),
            ("/compress?output=x", (), 400, "usage", "unknown option output"),
            ("/compress?max_pixels=1", (), 400, "usage", "unknown option max-pixels"),
            ("/compress?quality=101", (), 400, "usage", "--quality 101 is not in 1...100"),
            ("/compress?resize=potato", (), 400, "usage", None),
            ("/compress?progressive=maybe", (), 400, "usage", "--progressive is true or false"),
            ("/compress?resize=%ff", (), 400, "request", None),
            ("/compress?" + "a" * 20000, (), 400, None, None),
            ("/compress", ("X-Priority: 8",), 400, "usage", "X-Priority is no whole number in 0...7"),
            ("/compress", ("X-TTL-Ms: soon",), 400, "usage", None),
            ("/compress", ("Content-Encoding: gzip",), 415, "encoding", None),
            ("/compress?min_ssim=0.99999&max_bytes=300", (), 422, "not_reached", None),
            ("/nothing", (), 404, "not_found", None), ("/image/small.jpg", (), 404, "not_found", None),
        ]:
            answer = service.post(path, small, *headers)
            good = answer and answer.status == status and (word is None or answer.error == word)
            good = good and (detail is None or json.loads(answer.body)["detail"] == detail)
            results.check(good, f"{path[:60]} {headers}: {answer and (answer.status, answer.body)}")
        results.check(service.post("/compress", files["large.jpg"]).error == "limit", "more pixels than --max-pixels: 422")
        results.check(service.post("/compress", b"").error == "request", "an empty body: 400")
        results.check(service.post("/compress", b"no picture at all").error == "damaged", "no picture: 422")
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            answer = service.ask(method, "/compress", headers=["Content-Length: 0"] if method == "PUT" else ())
            results.check(answer.status == 405 and answer.headers["allow"] == "POST", f"{method} /compress: 405")
        for path in ("/", "/healthz", "/readyz", "/metrics"):
            get, head = service.ask("GET", path), service.ask("HEAD", path)
            results.check(get.status == head.status == 200 and get.body and head.body == b"" and "content-length" in head.headers, f"HEAD {path}")
        answer = service.ask("GET", "/healthz", headers=["X-Request-Id: abc-1"])
        results.check(answer.headers["x-request-id"] == "abc-1", "a client's request id comes back")
        results.check(service.ask("GET", "/healthz", headers=["X-Request-Id: a b\x01"]) .headers.get("x-request-id") != "a b\x01", "a strange one does not")
        linted = subprocess.run(["promtool", "check", "metrics"], input=service.ask("GET", "/metrics").body, capture_output=True, check=False)
        results.check(linted.returncode == 0 and not linted.stderr, f"promtool: {linted.stderr.decode()}")


def what_is_logged(results, files, folder):
    """Names, numbers and words of our own: nothing of a query, nothing of a picture."""
    log = f"{folder}/log"
    with Service("--access-log", log=log) as service:
        service.post("/compress?quality=HIDDEN", files["small.jpg"])
        service.post("/compress?HIDDEN=1", files["small.jpg"])
        service.post("/compress", files["alpha.png"][:33] + b"\0\0\0\4HIDDxxxx\0\0\0\0" + files["alpha.png"][33:])
        answer = service.post("/compress?resize=50", files["small.jpg"], "X-Request-Id: mine-7")
        results.check(answer.headers.get("x-request-id") == "mine-7", "a request's number is the client's own")
    lines = [json.loads(line) for line in (content(log) or b"").splitlines() if line.startswith(b"{")]
    results.check(b"HIDD" not in content(log) and [line["status"] for line in lines if line["message"] == "request"] == [400, 400, 422, 200] and
                  any(line.get("request") == "mine-7" for line in lines), f"the log: {lines}")


def neighbours_of_those_who_leave(results, files):
    """A client that leaves ends the process that works for it, and never another's."""
    with Service("--workers", "2") as service:
        is_over = threading.Event()

        def leave():
            while not is_over.is_set():
                with service.connect() as client:
                    client.send(request("POST", "/compress?resize=100", files["small.jpg"]))
                    time.sleep(random.uniform(0, 0.012))
        leavers = [threading.Thread(target=leave) for _ in range(4)]
        for leaver in leavers:
            leaver.start()
        statuses = [service.post("/compress?resize=100", files["small.jpg"]).status for _ in range(600)]
        is_over.set()
        for leaver in leavers:
            leaver.join()
        results.check(set(statuses) <= {200, 503} and statuses.count(200) > 300, f"beside clients that leave: {collections.Counter(statuses)}")


def leaving_at_once(results, files):
    """A client that leaves while the first process is only being started."""
    left = 0
    for i in range(16):
        with Service("--workers", "1", "--timeout", "60") as service:
            with service.connect() as client:
                client.send(request("POST", "/compress?resize=5000&format=webp&effort=9&quality=90", files["large.jpg"]))
                time.sleep(0.0007 * i)
            left += not service.wait_for(lambda: service.metric("imgpipe_slots_used") == 0 and service.metric("imgserve_http_requests_under_way") == 1, 1)
    results.check(left == 0, f"nobody works on, after {left} of 16 have left")


def leaving_and_waiting(results, files):
    """A client that leaves takes its picture with it; a full queue says so at once; priorities and times."""
    # Some seconds of work.
    slow = "/compress?resize=5000&format=webp&effort=9&quality=90"
    large = files["large.jpg"]
    with Service("--workers", "1", "--queue", "2", "--timeout", "60") as service:
        def under_way():
            return service.metric("imgserve_http_requests_under_way") - 1
        clients = [service.connect() for _ in range(8)]
        for client in clients:
            client.send(request("POST", slow, large))
            # One that is worked on, one that is next, two in the queue: room for each must have been made before the next one comes.
            time.sleep(0.15)
        results.check(service.wait_for(lambda: service.ask("GET", "/readyz").status == 503), "/readyz fails while the queue is full")
        began = time.monotonic()
        answer = service.post("/compress", large)
        results.check(answer.status == 503 and answer.headers.get("retry-after") == "1" and answer.error == "full", f"a full queue: {answer.status}")
        results.check(time.monotonic() - began < 1, "at once")
        with service.connect() as client:
            client.send(request("POST", "/compress", b"", ["Expect: 100-continue", f"Content-Length: {len(large)}"]))
            results.check(client.answer().status == 503, "before the body is sent")
        worker = service.workers()
        for client in clients:
            client.__exit__()
        results.check(service.wait_for(lambda: under_way() == 0, 3), "all is cancelled when the clients leave")
        results.check(service.wait_for(lambda: service.ask("GET", "/readyz").status == 200, 3), "and there is room again")
        results.check(not set(worker) & set(service.workers()) or service.wait_for(lambda: not set(worker) & set(service.workers())),
                      "the process that worked for nobody is ended")
        answer = service.post("/compress?resize=50", files["small.jpg"])
        results.check(answer.status == 200, "the next picture has a new one")
        with service.connect() as client:
            client.send(request("POST", slow, large))
            service.wait_for(lambda: service.metric("imgpipe_slots_used") == 1)
            began = time.monotonic()
            answer = service.post("/compress?resize=50", files["small.jpg"], "X-TTL-Ms: 50")
            results.check(answer.status == 503 and answer.error == "expired" and time.monotonic() - began < 0.05 + SLACK, f"X-TTL-Ms: {answer.status} {answer.body[:90]}")
        clients = [service.connect() for _ in range(2)]
        for client in clients:
            client.send(request("POST", slow, large))
            time.sleep(0.15)
        # A queue of two: those who leave make room for others.
        for _ in range(10):
            with service.connect() as client:
                client.send(request("POST", "/compress?resize=50", files["small.jpg"]))
                time.sleep(0.05)
        results.check(service.ask("GET", "/readyz").status == 200 and service.metric("imgserve_body_bytes") == 2 * len(large), "who waited and has left has no place and no bytes")
        for client in clients:
            client.__exit__()
        with service.connect() as client:
            client.send(request("POST", "/compress", b"", ["Content-Length: 100000"]) + large[:50000])
        results.check(service.wait_for(lambda: under_way() == 0, 3), "a client that leaves in the middle of its body")
    with Service("--timeout", "0.05") as service:
        answer = service.post(slow, large)
        results.check(answer.status == 504 and answer.error == "timeout", f"a picture that takes longer than --timeout: {answer.status}")


def strangers_files(results, corpus):
    """All damaged files and bombs of the corpus: an answer of 200 or 4xx for each, nothing dies, and memory comes back."""
    if not corpus:
        results.skipped += 1
        return
    paths = sorted(path for kind in ("broken", "bombs") for path in glob.glob(f"{corpus}/{kind}/**/*", recursive=True) if os.path.isfile(path))
    with Service("--max-body", "64M", "--queue", "64", "--timeout", "20") as service:
        service.post("/compress?resize=50", content(paths[0]))
        before = service.rss()

        def post(path):
            return path, service.ask("POST", "/compress?resize=100", content(path), timeout=90)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(post, paths))
        wrong = [(os.path.basename(path), answer and answer.status) for path, answer in answers
                 if not (answer and (answer.status == 200 or 400 <= answer.status < 500))]
        results.check(not wrong, f"of {len(paths)} strangers' files not 200 or 4xx: {wrong[:10]}")
        results.check(service.is_alive and service.ask("GET", "/readyz").status == 200, "the service lives")
        after = service.rss()
        print(f"strangers' files: {len(paths)}, RSS {before >> 20} MiB before, {after >> 20} MiB behind")
        results.check(after < 300 << 20, f"RSS is back: {after >> 20} MiB")


def main():
    take_tools(__doc__)
    results, corpus = Results(), find_corpus()
    folder = tempfile.mkdtemp(prefix="imgserve-")
    try:
        files = pictures(f"{folder}/in")
        bytes_of_the_filters(results, files, f"{folder}/in")
        what_is_refused(results, files)
        leaving_and_waiting(results, files)
        leaving_at_once(results, files)
        neighbours_of_those_who_leave(results, files)
        what_is_logged(results, files, folder)
        strangers_files(results, corpus)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
