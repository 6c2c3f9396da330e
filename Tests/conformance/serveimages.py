#!/usr/bin/env python3
"""imgserve's pictures of a directory: the cache, conditional requests, no way out of the directory, and URLs that are signed.

usage: serveimages.py [--bin DIR]"""
import concurrent.futures
import contextlib
import hmac
import os
import select
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

from harness import Results, content, shell, take_tools
from serve import pictures
from service import Service, request


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


def shared_pictures(results, folder):
    """Many who ask for one picture that takes long: made once, for whoever still waits; and nobody else waits for it."""
    # Some seconds of work, another picture for each number.
    slow = "/image/deep/large.jpg?resize=40{}0&format=webp&effort=9&quality=90"
    quick = "/image/deep/small.jpg?resize=50"
    shutil.copy(f"{folder}/in/large.jpg", f"{folder}/store/deep/large.jpg")
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service("--storage", f"{folder}/store", "--workers", "2", "--queue", "4", "--timeout", "60"))

        def send(path, *headers):
            client = stack.enter_context(service.connect(90))
            client.send(request("GET", path, headers=headers))
            return client

        def misses():
            return service.metric('imgpipe_cache_requests_total{result="miss"}')
        service.ask("GET", quick)
        clients = [send(slow.format(0)) for _ in range(30)]
        results.check(service.wait_for(lambda: service.metric('imgpipe_cache_requests_total{result="joined"}') == 29), "29 wait for what the first has asked for")
        answer = service.post("/compress?resize=50", content(f"{folder}/in/small.jpg"))
        results.check(answer.status == 200 and not select.select([client.socket for client in clients], [], [], 0)[0], "a quick picture is done while they wait")
        hasty = send(slow.format(0), "X-TTL-Ms: 100").answer()
        results.check(hasty.status == 503 and hasty.error == "expired", f"one of them in a hurry: {hasty.status}")
        clients[0].socket.close()
        answers = [client.answer() for client in clients[1:]]
        results.check(all(a and a.status == 200 and a.body == answers[0].body for a in answers), f"the others get it though the first has left: {[a and a.status for a in answers]}")
        results.check(misses() == 2, f"made once: {misses()}")
        worker = service.workers()
        clients = [send(slow.format(1)) for _ in range(3)]
        service.wait_for(lambda: service.metric("imgpipe_slots_used") == 1)
        for client in clients:
            client.socket.close()
        results.check(service.wait_for(lambda: service.metric("imgpipe_slots_used") == 0, 2), "when all have left it is given up")
        results.check(len(set(worker) & set(service.workers())) == 1, f"and its process has ended: {worker}, {service.workers()}")
        # Both workers at work, and the queue full.
        for i in range(9):
            send(slow.format(2 + i))
            # Room must have been made before the next one comes.
            time.sleep(0.1)
        service.wait_for(lambda: service.ask("GET", "/readyz").status == 503)
        results.check(service.ask("GET", "/image/deep/alpha.png?resize=7").status == 503, "no room for another picture")
        answer = service.ask("GET", quick)
        results.check(answer.status == 200, f"but for one that is kept: {answer.status}")
        results.check(service.ask("GET", quick, headers=[f"If-None-Match: {answer.headers['etag']}"]).status == 304, "and for one that the client has")


def urgency_of_those_who_join(results, folder):
    """A picture that was asked for without haste is made at once when somebody asks for it who is in a hurry."""
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(Service("--storage", f"{folder}/store", "--workers", "1"))
        order, lock = [], threading.Lock()

        def ask(name, path, priority):
            client = stack.enter_context(service.connect(90))
            client.send(request("GET", path, headers=[f"X-Priority: {priority}"]))

            def wait():
                answer = client.answer()
                with lock:
                    order.append(name if answer and answer.status == 200 else answer and answer.status)
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(0.1)
            return thread
        busy = "/image/deep/large.jpg?resize=3{}00&format=webp&effort=9&quality=90"
        # The first is worked on, the second is next to be.
        threads = [ask("busy", busy.format(i), 0) for i in range(2)]
        threads.append(ask("patient", "/image/deep/large.jpg?resize=90", 7))
        threads += [ask("between", busy.format(i), 3) for i in (2, 3)]
        threads.append(ask("hasty", "/image/deep/large.jpg?resize=90", 0))
        for thread in threads:
            thread.join()
        results.check(order[:2] == ["busy"] * 2 and set(order[2:4]) == {"patient", "hasty"} and order[4:] == ["between"] * 2, f"in their order: {order}")


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
    for option in "--sign-key-file", "--storage":
        refused = subprocess.run(["imgserve", option, f"{folder}/none"], capture_output=True, text=True, check=False)
        results.check(refused.returncode == 66 and option in refused.stderr and "/none: no such file" in refused.stderr, f"what is not there is named: {refused}")


def main():
    take_tools(__doc__)
    results, folder = Results(), tempfile.mkdtemp(prefix="imgserve-")
    try:
        files = pictures(f"{folder}/in")
        stored_pictures(results, files, folder)
        shared_pictures(results, folder)
        urgency_of_those_who_join(results, folder)
        signed_urls(results, files, folder)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
