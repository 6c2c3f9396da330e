#!/usr/bin/python3
"""imgserve beside nginx's image_filter, two workers each: pictures a second, times, health under load, and memory.

usage: serve.py [--quick] [--strict] [--bin DIR] [--out FILE]

A JPEG of 2400 x 1600 and quality 90, made of one of Debian's wallpapers (mate-backgrounds), to 800 at quality 85, over the loopback. nginx reads it from a
disk, which is all that it can; imgserve gets it with each request, and in the like-for-like case from a disk as well, without its cache. Rounds go
by turns, so that what else the machine does falls on all alike; figures are medians of rounds, and a ratio is the median of the rounds' ratios.
Processor time is that of the service with its workers, not of the client, who has the same processors. With --strict the status is 1 when a mark is
missed that is no time; times of a machine that others use prove nothing.
"""
import argparse
import glob
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from httpload import NAMES, Prober, Server, free_port, hey, measured, wrk

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TITLE = "service"
QUERY = "resize=800&quality=85"
# Of issue 9: of nginx's rate, of the median's time, of a second until health answers, and bytes.
MARKS = {"ratio": 3.5, "tail": 3.0, "health": 0.050, "memory": 300 * 10**6}

NGINX = """
daemon off; worker_processes 2; pid FOLDER/nginx.pid; error_log FOLDER/nginx.log; USER
load_module MODULE;
events { worker_connections 1024; }
http {
    access_log off; client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2; fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
    types { image/jpeg jpg; }
    server {
        listen 127.0.0.1:PORT; root FOLDER/store;
        location / { image_filter resize 800 -; image_filter_jpeg_quality 85; image_filter_buffer 64M; }
    }
}
"""


def make_store(folder):
    """The picture under many names."""
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    os.makedirs(f"{folder}/store")
    picture = f"{folder}/store/0.jpg"
    subprocess.run(["sh", "-c", 'imgdecode "$1" | imgresize 2400x1600 --fit cover | imgencode -q 90 -o "$2"', "sh", source, picture], check=True)
    for i in range(1, NAMES):
        shutil.copy(picture, f"{folder}/store/{i}.jpg")
    return picture


def imgserve(folder):
    port = free_port()
    return Server("imgserve", ["imgserve", "--listen", f"127.0.0.1:{port}", "--workers", "2", "--storage", f"{folder}/store", "--cache-mb", "0"],
                  port, f"{folder}/imgserve.log")


def nginx(folder):
    port = free_port()
    module = "/usr/lib/nginx/modules/ngx_http_image_filter_module.so"
    if not os.path.exists(module):
        sys.exit("no image_filter for nginx: scripts/install-packages bench")
    with open(f"{folder}/nginx.conf", "w", encoding="ascii") as file:
        # Else its workers are nobody, who may not look into a folder of ours.
        user = "user root;" if os.geteuid() == 0 else ""
        file.write(NGINX.replace("FOLDER", folder).replace("PORT", str(port)).replace("MODULE", module).replace("USER", user))
    return Server("nginx", [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-c", f"{folder}/nginx.conf", "-e", f"{folder}/nginx.log"], port, f"{folder}/nginx.out")


def rates(ours, peer, folder, picture, quick):
    """Rows at -c 4, by turns: what is asked, by whom, the loads of the rounds, those of the peer."""
    rounds, seconds = (3, 3) if quick else (7, 5)
    post, get = f"/compress?{QUERY}", f"/image/NUMBER.jpg?{QUERY}"
    at = [f"http://127.0.0.1:{server.port}" for server in (ours, peer)]

    def count(load):
        """So many as take some seconds; a multiple of four, which each of the clients gets its share of."""
        return ["-n", str(max(16, 4 * int(load.rate * seconds / 4)))]
    # By number and not by time: requests that a time cuts off have cost their work, and of the slower one that is more.
    some = [count(hey(at[0] + post, 4, ["-n", "16"], picture)), count(hey(at[1] + "/0.jpg", 4, ["-n", "16"]))]
    runs = [
        ("hey", "imgserve, POST", ours, lambda: hey(at[0] + post, 4, some[0], picture)),
        ("hey", "nginx image_filter", peer, lambda: hey(at[1] + "/0.jpg", 4, some[1])),
        ("wrk", "imgserve, POST", ours, lambda: wrk(folder, at[0], 4, 2 * seconds, post, picture)),
        ("wrk", "imgserve, GET without cache", ours, lambda: wrk(folder, at[0], 4, 2 * seconds, get)),
        # It knows time alone; so for longer.
        ("wrk", "nginx image_filter", peer, lambda: wrk(folder, at[1], 4, 2 * seconds, "/NUMBER.jpg")),
    ]
    loads = [[] for _ in runs]
    for _ in range(rounds):
        for found, (_, _, server, run) in zip(loads, runs):
            found.append(measured(server, run))
    peers = {client: found for found, (client, _, server, _) in zip(loads, runs) if server is peer}
    return [(client, who, found, peers[client]) for found, (client, who, _, _) in zip(loads, runs)]


def median(values):
    return statistics.median(list(values))


def rate_table(rows):
    lines = ["| -c 4 | service | a second | of nginx's | P50 ms | P99 ms | P99/P50 | processor ms each | of nginx's | errors |", "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for client, who, found, peer in rows:
        lines.append(f"| {client} | {who} | {median(a.rate for a in found):.0f} | {median(a.rate / b.rate for a, b in zip(found, peer)):.2f} | "
                     f"{1000 * median(a.median for a in found):.0f} | {1000 * median(a.tail for a in found):.0f} | {median(a.tail / a.median for a in found):.1f} | "
                     f"{1000 * median(a.each for a in found):.1f} | {median(a.each / b.each for a, b in zip(found, peer)):.2f} | {sum(a.others + a.statuses.get(503, 0) for a in found)} |")
    return lines


def crowd(server, folder, picture, quick):
    """200 clients that come again at once, and one that asks for health."""
    seconds = 4 if quick else 15
    url = f"http://127.0.0.1:{server.port}"
    rows = []
    for client, run in (("nobody", lambda: time.sleep(2)), ("hey", lambda: hey(f"{url}/compress?{QUERY}", 200, ["-z", f"{seconds}s"], picture)),
                        ("wrk", lambda: wrk(folder, url, 200, seconds, f"/compress?{QUERY}", picture))):
        began, before = time.monotonic(), server.loop()
        with Prober(server.port) as prober:
            load = run()
        # Health is answered by one thread, which has no processor of its own: what it waited for one is the machine's part of these times.
        share = [(after - then) / (time.monotonic() - began) for after, then in zip(server.loop(), before)]
        rows.append((client, load, prober, server.memory(), share))
    return rows


def crowd_table(rows):
    lines = ["| -c 200 | pictures a second | 503 a second | errors | health P50 ms | P99 | most | failed | loop ran | loop waited | MB resident |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for client, load, prober, memory, (ran, waited) in rows:
        parts = [f"{load.rate:.0f}", f"{load.statuses.get(503, 0) / load.seconds:.0f}", str(load.others)] if load else ["", "", ""]
        lines.append(f"| {client} | {' | '.join(parts)} | {1000 * prober.percentile(50):.1f} | {1000 * prober.percentile(99):.1f} | "
                     f"{1000 * max(prober.times):.1f} | {prober.faults} | {ran:.0%} | {waited:.0%} | {memory / 1e6:.0f} |")
    return lines


def soak(folder, picture, quick):
    """Memory of a new service as requests go by: (requests, bytes) pairs; and errors."""
    memory, done, errors = [], 0, 0
    with imgserve(folder) as server:
        memory.append((0, server.memory()))
        for count in (200, 2000) if quick else (2000, 20_000):
            load = hey(f"http://127.0.0.1:{server.port}/compress?{QUERY}", 4, ["-n", str(count - done)], picture)
            done, errors = count, errors + load.others + load.statuses.get(503, 0)
            memory.append((done, server.memory()))
    return memory, errors


def memory_table(memory, errors):
    return ["| requests | MB resident |", "|---:|---:|"] + [f"| {count:,} | {size / 1e6:.1f} |" for count, size in memory] + ["", f"Errors meanwhile: {errors}."]


def marks(rows, crowded, memory, errors):
    """What was wanted, what was found, whether that is met, and whether it is a time."""
    by = {(client, who): (found, peer) for client, who, found, peer in rows}
    result = []
    for client in ("hey", "wrk"):
        found, peer = by[client, "imgserve, POST"]
        ratio, tail = median(a.rate / b.rate for a, b in zip(found, peer)), median(a.tail / a.median for a in found)
        result.append((f"{client}: at least {MARKS['ratio']} x nginx", f"{ratio:.2f}", ratio >= MARKS["ratio"], False))
        result.append((f"{client}: P99 at most {MARKS['tail']:.0f} x P50 at -c 4", f"{tail:.2f}", tail <= MARKS["tail"], True))
    for client, load, prober, *_ in crowded:
        if load:
            result.append((f"{client}: no error but 503 at -c 200", str(load.others), load.others == 0, False))
            result.append((f"{client}: health within {1000 * MARKS['health']:.0f} ms at -c 200", f"{1000 * max(prober.times):.0f} ms, {prober.faults} failed",
                           max(prober.times) <= MARKS["health"] and not prober.faults, True))
    most = max(size for _, size in memory + [(0, size) for _, _, _, size, _ in crowded])
    result.append((f"at most {MARKS['memory'] // 10**6} MB resident", f"{most / 1e6:.0f} MB", most <= MARKS["memory"], False))
    # 5 MB more is no growth: malloc keeps what is free, and not each time the same.
    growth = memory[-1][1] - memory[-2][1]
    result.append((f"flat from {memory[-2][0]:,} to {memory[-1][0]:,} requests", f"{growth / 1e6:+.1f} MB", growth <= 5 * 10**6, False))
    result.append((f"no error in {memory[-1][0]:,} requests", str(errors), errors == 0, False))
    return result


def mark_table(found):
    return ["| mark | found | |", "|---|---:|---|"] + [f"| {what} | {value} | {'met' if is_met else 'missed'} |" for what, value, is_met, _ in found]


def measure(quick, say=print):
    """All of it, as markdown; and the marks."""
    parts = []

    def tell(lines):
        parts.append("\n".join(lines) + "\n")
        say(parts[-1], flush=True)

    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        picture = make_store(folder)
        with imgserve(folder) as ours:
            with nginx(folder) as peer:
                rows = rates(ours, peer, folder, picture, quick)
            tell(rate_table(rows))
            crowded = crowd(ours, folder, picture, quick)
            tell(crowd_table(crowded))
        memory, errors = soak(folder, picture, quick)
        tell(memory_table(memory, errors))
    found = marks(rows, crowded, memory, errors)
    tell(mark_table(found))
    return "\n".join(parts), found


def main():
    parser = argparse.ArgumentParser(description="imgserve beside nginx's image_filter")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, 2,000 requests for memory in place of 20,000")
    parser.add_argument("--strict", action="store_true", help="status 1 when a mark is missed that is no time")
    parser.add_argument("--bin", default=os.path.join(ROOT, "bin"), help="the folder of the tools")
    parser.add_argument("--out", help="a file for the tables too")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.path.abspath(arguments.bin) + os.pathsep + os.environ["PATH"]
    tables, found = measure(arguments.quick)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(tables)
    sys.exit(1 if arguments.strict and not all(is_met or is_time for _, _, is_met, is_time in found) else 0)


if __name__ == "__main__":
    main()
