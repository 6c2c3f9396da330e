#!/usr/bin/env python3
"""imgbatch: the bytes of the filters' pipeline, every job answered once, and what a crash, a signal or a full disk leaves.

Pictures are the corpus's where there is one, else Debian's wallpapers."""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from harness import Results, content, find_corpus, take_tools

LONG = bool(os.environ.get("LONG"))
WALLPAPERS = sorted(glob.glob("/usr/share/backgrounds/mate/*/*.jpg") + glob.glob("/usr/share/backgrounds/mate/*/*.png"))

# Neither large nor small.
PHOTOGRAPH = next((path for path in WALLPAPERS if path.endswith(".jpg") and 200_000 < os.path.getsize(path) < 2_000_000), None)


def batch(jobs, *options, folder=None, **run):
    """Runs imgbatch on jobs; gives answers, status and messages."""
    lines = "".join(json.dumps(job) + "\n" for job in jobs)
    process = subprocess.run(["imgbatch", *options], input=lines.encode(), capture_output=True, cwd=folder, check=False, timeout=600, **run)
    return [json.loads(line) for line in process.stdout.splitlines()], process.returncode, process.stderr.decode(errors="replace")


def pipeline(path, output, decode=(), resize=(), strip=None, encode=()):
    """The same by the filters; gives the first filter's status that is not 0, and what they say."""
    words = [["imgdecode", *decode, "--", path]]
    if resize:
        words.append(["imgresize", *resize])
    if strip is not None:
        words.append(["imgstrip", *strip])
    words.append(["imgencode", *encode, "-o", output])
    processes, source = [], None
    for i, word in enumerate(words):
        last = i == len(words) - 1
        process = subprocess.Popen(word, stdin=source or subprocess.DEVNULL, stdout=None if last else subprocess.PIPE, stderr=subprocess.PIPE)
        if source:
            source.close()
        source = process.stdout
        processes.append(process)
    messages = [process.stderr.read().decode(errors="replace") for process in processes]
    statuses = [process.wait() for process in processes]
    return statuses[-1], "".join(messages)


RECIPES = [
    ("small jpeg", {"resize": "120>", "quality": 85}, {"resize": ["120>"], "encode": ["-q", "85"]}, "jpg"),
    ("webp, stripped", {"resize": "90x90", "fit": "cover", "strip": {"keep": ["icc", "copyright"]}, "quality": 70},
     {"resize": ["90x90", "--fit", "cover"], "strip": ["--keep", "icc,copyright"], "encode": ["-q", "70"]}, "webp"),
    ("png, whole", {"color": "srgb", "effort": 3}, {"decode": ["--color", "srgb"], "encode": ["--effort", "3"]}, "png"),
    ("salvaged", {"salvage": True, "resize": "64"}, {"decode": ["--salvage"], "resize": ["64"]}, "jpg"),
    ("a floor", {"resize": "200>", "min_ssim": 0.95}, {"resize": ["200>"], "encode": ["--min-ssim", "0.95"]}, "jpg"),
]


def same_as_filters(results, corpus, folder):
    """Every picture of the corpus, a part of them for each recipe where time is short: bytes, statuses, and no output where there is none."""
    pictures = sorted(glob.glob(corpus + "/*/*.*") + glob.glob(corpus + "/broken/*/*.*")) if corpus else WALLPAPERS
    for n, (name, members, words, ending) in enumerate(RECIPES):
        if name == "a floor" and not LONG:
            continue
        chosen = pictures if LONG else pictures[n::4]
        theirs = []
        for path in chosen:
            output = f"{folder}/filters.{ending}"
            code, said = pipeline(path, output, **words)
            theirs.append((code, said, content(output)))
            if os.path.exists(output):
                os.remove(output)
        for isolation in ("never", "always"):
            jobs = [{"id": i, "in": path, "out": f"{folder}/ours/{i}.{ending}", **members} for i, path in enumerate(chosen)]
            answers, status, messages = batch(jobs, "-j", "2", "--isolate", isolation)
            each = sorted(answer["id"] for answer in answers) == list(range(len(jobs)))
            results.check(status == 0 and each and not messages, f"{name}, {isolation}: status {status}, each answered once: {each} {messages[:300]}")
            answers = {answer["id"]: answer for answer in answers}
            for i, (code, said, expected) in enumerate(theirs):
                answer, ours = answers.get(i, {}), content(f"{folder}/ours/{i}.{ending}")
                fits = answer.get("status") == "done" if code == 0 else answer.get("status") == "failed" and answer.get("exit") == code
                results.check(fits and ours == expected, f"{name}, {isolation}: {chosen[i]}: {answer}; the filters: {code} {said}; same bytes: {ours == expected}")
            shutil.rmtree(f"{folder}/ours", ignore_errors=True)


def photographs(count):
    """So many names of photographs, over and over the same ones."""
    return [WALLPAPERS[i % len(WALLPAPERS)] for i in range(count)]


def small_pictures(folder):
    """Small ones of mixed sizes and formats, made once from wallpapers."""
    os.makedirs(folder)
    names = []
    for i, path in enumerate(WALLPAPERS[:12]):
        for ending, width in (("jpg", 320 + 40 * i), ("png", 120 + 16 * i), ("webp", 200 + 24 * i)):
            name = f"{folder}/{i}.{ending}"
            subprocess.run(["sh", "-c", 'imgdecode "$1" | imgresize "$2" | imgencode -o "$3"', "sh", path, str(width), name], check=True)
            names.append(name)
    return names


def answers_and_their_order(results, folder, small):
    """Priorities, lifetimes, order, skipping, names of outputs, lines that are no jobs."""
    jobs = [{"id": i, "in": small[i % len(small)], "out": f"{folder}/a/{i}.jpg", "resize": "64"} for i in range(60)]
    answers, status, _ = batch(jobs, "--ordered", "-j", "2")
    results.check(status == 0 and [a["id"] for a in answers] == list(range(60)), "--ordered answers in the order of the jobs")

    # One slot, and a job that keeps it while the others come in.
    slow = {"id": "slow", "in": WALLPAPERS[0], "out": f"{folder}/a/slow.webp", "effort": 9, "min_ssim": 0.99, "priority": 0}
    jobs = [slow] + [{"id": i, "in": PHOTOGRAPH, "out": f"{folder}/p/{i}.jpg", "resize": "800", "priority": 7 - i // 10} for i in range(40)]
    answers, status, _ = batch(jobs, "-j", "1")
    order = [a["id"] for a in answers if a["id"] != "slow"]
    wanted = sorted(range(40), key=lambda i: (7 - i // 10, i))
    # One may be taken before the others have come, and outputs take their names beside each other: what is next to its place is in it. Each takes
    # longer than a file system that others load takes for a name.
    moved = [i for i in range(40) if abs(order.index(wanted[i]) - i) > 4]
    results.check(status == 0 and len(moved) <= 1, f"the most urgent goes first, and within a priority the first: {order}")

    expired = [{**job, "id": f"e{i}", "ttl_ms": 1, "priority": 7} for i, job in enumerate(jobs[1:11])]
    answers, status, _ = batch([slow] + expired, "-j", "1")
    ends = {a["id"]: a["status"] for a in answers}
    results.check(status == 0 and len(ends) == 11 and list(ends.values()).count("expired") >= 8, f"jobs that wait too long expire: {ends}")
    results.check(batch([slow] + expired, "-j", "1", "--strict")[1] == 1, "--strict: status 1 when jobs expired")
    long = {**slow, "id": "long", "ttl_ms": 150}
    answers, _, _ = batch([long], "-j", "1")
    results.check(answers[0]["status"] == "expired", f"a job expires while it is worked on: {answers}")
    answers, _, _ = batch([long], "-j", "1", "--isolate", "always")
    results.check(answers[0]["status"] == "expired", f"in a process of its own too: {answers}")

    lines = b'{"id":1,"in":"a","out":"b.jpg","resize":"huge"}\n{"id":2}\nno job\n[1]\n\n{"id":3,"in":"a","out":"b.jpg","qualty":3}\n{"id":true,"in":"a"}\n'
    process = subprocess.run(["imgbatch"], input=lines, capture_output=True, check=False, timeout=60)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    results.check(process.returncode == 64 and len(answers) == 6 and all(a["exit"] == 64 for a in answers), f"lines that are no jobs: {answers}")
    results.check([a.get("out") for a in answers] == ["b.jpg", None, None, None, "b.jpg", None], f"the output of a line that is no job: {answers}")
    alone = subprocess.run(["imgbatch", "--files0-from=-", "-o", "gs://bucket/%n.jpg"], input=small[0].encode(), capture_output=True, check=False, timeout=60)
    results.check(alone.returncode == 64 and not alone.stdout and b"gs://" in alone.stderr, f"a scheme that is none of ours: {alone}")
    said = process.stderr.decode().splitlines()
    results.check([line.split(": ")[1] for line in said] == [f"line {i}" for i in range(1, 7)], f"each is told by its number: {said}")

    for name in ("one", "two"):
        os.makedirs(f"{folder}/tree/{name}", exist_ok=True)
        shutil.copy(small[0], f"{folder}/tree/{name}/a.jpg")
        shutil.copy(small[3], f"{folder}/tree/{name}/b b\n.jpg")
    script = "cd \"$1\" && find tree -name '*.jpg' -print0 | imgbatch --files0-from=- --resize 40 -o 'thumbs/%d/%n-%w.webp'"
    first = subprocess.run(["sh", "-c", script, "sh", folder], capture_output=True, check=False, timeout=60)
    made = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(f"{folder}/thumbs") for name in names)
    results.check(first.returncode == 0 and made == [f"thumbs/tree/{d}/{n}-40.webp" for d in ("one", "two") for n in ("a", "b b\n")], f"names of a tree: {made} {first}")
    collide = subprocess.run(["sh", "-c", script.replace("%d/", "").replace("-%w", ""), "sh", folder], capture_output=True, check=False, timeout=60)
    ends = sorted((json.loads(line)["status"], json.loads(line).get("exit")) for line in collide.stdout.splitlines())
    results.check(ends == [("done", None)] * 2 + [("failed", 73)] * 2, f"two pictures for one name: {ends}")
    again = subprocess.run(["sh", "-c", script.replace("-%w", "") + " --newer", "sh", folder], capture_output=True, check=False, timeout=60)
    again = subprocess.run(["sh", "-c", script.replace("-%w", "") + " --newer", "sh", folder], capture_output=True, check=False, timeout=60)
    results.check([json.loads(line)["status"] for line in again.stdout.splitlines()] == ["skipped"] * 4, f"--newer skips what is done: {again}")
    answers, _, _ = batch([{"id": 1, "in": small[0], "out": f"{folder}/dry.jpg"}, {"id": 2, "in": "/nowhere", "out": f"{folder}/dry.jpg"}], "--dry-run")
    ends = {a["id"]: a["status"] for a in answers}
    results.check(ends == {1: "skipped", 2: "failed"} and not os.path.exists(f"{folder}/dry.jpg"), f"--dry-run: {ends}")
    twice = [{"id": i, "in": small[0], "out": f"{folder}/cached/{i}.jpg", "resize": "100"} for i in range(50)]
    answers, status, said = batch(twice, "--cache-mb", "16", "--metrics-file", f"{folder}/m.prom")
    same = {content(job["out"]) for job in twice}
    results.check(status == 0 and len(same) == 1 and None not in same, f"results from the cache are the same: {len(same)} {said}")
    metrics = content(f"{folder}/m.prom").decode()
    results.check('imgpipe_cache_requests_total{result="miss"} 1\n' in metrics and 'imgpipe_jobs_total{status="done",priority="7"} 50\n' in metrics, metrics)


def what_a_picture_leaves(results, folder, small):
    """Nothing for the next one; and what no job may do to the run."""
    # Two pictures of other tables, and one that has none of its own (DQT, marker ffdb, is renamed to a segment that nobody reads).
    whole = content(small[0])
    bare = whole.replace(b"\xff\xdb", b"\xff\xee")
    with open(f"{folder}/bare.jpg", "wb") as file:
        file.write(bare)
    for isolation in ("never", "always"):
        jobs = [{"id": 1, "in": small[3], "out": f"{folder}/l/1.png"}, {"id": 2, "in": f"{folder}/bare.jpg", "out": f"{folder}/l/2.png"}]
        ends = {a["id"]: a.get("exit") for a in batch(jobs, "-j", "1", "--isolate", isolation)[0]}
        results.check(ends == {1: None, 2: 65}, f"a picture without tables is not decoded with another's, {isolation}: {ends}")
    status = subprocess.run(["sh", "-c", 'imgdecode "$1" "$2" | imgencode -o "$3/l/%n.png"', "sh", small[3], f"{folder}/bare.jpg", folder], capture_output=True, check=False).returncode
    results.check(status == 65, f"nor by the filters: {status}")

    job = {"id": 1, "in": small[0], "out": f"{folder}/l/3.jpg"}
    answers, status, said = batch([job, {**job, "id": 2, "ttl_ms": 2 ** 63 - 1}, {**job, "id": 3, "ttl_ms": 2 ** 43}], "-j", "1")
    ends = {a["id"]: a.get("exit") for a in answers}
    results.check(status == 64 and ends == {1: None, 2: 64, 3: None}, f"the longest lifetime: {ends} {said}")
    secret = "https://user:hunter2@127.0.0.1:1/x.jpg?X-Amz-Signature=hunter3"
    bad = [{"id": 1, "in": secret, "out": "a.jpg", "resize": "huge"}, {"id": 2, "in": secret, "out": "a.jpg", "ttl_ms": 0}, {"id": 3, "in": secret},
           {"id": 4, "in": secret, "out": "s3:///x.jpg"}, {"id": 5, "in": small[0], "out": secret, "ttl_ms": 0}, {"id": 6, "in": "ftp://a:hunter2@b/c", "out": "a.jpg", "ttl_ms": 0}]
    answers, _, said = batch(bad)
    results.check(len(answers) == 6 and "hunter" not in json.dumps(answers) + said, f"no secret is told: {answers} {said}")
    answers, _, _ = batch([{**job, "keep": ["icc"] * 17000}], "--isolate", "always")
    results.check(answers[0].get("exit") == 64, f"options that are too long are refused: {answers}")
    with open(f"{folder}/token", "wb") as file:
        file.write(b"my only token")
    status = batch([job], "--journal", f"{folder}/token")[1]
    results.check(status == 73 and content(f"{folder}/token") == b"my only token", f"a file without a line feed is no journal: {status}")


def kills_and_a_journal(results, folder, small):
    """kill -9 at random moments, and again with the journal: every output, as an undisturbed run makes it."""
    random.seed(8)
    count = 2000 if LONG else 600
    jobs = [{"id": i, "in": small[i % len(small)], "out": f"{folder}/k/{i}.jpg", "resize": f"{40 + i % 50}"} for i in range(count)]
    lines = "".join(json.dumps(job) + "\n" for job in jobs).encode()
    undisturbed = [{**job, "out": job["out"].replace("/k/", "/u/")} for job in jobs]
    start = time.monotonic()
    batch(undisturbed, "-j", "2")
    duration = time.monotonic() - start
    journal = f"{folder}/journal"
    for isolation in ("never", "always"):
        shutil.rmtree(f"{folder}/k", ignore_errors=True)
        for attempt in range(5):
            process = subprocess.Popen(["imgbatch", "-j", "2", "--journal", journal, "--isolate", isolation], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            feeder = os.fork()
            if feeder == 0:
                try:
                    process.stdin.write(lines)
                    process.stdin.close()
                finally:
                    os._exit(0)
            process.stdin.close()
            time.sleep(random.uniform(0.05, duration / 2))
            process.send_signal(signal.SIGKILL)
            process.wait()
            os.waitpid(feeder, 0)
            halves = [name for name in os.listdir(f"{folder}/k") if not name.startswith(".imgpipe-") and content(f"{folder}/k/{name}") != content(f"{folder}/u/{name}")] if os.path.isdir(f"{folder}/k") else []
            results.check(not halves, f"nothing half is ever seen, killed {attempt}, {isolation}: {halves}")
        noted = sum(line.startswith(b"done ") for line in (content(journal) or b"").splitlines())
        answers, status, said = batch(jobs, "-j", "2", "--journal", journal, "--isolate", isolation)
        ends = [a["status"] for a in answers]
        results.check(status == 0 and len({a["id"] for a in answers}) == len(ends) == count, f"every id is answered once: {status} {len(ends)} {said}")
        results.check(ends.count("done") + ends.count("skipped") == count and abs(ends.count("skipped") - noted) <= 1, f"skipped: {ends.count('skipped')}, in the journal {noted}")
        wrong = [job["id"] for job in jobs if content(job["out"]) != content(job["out"].replace("/k/", "/u/"))]
        results.check(not wrong, f"outputs as of an undisturbed run, {isolation}: {wrong[:5]}")
        answers, _, _ = batch(jobs, "-j", "2", "--journal", journal)
        results.check([a["status"] for a in answers] == ["skipped"] * count, "a run after that has nothing to do")
        # A line that was cut off, and one that was changed.
        lines_of = content(journal).splitlines(keepends=True)
        with open(journal, "wb") as file:
            file.write(b"".join([lines_of[0].replace(b"done ", b"dune ")] + lines_of[1:-1]) + lines_of[-1][:20])
        answers, status, said = batch(jobs, "-j", "2", "--journal", journal)
        ends = [a["status"] for a in answers]
        results.check(status == 0 and ends.count("done") == 2 and "damaged lines: 1;" in said, f"damaged lines are done again: {ends.count('done')} {said}")
        os.remove(journal)
    with open(journal, "wb") as file:
        file.write(b"a letter\n")
    answers, status, said = batch(jobs[:1], "--journal", journal)
    results.check(status == 73 and content(journal) == b"a letter\n", f"what is no journal is left: {status} {said}")
    os.remove(journal)


def what_goes_wrong(results, folder, small):
    """Signals, a reader that goes, a full disk, workers that die."""
    jobs = [{"id": i, "in": WALLPAPERS[i % len(WALLPAPERS)], "out": f"{folder}/w/{i}.jpg", "resize": "300"} for i in range(400)]
    lines = "".join(json.dumps(job) + "\n" for job in jobs).encode()
    for isolation in ("never", "always"):
        for number in (signal.SIGINT, signal.SIGTERM):
            with open(f"{folder}/lines", "wb") as file:
                file.write(lines)
            with open(f"{folder}/lines", "rb") as file:
                process = subprocess.Popen(["imgbatch", "-j", "2", "--isolate", isolation, "--journal", f"{folder}/j"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                process.stdout.readline()
                process.send_signal(number)
                out, err = process.communicate(timeout=30)
            results.check(process.returncode == -number and not err, f"{number}: ends by it, {process.returncode} {err}")
            results.check(len(out.splitlines()) < 399, f"{number}: and before its time")
            noted = sum(line.startswith(b"done ") for line in content(f"{folder}/j").splitlines())
            results.check(noted == len(os.listdir(f"{folder}/w")), f"{number}: what is there is in the journal: {noted}")
            os.remove(f"{folder}/j")
            shutil.rmtree(f"{folder}/w")
    process = subprocess.run(["sh", "-c", "imgbatch -j 2 < \"$1\" | head -n 1", "sh", f"{folder}/lines"], capture_output=True, check=False, timeout=60)
    results.check(len(process.stdout.splitlines()) == 1 and not process.stderr, f"a reader that has gone is a quiet end: {process.stderr}")
    shutil.rmtree(f"{folder}/w", ignore_errors=True)
    with open(f"{folder}/lines", "rb") as file, open("/dev/full", "wb") as full:
        process = subprocess.run(["imgbatch", "-j", "2"], stdin=file, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    results.check(process.returncode == 74 and process.stderr.count(b"\n") == 1, f"results that cannot be written: {process.returncode} {process.stderr}")
    shutil.rmtree(f"{folder}/w", ignore_errors=True)
    answers, status, said = batch([{"id": 1, "in": small[0], "out": "/dev/full/x.jpg"}, {"id": 2, "in": small[0], "out": "/dev/full", "format": "jpeg"}])
    ends = {a["id"]: a.get("exit") for a in answers}
    results.check(status == 0 and ends == {1: 73, 2: 74}, f"outputs that cannot be: {answers} {said}")

    # Workers killed while they work: their pictures fail, or with --retries are done; nobody else's do.
    some = [{**job, "in": WALLPAPERS[0]} for job in jobs[:40]]
    for retries in ("0", "20"):
        process = subprocess.Popen(["imgbatch", "-j", "2", "--isolate", "always", "--retries", retries], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write("".join(json.dumps(job) + "\n" for job in some).encode())
        process.stdin.close()
        for _ in range(10):
            time.sleep(0.05)
            subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
        answers = [json.loads(line) for line in process.stdout.read().splitlines()]
        said = process.stderr.read().decode()
        process.wait(timeout=60)
        ends = [a["status"] for a in answers]
        failures = {a["error"] for a in answers if a["status"] == "failed"}
        if retries == "0":
            results.check(len(ends) == 40 and 1 <= ends.count("failed") <= 20 and failures == {"internal error: its worker process died of signal 9 (killed)"}, f"workers that die: {ends.count('failed')} {failures} {said}")
        else:
            results.check(ends == ["done"] * 40, f"and with --retries: {failures}")
    shutil.rmtree(f"{folder}/w", ignore_errors=True)


def memory_and_a_long_run(results, folder, small):
    """10,000 jobs: each answered once, as it must be; memory as flat after them as after a thousand."""
    count = 10000
    broken = f"{folder}/broken.jpg"
    with open(broken, "wb") as file:
        file.write(content(small[3])[:len(content(small[3])) // 2])
    jobs = []
    for i in range(count):
        job = {"id": f"n{i}", "in": small[i % len(small)], "out": f"{folder}/m/{i % 500}.jpg", "resize": "100", "quality": 85}
        if i % 100 == 7:
            job["in"] = broken
        if i % 200 == 11:
            job["ttl_ms"] = 0
        jobs.append(job)
    for isolation in ("never", "always"):
        process = subprocess.Popen(["imgbatch", "-j", "2", "-v", "--isolate", isolation], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if os.fork() == 0:
            try:
                process.stdin.write("".join(json.dumps(job) + "\n" for job in jobs).encode())
                process.stdin.close()
            finally:
                os._exit(0)
        process.stdin.close()
        answers, resident = [], {}
        for line in process.stdout:
            answers.append(json.loads(line))
            if len(answers) in (1000, count - 10):
                resident[len(answers)] = sum(rss(pid) for pid in [process.pid, *children(process.pid)])
        said = process.stderr.read().decode()
        status = process.wait()
        ends = {a["id"]: (a["status"], a.get("exit")) for a in answers}
        wanted = {f"n{i}": ("expired", None) if i % 200 == 11 else ("failed", 65) if i % 100 == 7 else ("done", None) for i in range(count)}
        results.check(status == 0 and len(answers) == count and ends == wanted, f"10,000 jobs, {isolation}: status {status}, {len(answers)} answers")
        before, after = resident[1000], resident[count - 10]
        print(f"{isolation}: {before // 1024} KiB resident after 1,000 jobs, {after // 1024} after 10,000; {said.strip()}")
        # The mark.
        results.check(after <= 1.1 * before, f"memory is flat, {isolation}: {before} and {after}")
        results.check("allocations per picture: 0" in said, f"buffers are used again: {said}")
        shutil.rmtree(f"{folder}/m")


def children(pid):
    return [int(word) for path in glob.glob(f"/proc/{pid}/task/*/children") for word in (content(path) or b"").split()]


def rss(pid):
    """Bytes resident, without what is shared with others."""
    text = (content(f"/proc/{pid}/smaps_rollup") or b"").decode()
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(("Private_", "Pss:")) and "Pss" in line)


def main():
    take_tools(__doc__)
    results, corpus = Results(), find_corpus()
    if not corpus:
        results.skipped += 1
    folder = tempfile.mkdtemp(prefix="imgbatch-")
    try:
        small = small_pictures(f"{folder}/small")
        answers_and_their_order(results, folder, small)
        what_a_picture_leaves(results, folder, small)
        kills_and_a_journal(results, folder, small)
        what_goes_wrong(results, folder, small)
        memory_and_a_long_run(results, folder, small)
        same_as_filters(results, corpus, folder)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
