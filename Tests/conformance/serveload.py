#!/usr/bin/env python3
"""imgserve under load: two hundred clients at once, thousands of requests in the same memory, a real Prometheus, and SIGTERM in the middle of it.

usage: serveload.py [--bin DIR]; LONG=1: 20,000 requests"""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from harness import Results, take_tools
from machines import free_port
from serve import SLACK, pictures
from service import Service, request

LONG = bool(os.environ.get("LONG"))


def hey(service, path, body, *options):
    """Posts as fast as so many clients can; gives how often each status came, and what went wrong with connections."""
    process = subprocess.run(["hey", "-m", "POST", "-D", body, "-T", "image/jpeg", "-t", "60", *options, f"http://127.0.0.1:{service.port}{path}"], capture_output=True, text=True,
                             check=False, timeout=600)
    statuses = {int(code): int(count) for code, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", process.stdout)}
    return statuses, process.stdout.partition("Error distribution:")[2].strip() + process.stderr


def many_clients(results, folder):
    """Far more than can be served: the others hear so, at once, and health is answered all the time."""
    with Service("--workers", "2", "--queue", "16") as service:
        is_over, health = threading.Event(), []

        def probe():
            with service.connect() as client:
                while not is_over.is_set():
                    began = time.monotonic()
                    client.send(request("GET", "/healthz"))
                    health.append((client.answer().status, time.monotonic() - began))
                    time.sleep(0.02)
        prober = threading.Thread(target=probe)
        prober.start()
        statuses, wrong = hey(service, "/compress?resize=800&quality=85", f"{folder}/large.jpg", "-c", "200", "-z", "5s")
        is_over.set()
        prober.join()
        times = sorted(seconds for _, seconds in health)
        print(f"200 clients: {statuses}; {len(times)} times health, in ms: {times[len(times) // 2] * 1e3:.1f} in the middle, {times[-1] * 1e3:.1f} at most")
        results.check(set(statuses) == {200, 503} and not wrong, f"200 clients hear 200 or 503: {statuses} {wrong[:300]}")
        results.check(len(times) > 20 and all(status == 200 for status, _ in health), "health is answered")
        results.check(service.metric('imgpipe_jobs_total{status="failed",priority="7"}') == 0, "no picture fails")
        results.check(service.wait_for(lambda: service.metric("imgserve_body_bytes") == 0 and service.metric("imgserve_connections") <= 2), "nothing is held behind")


def few_files(results, files):
    """More connections than files may be open: some wait, and the service lives."""
    for _ in range(3):
        with Service(files=64) as service:
            clients = [service.connect() for _ in range(100)]
            for client in clients:
                client.send(b"POST /compress HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            # Longer than a second: libdispatch, which looks at its threads so often, ends a program that has no file left for that.
            time.sleep(1.5)
            open_files = len(os.listdir(f"/proc/{service.process.pid}/fd"))
            results.check(open_files < 60, f"some are left for what has to be opened: {open_files} of 64")
            for client in clients:
                client.__exit__()
            answer = service.post("/compress?resize=50", files["small.jpg"])
            results.check(service.is_alive and answer and answer.status == 200, f"100 connections and 64 files: {answer and answer.status}")
            results.check(service.stop() == 0, "it ends")


def flat_memory(results, folder):
    """Thousands of requests leave no memory and no files behind."""
    with Service("--workers", "2") as service:
        def files():
            return len(os.listdir(f"/proc/{service.process.pid}/fd"))
        resident = []
        for count in (500, 20000 if LONG else 3000):
            statuses, wrong = hey(service, "/compress?resize=60", f"{folder}/small.jpg", "-c", "4", "-n", str(count))
            results.check(statuses == {200: count} and not wrong, f"{count} requests: {statuses} {wrong[:300]}")
            service.wait_for(lambda: service.metric("imgserve_connections") <= 1)
            resident.append((service.rss(), files()))
        (before, few), (after, many) = resident
        print(f"memory: {before >> 10} KiB after 500 requests, {after >> 10} after {count} more; {few} and {many} files open")
        results.check(after <= 1.1 * before and after < 300 << 20, f"memory is flat: {resident}")
        results.check(service.wait_for(lambda: files() <= few), f"open files: {resident}")


def scraped(results, folder):
    """By Prometheus itself."""
    port = free_port()
    with Service("--workers", "2") as service:
        with open(f"{folder}/prometheus.yml", "w", encoding="utf-8") as file:
            json.dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "imgserve", "static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}]}]}, file)
        prometheus = subprocess.Popen(["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            hey(service, "/compress?resize=60", f"{folder}/small.jpg", "-c", "2", "-n", "50")

            def value(query):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}", timeout=5) as answer:
                        found = json.load(answer)["data"]["result"]
                except OSError:
                    return None
                return float(found[0]["value"][1]) if found else None
            results.check(service.wait_for(lambda: value('sum(imgpipe_jobs_total{status="done"})') == 50, 60), "Prometheus sees 50 pictures")
            results.check(value("up") == 1 and value("imgserve_ready") == 1, "it is up, and ready")
        finally:
            prometheus.terminate()
            prometheus.wait()


def draining(results, files):
    """SIGTERM: what was accepted is answered."""
    small, large = files["small.jpg"], files["large.jpg"]
    for keeps_alive in (False, True):
        with Service("--queue", "64") as service:
            lost, answered, is_over, told = [], [0], threading.Event(), [float("inf")]

            def load():
                client, connected = None, 0
                while not is_over.is_set():
                    try:
                        if not client:
                            client, connected = service.connect(), time.monotonic()
                    except OSError:
                        # Nobody listens: nothing was accepted.
                        return
                    try:
                        client.send(request("POST", "/compress?resize=60", small, [] if keeps_alive else ["Connection: close"]))
                        answer = client.answer()
                    except OSError as error:
                        answer = error
                    if not getattr(answer, "status", None):
                        # The kernel takes connections that the service, which is about to end, does not accept any more.
                        if connected < told[0] - 0.05:
                            lost.append(answer)
                        return
                    if answer.status not in (200, 503):
                        lost.append(answer.status)
                    answered[0] += 1
                    if answer.headers.get("connection") == "close":
                        client.__exit__()
                        client = None

            threads = [threading.Thread(target=load) for _ in range(16)]
            for thread in threads:
                thread.start()
            time.sleep(0.7)
            with service.connect() as slow:
                slow.send(request("POST", "/compress?resize=1200&format=webp&effort=9", large))
                service.wait_for(lambda: service.metric("imgserve_http_requests_under_way") >= 2)
                time.sleep(0.2)
                status = None
                stopper = threading.Thread(target=lambda: service.stop())
                told[0] = time.monotonic()
                stopper.start()
                answer = slow.answer()
                results.check(answer and answer.status == 200, f"a request under way is answered: {answer and answer.status}")
            stopper.join()
            status = service.process.returncode
            is_over.set()
            for thread in threads:
                thread.join()
            results.check(status == 0, f"SIGTERM under load: status {status}")
            results.check(not lost and answered[0] > 20, f"keep-alive {keeps_alive}: of {answered[0]} requests lost: {lost}")
    with Service("--grace", "30s", "--timeout", "60") as service:
        with service.connect() as slow:
            slow.send(request("POST", "/compress?resize=8000&format=webp&effort=9", large))
            service.wait_for(lambda: service.metric("imgpipe_slots_used") == 1)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            began = time.monotonic()
            results.check(service.stop() == 0 and time.monotonic() - began < SLACK, "told twice it does not wait")
    with Service("--grace", "1s", "--timeout", "60") as service:
        with service.connect() as slow, service.connect() as probe:
            probe.send(request("GET", "/readyz"))
            results.check(probe.answer().status == 200, "ready")
            slow.send(request("POST", "/compress?resize=8000&format=webp&effort=9", large))
            service.wait_for(lambda: service.metric("imgpipe_slots_used") == 1)
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
            try:
                probe.send(request("GET", "/readyz"))
                answer = probe.answer()
            except OSError:
                answer = None
            results.check(answer is None or answer.status == 503, "/readyz fails while it drains")
            results.check(service.process.wait(10) == 0 and 0.8 < time.monotonic() - began < 1 + SLACK, "--grace ends what goes on for longer, status 0")
        time.sleep(0.2)


def main():
    take_tools(__doc__)
    results, folder = Results(), tempfile.mkdtemp(prefix="imgserve-")
    try:
        files = pictures(folder)
        for part in (many_clients, flat_memory, scraped):
            part(results, folder)
        few_files(results, files)
        draining(results, files)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
