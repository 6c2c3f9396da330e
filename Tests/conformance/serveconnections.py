#!/usr/bin/env python3
"""imgserve's connections, byte by byte: bodies of all kinds, clients that are slow, requests in a row, other protocols.

usage: serveconnections.py [--bin DIR]"""
import shutil
import socket
import tempfile
import time

from harness import Results, take_tools
from serve import SLACK, pictures
from service import Service, form, request


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
        for lines, status in [([], 400), (["Host: a", "Host: b"], 400), (["Host: a b"], 400), (["Host: a/b"], 400), (["Host: a", "Transfer-Encoding: gzip, chunked"], 501),
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
    slow = request("POST", "/compress?resize=3000&format=webp&effort=9&quality=90", files["large.jpg"])
    with Service("--read-timeout", "1s") as service:
        # Half of a request is no body of the one before it, and has its own time when that is answered.
        with service.connect() as client:
            client.send(request("GET", "/healthz") + slow)
            time.sleep(0.1)
            client.send(request("GET", "/healthz")[:9])
            answers = [client.answer() for _ in range(2)]
            results.check([a and a.status for a in answers] == [200, 200], f"two, and half of a third: {[a and a.status for a in answers]}")
            began = time.monotonic()
            answer = client.answer()
            results.check(answer and answer.status == 408 and 0.8 < time.monotonic() - began < 1 + SLACK, f"the half one: {answer and answer.status}")
        with service.connect() as client:
            client.send(request("GET", "/healthz") + b"GET /healthz HTTP/1.1\r\n\r\n")
            answers = [client.answer() for _ in range(2)]
            results.check([a and a.status for a in answers] == [200, 400] and client.is_closed(), f"a good one and one without Host: {[a and a.status for a in answers]}")
        for lines, status in [(["Host: a", "Host: b"], 400), (["Host: a", "Connection: close"], 200), (["Host: a", "Transfer-Encoding: gzip, chunked"], 501)]:
            with service.connect() as client:
                client.send("\r\n".join(["GET /healthz HTTP/1.1", *lines, "", ""]).encode() + (b"0\r\n\r\n" if status == 501 else b"") + request("GET", "/healthz"))
                answer = client.answer()
                results.check(answer and answer.status == status and client.is_closed(), f"{lines}, and one behind it: {answer and answer.status}, and nothing more")
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


def main():
    take_tools(__doc__)
    results, folder = Results(), tempfile.mkdtemp(prefix="imgserve-")
    try:
        files = pictures(f"{folder}/in")
        bodies(results, files)
        slow_clients(results, files)
        connections(results, files)
        other_protocols(results, files)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
