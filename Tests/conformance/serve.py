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
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

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


def bodies(results, files):
    """Too long, in chunks, in forms that are none, in many pieces."""
    small = files["small.jpg"]
    with Service("--max-body", "512K") as service:
        with service.connect() as client:
            began = time.monotonic()
            client.send(b"POST /compress HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            answer = client.answer()
            results.check(answer and answer.status == 413 and time.monotonic() - began < 1, "413 before a byte of the body is sent")
            results.check(client.is_closed(), "and the connection is closed")
        with service.connect() as client:
            client.send(b"POST /compress HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            answer = None
            try:
                for _ in range(64):
                    client.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            except OSError:
                pass
            answer = client.answer()
            results.check(answer is not None and answer.status == 413, f"413 in the middle of chunks: {answer and answer.status}")
        with service.connect() as client:
            client.send(b"POST /compress HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
            results.check(client.answer().status == 413, "413 in place of 100 Continue")
        with service.connect() as client:
            client.send(f"POST /compress?resize=50 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {len(small)}\r\n\r\n".encode())
            results.check(client.answer().status == 100, "100 Continue")
            client.send(small)
            results.check(client.answer().status == 200, "and then the picture")
        whole = service.post("/compress?resize=50", small).body
        with service.connect() as client:
            client.send(b"POST /compress?resize=50 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(0, len(small), 777):
                part = small[i : i + 777]
                client.send(b"%x\r\n%s\r\n" % (len(part), part))
            client.send(b"0\r\n\r\n")
            results.check(client.answer().body == whole, "chunks make the same picture")
        for body, what in [(b"--xYzZy\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n" + small, "without an end"), (small, "without a boundary in it"),
                           (b"--xYzZy--\r\n", "without a part"), (b"--xYzZy\r\n" + b"A: " + b"x" * 9000 + b"\r\n\r\n\r\n--xYzZy--", "with a long header"),
                           (b"--xYzZyjunk\r\n\r\n\r\n--xYzZy--", "with a boundary that goes on"), (form(*[(f"f{i}", None, b"x") for i in range(100)])[0], "of 100 parts")]:
            answer = service.post("/compress", body, "Content-Type: multipart/form-data; boundary=xYzZy")
            results.check(answer and answer.status == 400 and answer.error == "request", f"a form {what}: {answer and answer.status}")
        results.check(service.post("/compress", small, "Content-Type: multipart/form-data").status == 400, "a form without a boundary's name: 400")
        with service.connect() as client:
            client.send(b"GARBAGE\r\n\r\n")
            answer = client.answer()
            results.check(answer is not None and answer.status == 400, "no HTTP at all: 400")
        for lines in (["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Content-Length: -1"]):
            with service.connect() as client:
                client.send("\r\n".join(["POST /compress HTTP/1.1", "Host: a", *lines, "", "hello"]).encode())
                answer = client.answer()
                results.check(answer is None or answer.status == 400, f"{lines}: {answer and answer.status}")
        for lines, status in [([], 400), (["Host: a", "Host: b"], 400), (["Host: a", "Transfer-Encoding: gzip, chunked"], 501),
                              (["Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"], (400, 501))]:
            with service.connect() as client:
                client.send("\r\n".join(["POST /compress HTTP/1.1", *lines, "Content-Length: 0" if status == 400 else "X: 0", "", ""]).encode())
                answer = client.answer()
                results.check(answer and answer.status in (status if isinstance(status, tuple) else (status,)) and client.is_closed(), f"{lines}: {answer and answer.status}, and closed")
        body, kind = form(("note", None, b"words"), ("file", "a.jpg", small))
        for size in (1, 7, 4093):
            with service.connect() as client:
                client.send(request("POST", "/compress?resize=50", b"", [kind, f"Content-Length: {len(body)}"]))
                for i in range(0, min(len(body), 600 * size), size):
                    client.send(body[i : i + size])
                client.send(body[min(len(body), 600 * size) :])
                results.check(client.answer().body == whole, f"a form in pieces of {size}")
        results.check(service.ask("GET", "/healthz").status == 200 and service.metric("imgserve_body_bytes") == 0, "no body is held behind all that")


def slow_clients(results, files):
    """The whole request has --read-timeout, however it comes; an answer that nobody takes has --write-timeout."""
    small = files["small.jpg"]
    head = request("POST", "/compress", b"", [f"Content-Length: {len(small)}"])
    with Service("--read-timeout", "1s", "--write-timeout", "1s") as service:
        def timed(what, act):
            with service.connect() as client:
                began = time.monotonic()
                act(client)
                answer = client.answer()
                seconds = time.monotonic() - began
                results.check(answer and answer.status == 408 and 0.9 < seconds < 1 + SLACK, f"{what}: {answer and answer.status} in {seconds:.2f} s")
                results.check(client.is_closed(), f"{what}: closed")
        timed("half a head", lambda client: client.send(head[:20]))
        timed("a head byte by byte", lambda client: client.drip(head, 0.1, 0.95))
        timed("no body", lambda client: client.send(head))
        timed("half a body", lambda client: client.send(head + small[: len(small) // 2]))
        timed("a body byte by byte", lambda client: (client.send(head), client.drip(small, 0.1, 0.95)))
        with service.connect() as client:
            client.send(head)
            seconds = client.drip(small, 0.1, 6)
            results.check(seconds < 3 + SLACK, f"a drip that goes on is cut off: {seconds:.2f} s")
        with service.connect() as client:
            results.check(client.is_closed(1 + SLACK), "who says nothing is closed")
        with service.connect() as client:
            client.send(request("GET", "/healthz"))
            results.check(client.answer().status == 200, "keep-alive: the first")
            time.sleep(1.3)
            client.send(request("GET", "/healthz"))
            answer = client.answer()
            results.check(answer is not None and answer.status == 200, "keep-alive: a pause between requests is none of a request's time")
        # An answer of many megabytes to a client with a small window, who does not read.
        with service.connect() as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send(request("POST", "/compress?format=pam&resize=3000x2000!", files["small.jpg"]))
            results.check(service.wait_for(lambda: service.metric("imgserve_write_timeouts_total") == 1, 8), "an answer that is not taken is ended")
        results.check(service.metric("imgserve_read_timeouts_total") >= 6, "timeouts are counted")
        results.check(service.wait_for(lambda: service.metric("imgserve_connections") == 1), "no connection is left but the one that asks")


def connections(results, files):
    """Requests in a row, on one connection, one behind the other; HTTP/1.0; Connection: close."""
    small = files["small.jpg"]
    with Service() as service:
        expected = service.post("/compress?resize=50", small).body
        with service.connect() as client:
            for _ in range(5):
                client.send(request("POST", "/compress?resize=50", small))
                results.check(client.answer().body == expected, "keep-alive")
            client.send(request("POST", "/compress?resize=50", small) + request("GET", "/healthz") + request("POST", "/compress?resize=50", small))
            answers = [client.answer() for _ in range(3)]
            results.check([a and a.body for a in answers] == [expected, b"ok\n", expected], "three in a row are answered in their order")
            # An answer that is not taken yet keeps its time, and the next request gets its own when it has been.
            client.send(request("GET", "/") + request("GET", "/healthz")[:10])
            results.check(client.answer().status == 200, "half a request behind a whole one: the whole one is answered")
            client.send(request("GET", "/healthz")[10:])
            results.check(client.answer().body == b"ok\n", "and the rest makes the other one whole")
            client.send(request("GET", "/healthz", headers=["Connection: close"]))
            answer = client.answer()
            results.check(answer.headers.get("connection") == "close" and client.is_closed(), "Connection: close")
        with service.connect() as client:
            client.send(b"GET /healthz HTTP/1.0\r\n\r\n")
            results.check(client.answer().body == b"ok\n" and client.is_closed(), "HTTP/1.0")


def other_protocols(results, files):
    """Who asks for another protocol, or for a length that no number has, is answered and closed; what he sends behind it is not kept."""
    with Service() as service:
        service.post("/compress?resize=50", files["small.jpg"])
        before = service.rss()
        for what, head in (("Upgrade", b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"),
                           ("CONNECT", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
                           ("Upgrade behind a body", request("POST", "/compress?resize=900&format=webp&effort=6", files["large.jpg"], ["Connection: upgrade", "Upgrade: x"]))):
            with service.connect() as client:
                client.send(head)
                sent, peak = 0, 0
                try:
                    for i in range(400):
                        client.send(b"x" * 262144)
                        sent += 1
                        if i % 20 == 0:
                            peak = max(peak, service.rss())
                except OSError:
                    pass
                results.check(sent < 400 and peak < before + (48 << 20), f"{what}: {sent} times 256 KiB behind it, {(peak - before) >> 20} MiB more")
        with service.connect() as client:
            client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
            answer = client.answer()
            results.check(answer.status == 200 and answer.headers.get("connection") == "close" and client.is_closed(), f"Upgrade alone: {answer.status} {answer.headers}")
        for length in ("9223372036854775808", "18446744073709551615"):
            with service.connect() as client:
                client.send(f"POST /compress HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
                answer = client.answer()
                results.check(answer and answer.status in (400, 413), f"Content-Length {length}: {answer and answer.status}")


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
        bodies(results, files)
        slow_clients(results, files)
        connections(results, files)
        other_protocols(results, files)
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
