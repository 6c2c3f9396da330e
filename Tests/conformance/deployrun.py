"""The command lines of deploy/ as they would run: nobody, no rights, a root that is read-only, an empty /tmp, the unit's seccomp; real requests."""
import contextlib
import glob
import hashlib
import hmac
import os
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import ROOT, content, shell
from machines import free_port
from service import Client, request

KEY = b"a key of more than sixteen bytes"
USER = 65532
LANDLOCK = "landlock_create_ruleset,landlock_add_rule,landlock_restrict_self"
QUERY = "quality=85&resize=300"
RECIPE = "imgdecode $1 | imgresize 300 | imgstrip --keep copyright | imgencode -q 85"


def sandbox(folder, *confined):
    """As `podman run --read-only --tmpfs /tmp --cap-drop ALL` and ProtectSystem=strict have it; `confined`: options of confine.py."""
    words = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--unshare-pid", "--unshare-ipc", "--die-with-parent",
             "--ro-bind", os.path.dirname(shutil.which("imgserve")), "/usr/local/bin", "--ro-bind", folder, "/mnt", "--ro-bind", ROOT, "/media",
             "--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
    for right in ("SETUID", "SETGID", "SETPCAP"):
        words += ["--cap-add", f"CAP_{right}"]
    words += ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return words + (["/usr/bin/python3", "/media/Tests/conformance/confine.py", *confined] if confined else [])


class Confined:
    """An imgserve in there; ended, by SIGTERM, when the block is left."""

    def __init__(self, folder, words, *confined):
        self.port, self.log = free_port(), f"{folder}/imgserve.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*sandbox(folder, *confined), *words, "--listen", f"127.0.0.1:{self.port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while b"listening" not in (content(self.log) or b"") and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def post(self, body, query=QUERY):
        sign = hmac.new(KEY, f"/compress?{query}".encode(), hashlib.sha256).hexdigest()
        with Client(self.port, 30) as client:
            client.send(request("POST", f"/compress?{query}&sign={sign}", body))
            return client.answer()

    def get(self, path):
        with Client(self.port, 30) as client:
            client.send(request("GET", path))
            return client.answer()

    def processes(self):
        """Of imgserve alone, not of who has put it there: (name, status) pairs."""
        found, waiting = [], [self.process.pid]
        for pid in waiting:
            waiting += [int(word) for path in glob.glob(f"/proc/{pid}/task/*/children") for word in (content(path) or b"").split()]
            lines = dict(re.findall(r"^(\w+):\s+(.*)$", (content(f"/proc/{pid}/status") or b"").decode(), re.MULTILINE))
            if b"imgserve" in (content(f"/proc/{pid}/cmdline") or b"").split(b"\0")[0] or b"worker" in (content(f"/proc/{pid}/cmdline") or b""):
                found.append((pid, lines))
        return [(pid, lines) for pid, lines in found if lines.get("Uid", "").split()[:1] == [str(USER)]]

    def stop(self):
        """To the service itself, as KillMode=mixed and an engine do; its status by way of bwrap."""
        for pid, _ in self.processes()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def pictures(folder):
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    for name, options in (("a.jpg", ""), ("progressive.jpg", "--progressive"), ("a.png", ""), ("a.webp", "")):
        shell(f'imgdecode "$1" | imgresize 1200 | imgencode {options} -o "$2"', source, f"{folder}/{name}")
    return ["a.jpg", "progressive.jpg", "a.png", "a.webp"]


def run_all(results, folder, commands):
    os.chmod(folder, 0o755)
    with open(f"{folder}/sign-key", "wb") as file:
        file.write(KEY + b"\n")
    if subprocess.run([*sandbox(folder), "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("SKIPPED: bubblewrap may make no namespaces here, or not become another user")
        results.skipped += 1
        return
    names = pictures(folder)
    expected = {name: shell(RECIPE + (f" -f {name[2:]}" if name[0] == "a" and not name.endswith("jpg") else ""), f"{folder}/{name}") for name in names}
    unit = ["--unit", "/media/deploy/imgserve.service"]
    for what, words in commands.items():
        # The directory of credentials and of the secret is /mnt; there are no options of one's own.
        words = [word.replace("%d/", "/mnt/").replace("/etc/imgserve/", "/mnt/") for word in words if word != "$IMGSERVE_OPTIONS"]
        with Confined(folder, words, *(unit if what == "unit" else [])) as service:
            answers_well(results, what, service, folder, expected, is_signed="--sign-key-file" in words)
    words = ["/usr/local/bin/imgserve", "--workers", "1"]
    # What an older container runtime refuses is a layer less, and said so in docs/serving.md.
    for without, layers in ((LANDLOCK, 2), (LANDLOCK + ",seccomp", 1)):
        with Confined(folder, words, "--without", without) as service:
            answer = unsigned(service, content(f"{folder}/a.jpg"), QUERY)
            filters = [lines.get("Seccomp_filters") for _, lines in service.processes()[1:]]
            results.check(answer and answer.status == 200, f"without {without}: {answer and answer.status}")
            results.check(filters == [str(layers)], f"without {without}: seccomp filters of the worker, with ours: {filters}")
    # What the filter of the unit is for, and that it is there: memfd_create, which bodies lie in, is in a set that is often refused.
    broken = f"{folder}/broken.service"
    with open(f"{ROOT}/deploy/imgserve.service", encoding="utf-8") as source, open(broken, "w", encoding="utf-8") as file:
        file.write(source.read().replace("SystemCallFilter=~@privileged", "SystemCallFilter=~@ipc @privileged"))
    with Confined(folder, words, "--unit", "/mnt/broken.service") as service:
        answer = unsigned(service, content(f"{folder}/a.jpg"), QUERY)
        results.check(answer and answer.status == 503, f"a unit without memfd_create is seen: {answer and answer.status}")


def answers_well(results, what, service, folder, expected, is_signed):
    results.check(service.process.poll() is None, f"{what}: starts: {content(service.log)}")
    if service.process.poll() is not None:
        return
    for path in ("/healthz", "/readyz"):
        answer = service.get(path)
        results.check(answer and answer.status == 200, f"{what}: {path}: {answer and answer.status}")
    for name, wanted in expected.items():
        form = "" if name.endswith("jpg") else f"format={name[2:]}&"
        answer = service.post(content(f"{folder}/{name}"), form + QUERY) if is_signed else unsigned(service, content(f"{folder}/{name}"), form + QUERY)
        results.check(answer and answer.status == 200 and answer.body == wanted, f"{what}: {name}: {answer and (answer.status, answer.body[:100])}")
    if is_signed:
        results.check(unsigned(service, b"x", QUERY).status == 403, f"{what}: without a signature")
    found = service.processes()
    rights = {(lines["CapEff"], lines["CapBnd"], lines["NoNewPrivs"]) for _, lines in found}
    results.check(len(found) >= 2 and rights == {("0" * 16, "0" * 16, "1")}, f"{what}: processes without rights: {len(found)} {rights}")
    outer = int(found[0][1]["Seccomp_filters"])
    inner = {int(lines["Seccomp_filters"]) - outer for _, lines in found[1:]}
    results.check(outer == (1 if what == "unit" else 0) and inner == {1}, f"{what}: seccomp of the service {outer}, of its workers on top {inner}")
    health = subprocess.run([*sandbox(folder), "/usr/local/bin/imgget", f"http://127.0.0.1:{service.port}/healthz"], capture_output=True, check=False)
    results.check(health.returncode == 0 and health.stdout == b"ok\n", f"{what}: HEALTHCHECK's program: {health}")
    began = time.monotonic()
    status = service.stop()
    results.check(status == 0 and time.monotonic() - began < 15, f"{what}: SIGTERM: status {status}")
    health = subprocess.run([*sandbox(folder), "/usr/local/bin/imgget", f"http://127.0.0.1:{service.port}/healthz"], capture_output=True, check=False)
    results.check(health.returncode != 0, f"{what}: HEALTHCHECK's program sees that nobody is there")


def unsigned(service, body, query):
    with Client(service.port, 30) as client:
        client.send(request("POST", f"/compress?{query}", body))
        return client.answer()
