#!/usr/bin/env python3
"""imgserve beside a store that does not answer: pictures that are posted go on, who leaves is gone, and who has a time hears in time.

usage: servehung.py [--bin DIR]"""
import contextlib
import glob
import socket
import tempfile
import threading
import time

from harness import Results, shell, take_tools
from serve import SLACK, pictures
from service import Service, request


class HungStore(threading.Thread):
    """Takes requests, and answers those for a picture's head alone, or none at all; with a picture all of them, after `delay` seconds.

    `manner`: "plain", or what is said of it otherwise than usual: "chunked", "no etag" (of GET), "no length" (of HEAD), "changing" (another version at
    each request)."""

    def __init__(self, answers_heads, delay=0, picture=None, manner="plain"):
        super().__init__(daemon=True)
        self.answers_heads, self.delay, self.picture, self.manner = answers_heads, delay, picture, manner
        self.heads = self.requests = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        waiting = b""
        with contextlib.suppress(OSError), connection:
            while data := connection.recv(1 << 16):
                waiting += data
                while b"\r\n\r\n" in waiting:
                    head, _, waiting = waiting.partition(b"\r\n\r\n")
                    self.heads += head.startswith(b"HEAD")
                    time.sleep(self.delay)
                    if head.startswith(b"HEAD") and self.answers_heads or self.picture:
                        connection.sendall(self.answer(head.startswith(b"HEAD")))

    def answer(self, is_head):
        self.requests += 1
        body = self.picture or bytes(1251)
        fields = []
        if is_head or self.manner != "no etag":
            fields.append(f'ETag: "{self.requests if self.manner == "changing" else "abc"}"')
        if self.manner == "chunked" and not is_head:
            fields.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif self.manner != "no length" or not is_head:
            fields.append(f"Content-Length: {len(body)}")
        return "\r\n".join(["HTTP/1.1 200 OK", *fields, "", ""]).encode() + (b"" if is_head else body)

    def service(self, *options, **more):
        environment = {"HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
                       "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.socket.getsockname()[1]}"}
        return Service("--storage", "s3://b/p", "--workers", "2", *options, environment=environment, **more)


def is_idle(service):
    return service.metric("imgserve_http_requests_under_way") == 1 and service.metric("imgserve_connections") == 1


def posts_go_on(results, files, answers_heads):
    """Many who wait for different pictures of it: a posted one takes no longer, and all is as before when they have left."""
    what = "one that answers HEAD" if answers_heads else "one that never answers"
    with HungStore(answers_heads).service() as service:
        service.post("/compress?resize=50", files["small.jpg"])
        clients = [service.connect() for _ in range(40)]
        for i, client in enumerate(clients):
            client.send(request("GET", f"/image/{i}.jpg?resize=20"))
        time.sleep(0.5)
        began = time.monotonic()
        statuses = [service.post("/compress?resize=50", files["small.jpg"]).status for _ in range(5)]
        results.check(statuses == [200] * 5 and time.monotonic() - began < 2, f"{what}: five posted in {time.monotonic() - began:.2f} s: {statuses}")
        results.check(service.ask("GET", "/readyz").status == 200, f"{what}: /readyz")
        with service.connect() as client:
            began = time.monotonic()
            client.send(request("GET", "/image/39.jpg?resize=20", headers=["X-TTL-Ms: 300"]))
            answer = client.answer()
            results.check(answer.status == 503 and answer.error == "expired" and time.monotonic() - began < 0.3 + SLACK, f"{what}: X-TTL-Ms: {answer.status}")
        for client in clients:
            client.socket.close()
        results.check(service.wait_for(lambda: is_idle(service), 3), f"{what}: nothing is left when they have left")
        began = time.monotonic()
        results.check(service.stop() == 0 and time.monotonic() - began < 2, f"{what}: it ends at once")


def time_is_told(results):
    """Who stays hears it after --timeout, however many wait before him."""
    with HungStore(False).service("--timeout", "1") as service:
        clients = [service.connect() for _ in range(30)]
        began = time.monotonic()
        for i, client in enumerate(clients):
            client.send(request("GET", f"/image/{i}.jpg"))
        answers = [client.answer() for client in clients]
        results.check({(a.status, a.error) for a in answers} == {(504, "timeout")} and time.monotonic() - began < 1 + 2 * SLACK,
                      f"--timeout holds for the store: {[a.status for a in answers]} in {time.monotonic() - began:.2f} s")


def many_come_and_go(results, files):
    """Hundreds that leave at once take no connections from others."""
    with HungStore(False).service(files=1024) as service:
        for i in range(400):
            with service.connect() as client:
                client.send(request("GET", f"/image/{i}.jpg"))
                time.sleep(0.001)
        results.check(service.ask("GET", "/healthz").status == 200 and service.post("/compress?resize=50", files["small.jpg"]).status == 200, "400 came and went")
        results.check(service.wait_for(lambda: is_idle(service), 3), "and left nothing")


def reloading(results, files):
    """One who asks for the same picture again and again, and leaves each time."""
    with HungStore(True).service() as service:
        for _ in range(12):
            with service.connect() as client:
                client.send(request("GET", "/image/a.jpg?resize=20"))
                time.sleep(0.1)
        began = time.monotonic()
        results.check(service.post("/compress?resize=50", files["small.jpg"]).status == 200 and time.monotonic() - began < SLACK, "reloaded twelve times; a posted one")


def one_question_for_all(results):
    """Those who ask for one picture at the same time ask the store once."""
    store = HungStore(True, delay=0.3)
    with store.service("--timeout", "2") as service:
        clients = [service.connect() for _ in range(30)]
        for client in clients:
            client.send(request("GET", "/image/a.jpg", headers=["If-None-Match: *"]))
        statuses = [client.answer().status for client in clients]
        results.check(statuses == [304] * 30 and store.heads <= 2, f"thirty at once: {store.heads} questions, {set(statuses)}")


def answers_of_all_kinds(results, files):
    """What a store says of a picture when it is asked for it need not be what it said before."""
    expected = None
    for manner in ("plain", "chunked", "no etag", "no length"):
        with HungStore(True, picture=files["small.jpg"], manner=manner).service() as service:
            answer = service.ask("GET", "/image/a.jpg?resize=40")
            expected = expected or answer.body
            results.check(answer.status == 200 and answer.body == expected, f"{manner}: {answer.status} {answer.error}")
    with HungStore(True, picture=files["small.jpg"], manner="changing").service() as service:
        answer = service.ask("GET", "/image/a.jpg?resize=40")
        results.check(answer.status == 503 and answer.error == "changed" and answer.headers["retry-after"] == "1", f"another version each time: {answer.status} {answer.error}")


def full_at_once(results, files):
    """More than can be fetched and can wait hear so at once."""
    with HungStore(True, delay=0.5, picture=files["small.jpg"]).service("--queue", "8", "--timeout", "30") as service:
        clients = [service.connect() for _ in range(60)]
        for i, client in enumerate(clients):
            client.send(request("GET", f"/image/{i}.jpg?resize=20"))
        time.sleep(0.3)
        results.check(service.ask("GET", "/readyz").status == 200, "what is posted is taken")
        answers = [client.answer() for client in clients]
        statuses = {(a.status, a.error) for a in answers}
        results.check(statuses == {(200, None), (503, "full")} and sum(a.status == 200 for a in answers) >= 16, f"sixty at once: {statuses}")


def large_objects(results, files):
    """What can never be held is no 503."""
    with HungStore(True, picture=files["large.jpg"]).service("--max-body", "64K", "--queue", "1") as service:
        answer = service.ask("GET", "/image/a.jpg?resize=40")
        results.check(answer.status == 422 and answer.error == "limit", f"an object that is too large: {answer.status} {answer.error}")


def files_that_change(results):
    """A file that is replaced again and again is answered as it was before or as it is, or to be asked for again; never otherwise."""
    folder = tempfile.mkdtemp(prefix="imgserve-")
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    shell('imgdecode "$1" | imgresize 300 | imgencode -o "$2/0.jpg"; imgdecode "$1" | imgresize 200 | imgencode -o "$2/1.jpg"; cp "$2/0.jpg" "$2/a.jpg"', source, folder)
    with Service("--storage", folder) as service:
        is_over = threading.Event()

        def replace():
            i = 0
            while not is_over.is_set():
                i += 1
                shell('cp "$1/$2.jpg" "$1/new" && mv "$1/new" "$1/a.jpg"', folder, str(i % 2))
        thread = threading.Thread(target=replace)
        thread.start()
        answers = [service.ask("GET", f"/image/a.jpg?resize={20 + i % 50}") for i in range(200)]
        is_over.set()
        thread.join()
        statuses = [(a.status, a.error) for a in answers if a.status != 200]
        results.check(set(statuses) <= {(503, "changed")} and len(statuses) < 20, f"replaced again and again: {statuses[:5]} {len(statuses)} of {len(answers)}")
    shell('rm -r "$1"', folder)


def main():
    take_tools(__doc__)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="imgserve-") as folder:
        files = pictures(folder)
    for answers_heads in (False, True):
        posts_go_on(results, files, answers_heads)
    time_is_told(results)
    many_come_and_go(results, files)
    reloading(results, files)
    one_question_for_all(results)
    answers_of_all_kinds(results, files)
    full_at_once(results, files)
    large_objects(results, files)
    files_that_change(results)
    results.end()


if __name__ == "__main__":
    main()
