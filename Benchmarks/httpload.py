"""What serve.py measures with: a service with its workers, hey and wrk as clients, and one who asks for health meanwhile."""
import contextlib
import glob
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
# Names of one picture: imgserve makes what several ask for at once only once, which is not what is to be measured.
NAMES = 64

# wrk says how many answers were no success, not which; so its script counts statuses.
WRK = """
local threads, number = {}, 0
function setup(thread) thread:set("id", #threads); table.insert(threads, thread) end
function init(_)
    counts, own = {}, 0
    if "BODY" ~= "" then
        local file = io.open("BODY", "rb")
        wrk.method, wrk.body = "POST", file:read("*a")
        file:close()
    end
end
function request()
    own = own + 1
    return wrk.format(nil, (string.gsub("PATH", "NUMBER", (own * 2 + id) % NAMES)))
end
function response(status) counts[status] = (counts[status] or 0) + 1 end
function done(summary, latency)
    local all = {}
    for _, thread in ipairs(threads) do
        for status, count in pairs(thread:get("counts")) do all[status] = (all[status] or 0) + count end
    end
    local e = summary.errors
    for status, count in pairs(all) do io.write("status ", status, " ", count, "\\n") end
    io.write("errors ", e.connect + e.read + e.write + e.timeout, "\\nseconds ", summary.duration / 1e6, "\\n")
    for _, percent in ipairs({50, 99}) do io.write("P", percent, " ", latency:percentile(percent) / 1e6, "\\n") end
end
"""

def text(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A service with its workers; ended when the block is left."""

    def __init__(self, name, words, port, log):
        self.name, self.port = name, port
        with open(log, "wb") as file:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} does not start: {text(log)}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def processes(self):
        children = [child for path in glob.glob(f"/proc/{self.process.pid}/task/*/children") for child in text(path).split()]
        return [str(self.process.pid), *children]

    def processor(self):
        """Seconds until now, those of workers that have ended too."""
        total = 0
        for pid in self.processes():
            # Behind the name, which may have spaces: utime, stime, and of children that were waited for.
            fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) if fields else 0
        return total / TICK

    def loop(self):
        """Of the thread that has run the most, which is the one that connections have: seconds that it ran, and that it waited for a processor."""
        threads = [text(path).split() for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat")]
        return max((int(thread[0]) / 1e9, int(thread[1]) / 1e9) for thread in threads if thread)

    def memory(self):
        """Bytes resident, of the service and its workers; what they share counts once."""
        return sum(1024 * int(size) for pid in self.processes() for size in re.findall(r"^Pss: +(\d+)", text(f"/proc/{pid}/smaps_rollup"), re.MULTILINE))


class Load:
    """What one run of a client found: answers by status, errors, seconds, times."""

    def __init__(self, statuses, errors, seconds, median, tail):
        self.statuses, self.errors, self.seconds, self.median, self.tail = statuses, errors, seconds, median, tail
        self.processor = 0.0

    @property
    def rate(self):
        return self.statuses.get(200, 0) / self.seconds

    @property
    def each(self):
        """The service's processor time for a picture."""
        return self.processor / max(1, self.statuses.get(200, 0))

    @property
    def others(self):
        """Answers that are neither a picture nor a no for now, and what was no answer."""
        return self.errors + sum(count for status, count in self.statuses.items() if status not in (200, 503))


def hey(url, clients, amount, body=None):
    """`amount` as hey's own words: -z 4s, or -n 2000."""
    words = ["hey", "-c", str(clients), *amount] + (["-m", "POST", "-D", body, "-T", "image/jpeg"] if body else []) + [url]
    output = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout
    summary, _, faults = output.partition("Error distribution:")
    statuses = {int(status): int(count) for status, count in re.findall(r"\[(\d+)\]\s+(\d+) responses", summary)}
    errors = sum(map(int, re.findall(r"^\s*\[(\d+)\]", faults, re.MULTILINE)))
    times = {percent: float(seconds) for percent, seconds in re.findall(r"(\d+)% in ([\d.]+) secs", summary) if float(seconds)}
    total = re.search(r"Total:\s+([\d.]+) secs", summary)
    if not total or not statuses:
        sys.exit(f"hey: {output}")
    # Of less than a hundred answers it gives no 99th percentile.
    slowest = re.search(r"Slowest:\s+([\d.]+) secs", summary)
    return Load(statuses, errors, float(total[1]), times["50"], times.get("99") or float(slowest[1]))


def wrk(folder, url, clients, seconds, path, body=""):
    script = f"{folder}/wrk.lua"
    with open(script, "w", encoding="ascii") as file:
        file.write(WRK.replace("BODY", body).replace("PATH", path).replace("NAMES", str(NAMES)))
    output = subprocess.run(["wrk", "-t", "2", "-c", str(clients), "-d", f"{seconds}s", "--timeout", "20s", "-s", script, url],
                            stdout=subprocess.PIPE, check=True, text=True).stdout
    found = dict(re.findall(r"^(errors|seconds|P50|P99) ([\d.e-]+)$", output, re.MULTILINE))
    statuses = {int(status): int(count) for status, count in re.findall(r"^status (\d+) (\d+)$", output, re.MULTILINE)}
    return Load(statuses, int(float(found["errors"])), float(found["seconds"]), float(found["P50"]), float(found["P99"]))


def measured(server, run):
    before = server.processor()
    load = run()
    load.processor = server.processor() - before
    return load


class Prober:
    """Asks for health each 20 ms, each time on a new connection, as a kubelet does."""

    def __init__(self, port):
        self.port, self.times, self.faults = port, [], 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def run(self):
        # It is the service that is measured, not how long this one waits for a processor; where that is allowed.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        while not self.is_over.wait(0.02):
            began = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                self.faults += answer.read() != b"ok\n" or answer.status != 200
            except OSError:
                self.faults += 1
            finally:
                connection.close()
            self.times.append(time.perf_counter() - began)

    def percentile(self, percent):
        return sorted(self.times)[min(len(self.times) - 1, len(self.times) * percent // 100)]
