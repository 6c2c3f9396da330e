"""Processes that stand for machines: started, waited for, and killed with all that came from them."""
import contextlib
import glob
import os
import signal
import socket
import subprocess
import time

from harness import content

# A bound on what waits, not a measure of speed: of the whole, so that nothing hangs.
PATIENCE = 120


def text(path):
    return (content(path) or b"").decode(errors="replace")


def wait_for(what, condition, seconds=PATIENCE):
    """What the condition gives, when that is something; an error when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"waited for {what}")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid):
    """A process and all that come from it, also those that made a session of their own."""
    found = [pid]
    for pid in found:
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            found += [int(word) for word in text(path).split()]
    return found


def kill(process):
    """Kills a process with all that come from it, as a machine that loses its power does."""
    for pid in descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


class Services:
    """Processes that run beside a test, and end with it."""

    def __init__(self, folder):
        self.folder, self.running = folder, []

    def start(self, name, *words, **options):
        with open(f"{self.folder}/{name}.log", "ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options)
        self.running.append(process)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.running):
            kill(process)


def run(*words, seconds=PATIENCE, **options):
    """Status, output and messages; what takes longer is killed, with all that come from it."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options)
    try:
        output, messages = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        output, messages = process.communicate()
        messages += b"(took too long)"
    return process.returncode, output.decode(errors="replace"), messages.decode(errors="replace")
