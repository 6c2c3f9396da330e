#!/usr/bin/python3
"""A machine at its limits: no memory at the n-th call, no room on the disk, short reads and signals, and death at any moment. Never a wrong
status, never half a file under its final name.

usage: faults.py [--bin DIR]   LONG=1: at every call, and more rounds
"""
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Results, shell, take_tools

LONG = bool(os.environ.get("LONG"))
# Tried of each kind's calls, spread over the run.
MOST_TRIES = 10**6 if LONG else 24
ROUNDS = 400 if LONG else 60

MAKE = r"""
cd "$1"
imgdecode "$2" | imgresize 160x120! > rgb.pix
imgencode -q 90 -o photo.jpg < rgb.pix; imgencode -q 90 --progressive -o progressive.jpg < rgb.pix
imgencode -f png -o photo.png < rgb.pix; imgencode -f webp -o photo.webp < rgb.pix; imgencode -f webp --lossless -o lossless.webp < rgb.pix
pngtopnm photo.png | pnmtopng -interlace > interlaced.png
exiftool -q -overwrite_original -Artist=A -Comment=hello -GPSLatitude=1 -XMP-dc:Rights=R photo.jpg photo.png photo.webp
convert photo.png -profile /usr/share/color/icc/ghostscript/srgb.icc profiled.png 2>/dev/null || cp photo.png profiled.png
for i in $(seq 6); do cat photo.jpg; done > /dev/null
imgdecode photo.jpg photo.png photo.webp > three.pix
"""

# What goes to standard output: whether that is a pixel stream, and the command.
PIPES = [
    (True, "imgdecode photo.jpg"), (True, "imgdecode progressive.jpg"), (True, "imgdecode photo.png"), (True, "imgdecode interlaced.png"),
    (True, "imgdecode photo.webp"), (True, "imgdecode lossless.webp"), (True, "imgdecode --color srgb --pixels rgba profiled.png"),
    (True, "imgdecode --salvage photo.jpg"), (True, "imgresize 50 < rgb.pix"), (True, "imgresize --fit cover --gravity smart 40x60 < rgb.pix"),
    (False, "imgencode < rgb.pix"), (False, "imgencode --progressive < rgb.pix"), (False, "imgencode -f png < rgb.pix"),
    (False, "imgencode -f png --palette < rgb.pix"), (False, "imgencode -f webp < rgb.pix"), (False, "imgencode --min-ssim 0.95 < rgb.pix"),
    (False, "imgstrip photo.jpg"), (False, "imgstrip photo.png"), (False, "imgstrip photo.webp"), (False, "cat photo.webp | imgstrip"),
    (False, "imginfo --json photo.jpg photo.png photo.webp"), (False, "imgquality --metric psnr,ssim,ssimulacra2 photo.png photo.jpg"),
]


class Machine:
    """Runs commands in a folder, with faults."""

    def __init__(self, folder, library):
        self.folder, self.library = folder, library

    def run(self, command, fault=None):
        """Status (negative: a signal), output, messages, and how many calls the last process has counted."""
        reader, writer = os.pipe()
        # The shell itself has no faults.
        exports = f"export LD_PRELOAD={self.library} FAULT={fault} FAULT_FD={writer}; " if fault else ""
        tool = command.replace("| img", f"| env LD_PRELOAD={self.library} FAULT={fault} FAULT_FD={writer} img") if fault and "|" in command else None
        script = tool if tool else exports + "exec " + command if fault else command
        process = subprocess.run(["sh", "-c", script], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                 env={**os.environ, "SWIFT_BACKTRACE": "enable=no"}, pass_fds=[writer], check=False)
        os.close(writer)
        with os.fdopen(reader) as counts:
            numbers = [int(line) for line in counts.read().split()]
        status = process.returncode if process.returncode < 128 else 128 - process.returncode
        return status, process.stdout, process.stderr.decode(errors="replace"), numbers[-1] if numbers else 0


def spread(count):
    """Numbers from 1 to `count`: all of few, else the first ones and some of the rest."""
    if count <= MOST_TRIES:
        return range(1, count + 1)
    step = count / (MOST_TRIES / 2)
    return sorted(set(range(1, MOST_TRIES // 2)) | {int(1 + i * step) for i in range(MOST_TRIES // 2)} | {count})


def is_taken(output):
    """Whether the next filter takes a stream for whole."""
    process = subprocess.run(["imgresize", "8"], input=output, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return process.returncode == 0


def content(stream):
    """Pixels and metadata of a stream, however its rows are cut into bands."""
    run = lambda *command: subprocess.run(command, input=stream, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return run("imgencode", "-f", "pam").stdout, run("imginfo", "--json").stdout


def check_memory(machine, results):
    """Codecs' and the pool's allocations are said; where another one dies, nobody takes what it leaves for whole."""
    for kind in ("codec", "pool", "all"):
        tried = crashes_of_libwebp = 0
        for is_stream, command in PIPES:
            _, whole, messages, count = machine.run(command, f"{kind}:0")
            for n in spread(count):
                tried += 1
                status, output, messages, _ = machine.run(command, f"{kind}:{n}")
                what = f"{kind} {n} of {count}: {command}: status {status}, {messages.strip()[:200]}"
                if status == 0:
                    # Done without, or less was to be said.
                    results.check(output == whole or (is_stream and content(output) == content(whole)), what + ", but the output differs")
                    continue
                if "lossless.webp" in command and status == -signal.SIGSEGV:
                    # libwebp 1.2.4 uses what it has found no memory for. Whoever reads on sees the end.
                    crashes_of_libwebp += 1
                elif kind == "all":
                    results.check(status < 0 or status in (65, 70, 71, 74), what)
                else:
                    # libwebp calls some of them damage.
                    said = "memory|corrupt WebP" if "webp" in command else "memory"
                    results.check(status in (65, 74) and re.search(said, messages, re.I) and messages.count("\n") == 1, what)
                # The last one may fail when all is out.
                if kind == "all" and output == whole:
                    continue
                if is_stream:
                    results.check(not is_taken(output), what + ": the next filter takes it")
                elif not command.startswith("imginfo") and "imgstrip" not in command:
                    results.check(output == b"", what + ": something was written")
        print(f"{kind}: {tried} failed allocations" + (f", {crashes_of_libwebp} of them deadly to libwebp" if crashes_of_libwebp else ""))


def check_files(machine, results):
    """What has a name is whole, or what it was."""
    folder = machine.folder
    commands = {
        "imgencode -o new.jpg < rgb.pix": ["new.jpg"], "imgencode -o old.png < rgb.pix": ["old.png"],
        "imgencode -o 'out/%i.webp' < three.pix": ["out/1.webp", "out/2.webp", "out/3.webp"],
        "imgstrip -i old1.jpg old2.png": ["old1.jpg", "old2.png"], "imgstrip -o 'out/%f' photo.jpg photo.png": ["out/photo.jpg", "out/photo.png"],
        "imgquality --map map.png photo.png photo.jpg": ["map.png"],
    }

    def prepare():
        shutil.rmtree(os.path.join(folder, "out"), ignore_errors=True)
        os.mkdir(os.path.join(folder, "out"))
        for name in ("new.jpg", "map.png"):
            if os.path.exists(os.path.join(folder, name)):
                os.remove(os.path.join(folder, name))
        for old, name in (("photo.png", "old.png"), ("photo.jpg", "old1.jpg"), ("photo.png", "old2.png")):
            shutil.copy(os.path.join(folder, old), os.path.join(folder, name))

    def contents(names):
        found = {}
        for name in names:
            path = os.path.join(folder, name)
            found[name] = open(path, "rb").read() if os.path.exists(path) else None
        return found

    tried = 0
    for command, names in commands.items():
        prepare()
        before = contents(names)
        machine.run(command)
        after = contents(names)
        total = sum(len(content) for content in after.values())
        prepare()
        _, _, _, count = machine.run(command, "all:0")
        faults = [f"full:{n}" for n in sorted({0, 1, 100, 4096, *(total * i // 12 for i in range(12)), total - 1})]
        for fault in faults + [f"all:{n}" for n in spread(count)]:
            tried += 1
            prepare()
            status, _, messages, _ = machine.run(command, fault)
            what = f"{fault}: {command}: status {status}, {messages.strip()[:200]}"
            for name, content in contents(names).items():
                results.check(content == before[name] or content == after[name], f"{what}: {name} is neither what it was nor what it was to be")
                if status == 0:
                    results.check(content == after[name], f"{what}: {name} is not done")
            if fault.startswith("full"):
                results.check(status == 0 if int(fault[5:]) > 2 * total else status in (0, 73, 74), what)
                if status:
                    results.check("no space left" in messages, what)
            left = [name for _, _, found in os.walk(folder) for name in found if name.startswith(".imgpipe")]
            # A process that dies in Swift's own allocation cannot tidy up.
            results.check(status < 0 or not left, f"{what}: leaves {left}")
            for name in left:
                os.remove(os.path.join(folder, name))
    print(f"{tried} faults with files")


def check_pipe_full(machine, results):
    """Standard output that takes no more."""
    for is_stream, command in PIPES:
        _, whole, _, _ = machine.run(command)
        for n in sorted({0, 1, 40, *(len(whole) * i // 6 for i in range(6)), len(whole) - 1}):
            status, output, messages, _ = machine.run(command, f"full:{n}")
            what = f"full:{n}: {command}: status {status}, {messages.strip()[:200]}"
            results.check(status == 74 and "no space left" in messages and len(output) <= n, what)


def check_slow(machine, results):
    """Short reads and writes, and signals, change nothing."""
    for _, command in PIPES + [(True, "imgdecode photo.jpg photo.png | imgresize 40"), (False, "printf 'photo.jpg\\0photo.png\\0' | imgdecode --files0-from -")]:
        status, whole, messages, _ = machine.run(command)
        for seed in range(12 if LONG else 3):
            found = machine.run(command, f"slow:{seed}")
            results.check(found[:3] == (status, whole, messages), f"slow:{seed}: {command}: status {found[0]}, {found[2].strip()[:200]}")


def processes_in(folder):
    """Processes that work there."""
    found = []
    for process in os.listdir("/proc"):
        try:
            if process.isdigit() and os.readlink(f"/proc/{process}/cwd") == folder:
                found.append(process)
        except OSError:
            pass
    return found


def check_death(machine, results):
    """SIGKILL at random moments of lists, to the filter alone."""
    folder = os.path.join(machine.folder, "many")
    os.mkdir(folder)
    names = [f"{i}.jpg" for i in range(300)]
    tagged = open(os.path.join(machine.folder, "photo.jpg"), "rb").read()
    stripped = machine.run("imgstrip photo.jpg")[1]
    encoded = None
    with open(os.path.join(folder, "list"), "wb") as file:
        file.write("".join(name + "\0" for name in names).encode())
    shell('cd "$1"; for i in $(seq 40); do cat ../photo.jpg > p$i.jpg; done; imgdecode p*.jpg > many.pix; mkdir out; imgencode -o out/%n.jpg < many.pix', folder)
    encoded = open(os.path.join(folder, "out", "p1.jpg"), "rb").read()
    generator = random.Random(7)
    commands = {
        "imgstrip -i --files0-from list": 0.06, "cat list | imgstrip -i -j 2 --files0-from -": 0.06, "imgstrip -i -j 2 " + " ".join(names[:200]): 0.04,
        "imgencode -o 'out/%n.jpg' < many.pix": 0.08,
    }
    done = {command: 0 for command in commands}
    for round_number in range(ROUNDS):
        command = list(commands)[round_number % len(commands)]
        for name in names:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(tagged)
        shutil.rmtree(os.path.join(folder, "out"))
        os.mkdir(os.path.join(folder, "out"))
        process = subprocess.Popen(["bash", "-c", command.replace("| img", "| exec img") if "|" in command else "exec " + command], cwd=folder,
                                   stderr=subprocess.DEVNULL, preexec_fn=os.setsid)
        time.sleep(generator.uniform(0, commands[command]))
        for victim in [p for p in processes_in(folder) if open(f"/proc/{p}/comm", encoding="utf-8").read().startswith(("imgstrip", "imgencode"))][:1] if "|" in command else [str(process.pid)]:
            try:
                os.kill(int(victim), signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()
        contents = [open(os.path.join(folder, name), "rb").read() for name in names]
        done[command] += sum(content == stripped for content in contents)
        results.check(all(content in (tagged, stripped) for content in contents), f"killed: {command[:60]}: a file is neither old nor new")
        for name in os.listdir(os.path.join(folder, "out")):
            if not name.startswith("."):
                results.check(open(os.path.join(folder, "out", name), "rb").read() == encoded, f"killed: {command[:60]}: {name} is half")
        # Whoever opened and named files for it goes too.
        for _ in range(100):
            if not processes_in(folder):
                break
            time.sleep(0.02)
        results.check(not processes_in(folder), f"killed: {command[:60]}: a process is left")
        for where in (folder, os.path.join(folder, "out")):
            for name in os.listdir(where):
                if name.startswith(".imgpipe"):
                    os.remove(os.path.join(where, name))
    print("killed; files done by then:", ", ".join(f"{count} by {command[:30]}" for command, count in done.items()))
    # Killed too early or too late everywhere, it would show nothing.
    results.check(sum(0 < done[command] for command in list(commands)[:3]) > 0, f"killed: no list was in the middle: {done}")


def main():
    take_tools("faults of the machine")
    results = Results()
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        library = os.path.join(folder, "faults.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "faults.c")
        subprocess.run([shutil.which("clang") or "cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        name = shell("dpkg --listfiles mate-backgrounds | grep '/nature/.*[.]jpg$' | head -n 1").decode().strip()
        shell(MAKE, folder, name)
        machine = Machine(folder, library)
        for check in (check_memory, check_pipe_full, check_slow, check_files, check_death):
            began = time.monotonic()
            check(machine, results)
            print(f"{check.__name__}: {time.monotonic() - began:.0f} s")
    results.end()


if __name__ == "__main__":
    main()
