#!/usr/bin/env python3
"""imgbatch where the system gives little, or others do not play along: few threads and files, a stopped worker, pipes that nobody reads."""
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from batch import WALLPAPERS, batch, children, small_pictures
from harness import Results, content, take_tools


def few_threads(results, folder, small):
    """A user who may have so few threads: all is done by those that there are, or one line says that there are none."""
    jobs = [{"id": i, "in": name, "out": f"{folder}/t/{i}.jpg", "resize": "40"} for i, name in enumerate(small)]
    lines = "".join(json.dumps(job) + "\n" for job in jobs).encode()
    os.makedirs(f"{folder}/t")
    for path in (folder, f"{folder}/t", f"{folder}/small"):
        os.chmod(path, 0o777)
    if os.geteuid() != 0:
        print("SKIPPED: few threads: only root can run as a user without any")
        results.skipped += 1
        return
    # Where the tools are not everybody may go.
    tool = shutil.copy(shutil.which("imgbatch"), f"{folder}/imgbatch")
    user, ends = 64123, []
    for count in range(1, 10):
        limits = lambda: resource.setrlimit(resource.RLIMIT_NPROC, (count, count))  # noqa: E731
        for isolation in ("never", "always"):
            try:
                process = subprocess.run([tool, "-j", "4", "--isolate", isolation], input=lines, capture_output=True, check=False, timeout=60, user=user, group=user, extra_groups=[], preexec_fn=limits)
            except subprocess.TimeoutExpired:
                results.check(False, f"{count} threads, {isolation}: it hangs")
                continue
            answers = [json.loads(line) for line in process.stdout.splitlines()]
            done = sum(answer["status"] == "done" for answer in answers)
            ends.append((count, isolation, process.returncode, done))
            if process.returncode == 0:
                each = sorted(answer["id"] for answer in answers) == list(range(len(jobs)))
                # A worker needs a process of its own.
                fits = all(answer["status"] == "done" or (isolation == "always" and answer["exit"] == 70 and "worker" in answer["error"]) for answer in answers)
                results.check(each and fits and (isolation == "always" or done == len(jobs)), f"{count} threads, {isolation}: {done} done {process.stderr}")
            else:
                one_line = process.stderr.count(b"\n") == 1 and b"cannot start a thread" in process.stderr
                results.check(process.returncode == 65 and one_line and not answers, f"{count} threads, {isolation}: {process.returncode} {process.stderr}")
    print("threads a user may have, isolation, status, done:", *ends)
    results.check(ends[0][2] == 65 and ends[-2][2:] == (0, len(jobs)), f"with one there is none for a job, with nine there are enough: {ends[0]} {ends[-2]}")


def few_files(results, folder, small):
    """Many pictures at once where few files may be open."""
    jobs = [{"id": i, "in": small[i % len(small)], "out": f"{folder}/f/{i}.jpg", "resize": "40"} for i in range(400)]
    for soft, hard in ((256, 1 << 14), (256, 256)):
        limits = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))  # noqa: E731
        answers, status, said = batch(jobs, "-j", "200", "--isolate", "always", "--journal", f"{folder}/f{hard}.j", preexec_fn=limits)
        bad = [answer for answer in answers if answer["status"] != "done"]
        results.check(status == 0 and len(answers) == 400 and not bad, f"{soft} of {hard} files: {status} {said} {bad[:2]}")
        results.check(("instead of 200" in said) == (hard == 256), f"fewer at once are said: {said}")


def a_worker_that_does_not_end(results, folder, small):
    """Stopped, it is not waited for at the end of a run; nor one that a signal ends."""
    for ends_by_signal in (False, True):
        process = subprocess.Popen(["imgbatch", "-j", "2", "--isolate", "always"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(json.dumps({"id": 1, "in": small[0], "out": f"{folder}/w.jpg"}).encode() + b"\n")
        process.stdin.flush()
        results.check(json.loads(process.stdout.readline())["status"] == "done", "a picture before")
        workers = children(process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        start = time.monotonic()
        if ends_by_signal:
            process.terminate()
        else:
            process.stdin.close()
        try:
            status = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            status = None
        took = time.monotonic() - start
        gone = [worker for worker in workers if not os.path.exists(f"/proc/{worker}")]
        results.check(status == (-signal.SIGTERM if ends_by_signal else 0) and len(workers) == 1 and gone == workers, f"a stopped worker, signal {ends_by_signal}: {status} after {took:.1f} s, {gone} of {workers} gone")


def pipes(results, folder, small):
    """A named pipe as an output: refused at once where nobody reads it, written whole where somebody does; never for metrics."""
    fifo = f"{folder}/fifo"
    os.mkfifo(fifo)
    job = {"id": 1, "in": small[0], "out": fifo, "format": "jpeg"}
    answers, _, said = batch([job])
    results.check(answers[0].get("exit") == 73 and "a pipe that nobody reads" in answers[0].get("error", ""), f"a pipe without a reader: {answers} {said}")
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    answers, _, said = batch([job])
    read = reader.communicate(timeout=30)[0]
    answers_file, _, _ = batch([{**job, "out": f"{folder}/same.jpg"}])
    results.check(answers[0]["status"] == "done" and read == content(f"{folder}/same.jpg") and answers_file[0]["status"] == "done", f"a pipe with one: {answers} {len(read)} {said}")
    answers, status, said = batch([], "--metrics-file", fifo)
    results.check(status == 73 and "a pipe" in said, f"metrics into a pipe: {status} {said}")


def silent_scrapers(results, folder, small):
    """Clients that say nothing keep none of the others waiting, and are let go of."""
    process = subprocess.Popen(["imgbatch", "--metrics-listen", "127.0.0.1:0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    port = int(process.stderr.readline().split(b":")[-1].split(b"/")[0])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    start = time.monotonic()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            # In two parts, as a slow one sends.
            client.sendall(b"GET /metrics HT")
            time.sleep(0.02)
            client.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        results.check(answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"imgpipe_jobs_total" in answer, f"a scrape beside 20 silent clients: {answer[:100]}")
    took = time.monotonic() - start
    # One after the other they would have kept it 40 s.
    results.check(took < 20, f"five scrapes in {took:.1f} s")
    results.check(all(select.select([client], [], [], 10)[0] and client.recv(1) == b"" for client in silent), "silent clients are let go of")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"HEAD /other HTTP/1.1\r\n\r\n")
        results.check(client.recv(65536).startswith(b"HTTP/1.1 404"), "another path")
    process.stdin.close()
    results.check(process.wait(30) == 0, "it ends")


def outputs_that_could_not_be_made(results, folder, small):
    """A disk that is full for a while: tried again. A name that a picture before has: never, however often it is tried."""
    full = f"{folder}/full"
    os.makedirs(full)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8", "tmpfs", full], check=False, capture_output=True).returncode == 0:
        try:
            for i in range(7):
                with open(f"{full}/{i}", "w", encoding="ascii"):
                    pass
            process = subprocess.Popen(["imgbatch", "--retries", "8"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process.stdin.write(json.dumps({"id": 1, "in": small[0], "out": f"{full}/out.jpg", "resize": "40"}).encode() + b"\n")
            process.stdin.close()
            time.sleep(0.5)
            for i in range(7):
                os.remove(f"{full}/{i}")
            answer = json.loads(process.stdout.read())
            results.check(process.wait(60) == 0 and answer["status"] == "done" and content(f"{full}/out.jpg"), f"a disk without room for a name: {answer}")
        finally:
            subprocess.run(["umount", full], check=True)
    else:
        print("SKIPPED: no file system can be mounted here")
        results.skipped += 1
    os.makedirs(f"{folder}/one"), os.makedirs(f"{folder}/two")
    shutil.copy(small[0], f"{folder}/one/x.jpg")
    with open(f"{folder}/two/x.jpg", "wb") as file:
        file.write(content(small[3])[:3000])
    names = "".join(f"{folder}/{part}/x.jpg\0" for part in ("one", "two"))
    process = subprocess.run(["imgbatch", "--files0-from=-", "-o", f"{folder}/same/%n.jpg", "-j", "1", "--retries", "3"], input=names.encode(), capture_output=True, check=False, timeout=60)
    ends = [(answer["status"], answer.get("exit")) for answer in map(json.loads, process.stdout.splitlines())]
    # Whichever is begun first has the name, the damaged one too; the other never gets it.
    results.check(sorted(ends) in ([("done", None), ("failed", 73)], [("failed", 65), ("failed", 73)]), f"two pictures of one name: {ends}")


def names_and_their_journal(results, folder, small):
    """What is in a list of names may stand elsewhere in the next one."""
    run = lambda names: subprocess.run(["imgbatch", "--files0-from=-", "-o", f"{folder}/j/%f.jpg", "--journal", f"{folder}/names.j"], input="".join(f"{name}\0" for name in names).encode(),  # noqa: E731
                                       capture_output=True, check=False, timeout=60)
    first = [json.loads(line)["status"] for line in run(small[:6]).stdout.splitlines()]
    second = {answer["in"]: answer["status"] for answer in map(json.loads, run([small[7], *reversed(small[:6])]).stdout.splitlines())}
    results.check(first == ["done"] * 6 and second == {**{name: "skipped" for name in small[:6]}, small[7]: "done"}, f"a journal of names: {first} {second}")
    answers, status, said = batch([], "--newer", "-o", f"{folder}/%n-%w.jpg")
    results.check(status == 64 and "--newer" in said and not answers, f"--newer with %w: {status} {said}")


def a_journal_of_numbered_names(results, folder, small):
    """A name with the picture's size in it is known too late to be the journal's; its number is part of it all the same."""
    os.makedirs(f"{folder}/ji")
    for name, source in (("a", small[0]), ("b", small[3])):
        shutil.copy(source, f"{folder}/ji/{name}.jpg")
    for names in ("a", "ba"):
        process = subprocess.run(["imgbatch", "--files0-from=-", "-o", f"{folder}/jo/%i-%w.jpg", "--resize", "40x40!", "--journal", f"{folder}/ji/j"],
                                 input="".join(f"{folder}/ji/{name}.jpg\0" for name in names).encode(), capture_output=True, check=False, timeout=60)
        statuses = [json.loads(line)["status"] for line in process.stdout.splitlines()]
        results.check(statuses == ["done"] * len(names), f"{names}: {statuses}")
    results.check(sorted(os.listdir(f"{folder}/jo")) == ["1-40.jpg", "2-40.jpg"], f"both are there: {os.listdir(f'{folder}/jo')}")


def waiting_in_the_cache(results, folder, small):
    """Jobs that wait for another to make what they want leave the processors to others."""
    slow = {"in": WALLPAPERS[0], "format": "webp", "effort": 9, "resize": "1600"}
    jobs = [{"id": f"slow{i}", "out": f"{folder}/cw/{i}.webp", **slow} for i in range(6)] + [{"id": f"small{i}", "in": small[i], "out": f"{folder}/cw/s{i}.jpg"} for i in range(6)]
    answers, status, said = batch(jobs, "-j", "2", "--cache-mb", "64")
    order = [answer["id"][:4] for answer in answers]
    results.check(status == 0 and order == ["smal"] * 6 + ["slow"] * 6, f"small ones beside a slow one: {order} {said}")


def a_signal_while_a_server_is_asked_again(results, folder, small):
    """Told to stop, a job that would be tried again is answered instead."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(["imgbatch", "--retries", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(json.dumps({"id": 1, "in": f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg", "out": f"{folder}/x.jpg"}).encode() + b"\n")
    process.stdin.flush()
    listener.settimeout(30)
    client = listener.accept()[0]
    client.recv(65536)
    process.terminate()
    time.sleep(0.3)
    client.sendall(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close()
    # What the server says now is final; one that breaks off is tried again, but for the signal.
    answer = process.stdout.readline()
    results.check(process.wait(30) == -signal.SIGTERM and json.loads(answer)["exit"] == 66, f"a signal: {answer}")
    listener.close()


def what_a_worker_lacks(results, folder, small):
    """A pipe whose writer comes later; a directory for temporary files that appears after the first try."""
    for isolation in ("never", "always"):
        fifo = f"{folder}/in-{isolation}"
        os.mkfifo(fifo)
        writer = subprocess.Popen(["sh", "-c", 'sleep 0.5; cat "$1" > "$2"', "sh", small[0], fifo])
        answers, _, said = batch([{"id": 1, "in": fifo, "out": f"{folder}/late.jpg"}, {"id": 2, "in": small[0], "out": f"{folder}/soon.jpg"}], "-j", "1", "--isolate", isolation)
        writer.wait()
        results.check([answer["id"] for answer in answers] == [2, 1] and all(answer["status"] == "done" for answer in answers), f"a pipe whose writer is late, {isolation}: {answers} {said}")
        answers, _, _ = batch([{"id": 1, "in": fifo, "out": f"{folder}/never.jpg"}], "--isolate", isolation, "--timeout", "1")
        results.check(answers[0].get("exit") == 65 and "not done in 1 second" in answers[0]["error"], f"a pipe without a writer, {isolation}: {answers}")
        place = f"{folder}/tmp-{isolation}"
        process = subprocess.Popen(["imgbatch", "--retries", "8", "--isolate", isolation, "--max-memory", "4M"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": place})
        process.stdin.write(json.dumps({"id": 1, "in": WALLPAPERS[0], "out": f"{folder}/tmp.png", "palette": 16}).encode() + b"\n")
        process.stdin.close()
        time.sleep(0.6)
        os.mkdir(place)
        answer = json.loads(process.stdout.read())
        results.check(process.wait(60) == 0 and answer["status"] == "done", f"a place for temporary files that comes late, {isolation}: {answer}")


def main():
    take_tools(__doc__)
    results = Results()
    folder = tempfile.mkdtemp(prefix="imgbatch-")
    try:
        small = small_pictures(f"{folder}/small")
        for part in (few_threads, few_files, a_worker_that_does_not_end, pipes, silent_scrapers, outputs_that_could_not_be_made, names_and_their_journal,
                     a_journal_of_numbered_names, waiting_in_the_cache, a_signal_while_a_server_is_asked_again, what_a_worker_lacks):
            part(results, folder, small)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
