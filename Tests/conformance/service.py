"""imgserve on a port of its own, and requests over plain sockets, byte by byte where that is what is tested."""
import glob
import json
import os
import resource
import signal
import socket
import subprocess
import time

from harness import content


class Answer:
    """Status, headers (names in lower case; of several, the last), body; None where there was none."""

    def __init__(self, status, headers, body, head):
        self.status, self.headers, self.body, self.head = status, headers, body, head

    @property
    def error(self):
        """The word for the fault."""
        return json.loads(self.body)["error"] if self.headers.get("content-type") == "application/json" else None


class Service:
    """A running imgserve; ended, with its workers, when the block is left."""

    def __init__(self, *options, log=None, environment=None, files=None):
        """`files`: as many may be open."""
        self.log_path = log
        self.log = open(log, "wb") if log else subprocess.DEVNULL
        self.process = subprocess.Popen(["imgserve", "--listen", "127.0.0.1:0", *options], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})},
                                        preexec_fn=(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))) if files else None)
        line = self.process.stderr.readline().decode()
        self.port = int(line.rstrip("/\n").rpartition(":")[2]) if "listening" in line else None
        self.first_line = line
        # What else it says must not fill a pipe that nobody reads.
        self.pump = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=self.log)
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        self.pump.wait()
        if self.log_path:
            self.log.close()

    def stop(self, number=signal.SIGTERM, patience=15):
        """Its status; None where it had to be killed."""
        self.process.send_signal(number)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    @property
    def is_alive(self):
        return self.process.poll() is None

    def workers(self):
        return [int(word) for path in glob.glob(f"/proc/{self.process.pid}/task/*/children") for word in (content(path) or b"").split()]

    def rss(self):
        """Bytes resident of the service and its workers; pages that they share count in parts."""
        total = 0
        for pid in [self.process.pid, *self.workers()]:
            for line in (content(f"/proc/{pid}/smaps_rollup") or b"").decode().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def connect(self, timeout=20):
        return Client(self.port, timeout)

    def ask(self, method, path, body=b"", headers=(), timeout=60):
        """One request on a connection of its own."""
        with self.connect(timeout) as client:
            client.send(request(method, path, body, headers))
            return client.answer(method)

    def post(self, path, body, *headers):
        return self.ask("POST", path, body, headers)

    def metric(self, name):
        """The value of a sample, by its name and labels; 0 where there is none."""
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return 0.0

    def wait_for(self, condition, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.02)
        return False


def request(method, path, body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if (body or method == "POST") and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """A connection."""

    def __init__(self, port, timeout):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def drip(self, data, pause, seconds):
        """Byte by byte, until that is no longer taken or the time is over; how long it was."""
        began = time.monotonic()
        try:
            for byte in data:
                if time.monotonic() - began > seconds:
                    break
                self.socket.sendall(bytes([byte]))
                time.sleep(pause)
        except OSError:
            pass
        return time.monotonic() - began

    def answer(self, method="GET"):
        """The next one; None where the connection ends without."""
        try:
            while b"\r\n\r\n" not in self.waiting:
                if not self.fill():
                    return None
            head, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if status == 100:
                return Answer(status, headers, b"", lines)
            count = 0 if method == "HEAD" or status in (204, 304) else int(headers.get("content-length", 0))
            while len(self.waiting) < count:
                if not self.fill():
                    return None
            body, self.waiting = self.waiting[:count], self.waiting[count:]
            return Answer(status, headers, body, lines)
        except OSError:
            return None

    def fill(self):
        data = self.socket.recv(1 << 16)
        self.waiting += data
        return bool(data)

    def is_closed(self, seconds=5):
        """Whether the other side ends the connection, and says no more."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


def form(*parts, boundary="xYzZy"):
    """multipart/form-data of (name, file name, bytes)."""
    body = b""
    for name, file_name, data in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name else "")
        body += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"Content-Type: multipart/form-data; boundary={boundary}"
