#!/usr/bin/env python3
"""The recipes of examples/, each run as its page says, with machines that die: every picture there once, byte for byte as one imgbatch makes it.

Everything is on the loopback: three sshd, Spark with two workers, SeaweedFS as the S3, Prometheus. `examples.py --bin bin NAME...` runs those parts."""
import contextlib
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

import stores
from harness import ROOT, Results, content, take_tools
from machines import PATIENCE, Services, descendants, free_port, kill, listens, run, text, wait_for

EXAMPLES = os.path.join(ROOT, "examples")
# Not the largest: there are many jobs, and few processors.
WALLPAPERS = [path for path in sorted(glob.glob("/usr/share/backgrounds/mate/*/*.jpg") + glob.glob("/usr/share/backgrounds/mate/*/*.png"))
              if os.path.getsize(path) < 600000]
# What comes from PyPI is beside the Python that runs this.
PYPI = os.path.dirname(sys.executable)

# MARK: Jobs, and what must come of them

def make_jobs(folder, count, prefix=None):
    """Jobs with outputs under `prefix`, in four formats' worth of recipes, some of them for a file that is cut: lines, and what imgbatch makes of
    them here: its outputs by name, its answers by id."""
    prefix = prefix or f"{folder}/out"
    broken = f"{folder}/cut.jpg"
    with open(broken, "wb") as file:
        file.write(content(WALLPAPERS[0])[:50000])
    jobs, local = [], []
    for i in range(count):
        ending = ("jpg", "webp", "jpg", "png")[i % 4]
        job = {"id": f"picture {i}", "in": WALLPAPERS[i % len(WALLPAPERS)], "resize": str(100 + i % 37), "strip": True}
        if i % 50 == 49:
            job["in"] = broken
        jobs.append({**job, "out": f"{prefix}/{i % 7}/{i}, small.{ending}"})
        local.append({**job, "out": f"{folder}/local/{i % 7}/{i}, small.{ending}"})
    lines = "".join(json.dumps(job) + "\n" for job in local)
    process = subprocess.run(["imgbatch"], input=lines.encode(), capture_output=True, check=False, timeout=PATIENCE)
    answers = {answer["id"]: answer for answer in map(json.loads, process.stdout.splitlines())}
    return jobs, files(f"{folder}/local"), answers


def files(folder):
    """All files under a folder: name from there, bytes."""
    return {os.path.relpath(os.path.join(at, name), folder): content(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names}


def answers_of(paths):
    return [json.loads(line) for path in paths for line in text(path).splitlines()]


def check_answers(results, what, answers, expected):
    """Each id answered once, as by the run here."""
    results.check(len(answers) == len(expected) and {a["id"] for a in answers} == set(expected), f"{what}: every job is answered once: {len(answers)} of {len(expected)}")
    parts = ("status", "bytes", "width", "height", "exit")
    unlike = [a for a in answers if [a.get(part) for part in parts] != [expected.get(a["id"], {}).get(part) for part in parts]]
    results.check(not unlike, f"{what}: answers as of one machine: {unlike[:3]}")


def check_outputs(results, what, found, expected):
    results.check(found.keys() == expected.keys(), f"{what}: every picture is there once, nothing else is: {sorted(found.keys() ^ expected.keys())[:5]}")
    results.check(found == expected, f"{what}: byte for byte: {[name for name in expected if found.get(name) != expected[name]][:5]}")


# MARK: GNU parallel over ssh

def ssh_hosts(services, folder, count):
    """Machines that are none: an sshd each, with a key and a configuration of its own. Processes, and what parallel is to call."""
    os.makedirs("/run/sshd", exist_ok=True)  # where sshd confines itself; the system's own start of it makes this
    for name in ("user", *(f"host{i}" for i in range(count))):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"], check=True)
    shutil.copy(f"{folder}/user.pub", f"{folder}/authorized")
    client = [f"IdentityFile {folder}/user\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\nConnectTimeout 5\nBatchMode yes\n"]
    hosts = []
    with open(f"{folder}/known", "w", encoding="ascii") as known:
        for i in range(count):
            port, address = free_port(), f"127.0.0.{i + 1}"
            with open(f"{folder}/sshd{i}", "w", encoding="ascii") as file:
                file.write(f"ListenAddress {address}\nPort {port}\nHostKey {folder}/host{i}\nAuthorizedKeysFile {folder}/authorized\nPidFile none\nUsePAM no\n"
                           "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
                           f"MaxStartups 100\nSetEnv PATH={os.environ['PATH']}\n")
            hosts.append(services.start(f"sshd{i}", "/usr/sbin/sshd", "-D", "-e", "-f", f"{folder}/sshd{i}"))
            known.write(f"[{address}]:{port} {text(f'{folder}/host{i}.pub')}")
            client.append(f"Host machine{i}\nHostName {address}\nPort {port}\n")
    with open(f"{folder}/client", "w", encoding="ascii") as file:
        file.write("".join(client[1:] + ["Host *\n"] + client[:1]))
    with open(f"{folder}/hosts", "w", encoding="ascii") as file:
        file.write("".join(f"machine{i}\n" for i in range(count)))
    for i in range(count):
        wait_for(f"sshd {i}", lambda i=i: run("ssh", "-F", f"{folder}/client", f"machine{i}", "true")[0] == 0, 20)
    return hosts, f"ssh -F {folder}/client"


def parallel(results, folder):
    """Three machines, of which one dies while it works; then again, when all is done; then for a list that has changed."""
    jobs, local, expected = make_jobs(folder, 400)
    with open(f"{folder}/jobs", "w", encoding="utf-8") as file:
        file.write("".join(json.dumps(job) + "\n" for job in jobs))
    with Services(folder) as services:
        hosts, ssh = ssh_hosts(services, folder, 3)
        words = [f"{EXAMPLES}/parallel/batch-over-ssh", f"{folder}/jobs", f"{folder}/hosts", f"{folder}/work"]
        environment = {**os.environ, "PARALLEL_SSH": ssh, "BLOCK": "4k"}
        batch = services.start("batch", *words, env=environment)
        log = f"{folder}/work/log"
        # It dies when it has done a shard, and is at another one.
        wait_for("a shard of each machine", lambda: all(f"machine{i}" in text(log) for i in range(3)))
        wait_for("imgbatch on the first machine", lambda: any("imgbatch" in text(f"/proc/{pid}/comm") for pid in descendants(hosts[0].pid)))
        shards = len(text(log).splitlines()) - 1
        kill(hosts[0])
        wait_for("the end of the batch", lambda: batch.poll() is not None)
        said = text(f"{folder}/batch.log")
        results.check(batch.returncode == 0, f"parallel: status {batch.returncode} {said}")
        answers = answers_of(glob.glob(f"{folder}/work/answers/*.jsonl"))
        check_answers(results, "parallel", answers, expected)
        check_outputs(results, "parallel", files(f"{folder}/out"), local)
        lines = [line.split("\t") for line in text(log).splitlines()[1:]]
        done = {line[0]: line[1] for line in lines if line[6] == "0"}
        results.check(shards < len(done) and {"machine1", "machine2"} <= set(done.values()), f"parallel: machines took over: {shards} of {len(done)} shards")
        print(f"parallel: machine0 died after {shards} of {len(done)} shards; {len(answers)} answers; {said.strip().splitlines()[-1] if said else ''}")

        before = {name: os.stat(f"{folder}/out/{name}").st_mtime_ns for name in local}
        status, output, said = run(*words, env=environment)
        results.check(status == 0 and f"{len(jobs)} answers" in output, f"parallel, again: {status} {output} {said}")
        results.check(before == {name: os.stat(f"{folder}/out/{name}").st_mtime_ns for name in local}, "parallel, again: nothing is done twice")
        with open(f"{folder}/jobs", "a", encoding="utf-8") as file:
            file.write(json.dumps(jobs[0]) + "\n")
        status, _, said = run(*words, env=environment)
        results.check(status == 64, f"parallel: a folder of other jobs is refused: {status} {said}")


# MARK: Spark, with SeaweedFS as the S3

def s3_store(services, folder):
    """SeaweedFS: the AWS_* for it, and a client."""
    server, port = stores.seaweedfs(folder, None)
    services.running.append(server.process)
    settings = {"AWS_ACCESS_KEY_ID": stores.ACCESS, "AWS_SECRET_ACCESS_KEY": stores.SECRET, "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    client = stores.wait_for(settings["AWS_ENDPOINT_URL"], None)
    client.create_bucket(Bucket="pictures")
    return settings, client


def objects(client, prefix):
    """Everything under a prefix: name from there, bytes."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="pictures", Prefix=prefix)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {key.removeprefix(prefix): client.get_object(Bucket="pictures", Key=key)["Body"].read() for key in keys}


def spark_cluster(services, folder, count):
    """A master, and workers of one core each: the workers' processes, the master's address."""
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "PYSPARK_PYTHON": sys.executable}
    port, pages = free_port(), free_port()
    services.start("master", f"{PYPI}/spark-class", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port",
                   str(pages), env=environment, cwd=folder)
    wait_for("Spark's master", lambda: listens(port), 60)
    workers = [services.start(f"worker{i}", f"{PYPI}/spark-class", "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g",
                              "--work-dir", f"{folder}/work{i}", "--webui-port", "0", f"spark://127.0.0.1:{port}", env=environment, cwd=folder) for i in range(count)]
    for i in range(count):
        wait_for(f"Spark's worker {i}", lambda i=i: "registered with master" in text(f"{folder}/worker{i}.log"), 60)
    return workers, f"spark://127.0.0.1:{port}", environment


def spark(results, folder):
    """Two workers, of which one dies while it works; pictures come from the S3 and go there."""
    with Services(folder) as services:
        settings, client = s3_store(services, folder)
        jobs, local, expected = make_jobs(folder, 200, "s3://pictures/out")
        for job in jobs:
            key = f"in/{os.path.basename(job['in'])}"
            job["in"], source = f"s3://pictures/{key}", job["in"]
            client.upload_file(source, "pictures", key)
        with open(f"{folder}/jobs", "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(job) + "\n" for job in jobs))
        workers, master, environment = spark_cluster(services, folder, 2)
        submit = [f"{PYPI}/spark-submit", "--master", master, "--conf", "spark.executor.memory=512m", "--conf", "spark.ui.enabled=false", "--driver-memory", "512m"]
        app = services.start("app", *submit, f"{EXAMPLES}/spark/batch.py", f"{folder}/jobs", f"{folder}/answers", "--shards", "20", "--retries", "3",
                             env={**environment, **settings}, cwd=folder)
        wait_for("pictures by both workers", lambda: app.poll() is not None or sum(is_at_work(worker) for worker in workers) == 2
                 and len(client.list_objects_v2(Bucket="pictures", Prefix="out/").get("Contents", [])) > 20)
        parts = len(glob.glob(f"{folder}/answers/**/part-*", recursive=True))
        kill(workers[0])
        wait_for("the end of Spark's application", lambda: app.poll() is not None)
        said = text(f"{folder}/app.log")
        results.check(app.returncode == 0, f"spark: status {app.returncode} {said[-1500:]}")
        results.check("Lost executor" in said, "spark: a worker was lost while it worked")
        answers = answers_of(glob.glob(f"{folder}/answers/part-*"))
        check_answers(results, "spark", answers, expected)
        check_outputs(results, "spark", objects(client, "out/"), local)
        results.check(os.path.exists(f"{folder}/answers/_SUCCESS"), "spark: says that it has succeeded")
        print(f"spark: a worker died after {parts} of 20 tasks; {len(answers)} answers, {len(local)} pictures")


def is_at_work(worker):
    return any("imgbatch" in text(f"/proc/{pid}/comm") for pid in descendants(worker.pid))


# MARK: Slurm, Kubernetes

def slurm(results, folder):
    """The body of the array with what Slurm would set; a task is killed, and put into the queue again."""
    status, output, _ = run("shellcheck", f"{EXAMPLES}/slurm/array.sbatch", f"{EXAMPLES}/parallel/batch-over-ssh")
    results.check(status == 0, f"slurm: shellcheck: {output}")
    jobs, local, expected = make_jobs(folder, 240)
    os.makedirs(f"{folder}/shards")
    shards = ["".join(json.dumps(job) + "\n" for job in jobs[60 * i:60 * (i + 1)]) for i in range(4)]
    for i, lines in enumerate(shards):
        with open(f"{folder}/shards/{i:05}.jobs", "w", encoding="utf-8") as file:
            file.write(lines)
    environment = {**os.environ, "SHARDS": f"{folder}/shards", "OPTIONS": "--quality 80", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_CPUS_PER_TASK": "1"}
    sbatch = ["sh", f"{EXAMPLES}/slurm/array.sbatch"]
    with Services(folder) as services:
        # Its second shard ends only when it is killed: half of it comes through a pipe that stays open. Else a fast machine is done with it first.
        journal, shard = f"{folder}/shards/journal/00002", f"{folder}/shards/00002.jobs"
        os.rename(shard, f"{shard}.whole")
        os.mkfifo(shard)
        first = services.start("task1", *sbatch, env={**environment, "SLURM_ARRAY_TASK_ID": "1"})
        with open(os.open(shard, os.O_RDWR), "w", encoding="utf-8") as pipe:
            pipe.write("".join(shards[2].splitlines(True)[:30]))
            pipe.flush()
            wait_for("a journal", lambda: first.poll() is not None or content(journal))
            kill(first)
        os.rename(f"{shard}.whole", shard)
        noted = len((content(journal) or b"").splitlines())
        for task in ("1", "2"):
            status, _, said = run(*sbatch, env={**environment, "SLURM_ARRAY_TASK_ID": task})
            results.check(status == 0, f"slurm: task {task}: {status} {said}")
    answers = answers_of(glob.glob(f"{folder}/shards/answers/*.jsonl"))
    skipped = [a for a in answers if a["status"] == "skipped"]
    print(f"slurm: killed with {noted} of a shard noted; {len(skipped)} skipped, {len(answers)} answers")
    results.check(0 < noted <= len(skipped) + 1, f"slurm: what the journal has is not done again: {noted} {len(skipped)}")
    for answer in skipped:
        answer.update({part: expected[answer["id"]].get(part) for part in ("status", "bytes", "width", "height", "exit")})
    check_answers(results, "slurm", answers, expected)
    check_outputs(results, "slurm", files(f"{folder}/out"), local)


def kubernetes(results, folder):
    """The manifest against Kubernetes' own schema, where what it does not know is an error; and its script, with an S3, for two indexes, twice."""
    import kubernetes_validate
    import yaml

    with open(f"{EXAMPLES}/kubernetes/job.yaml", encoding="utf-8") as file:
        job = yaml.safe_load(file)
    for version in ("1.33", "1.37"):
        try:
            kubernetes_validate.validate(job, version, strict=True)
            results.check(True, "")
        except kubernetes_validate.ValidationError as error:
            results.check(False, f"kubernetes {version}: {error}")
    broken = json.loads(json.dumps(job))
    broken["spec"]["completion"] = broken["spec"].pop("completions")
    with contextlib.suppress(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.37", strict=True)
        results.check(False, "kubernetes: the check sees a wrong name")
    container = job["spec"]["template"]["spec"]["containers"][0]
    # /tmp is a volume of the pod's own: here it is a folder.
    script = container["args"][0].replace("/tmp/", f"{folder}/scratch/")
    os.makedirs(f"{folder}/scratch")
    jobs, local, expected = make_jobs(folder, 40)
    with Services(folder) as services:
        settings, client = s3_store(services, folder)
        for i in range(2):
            client.put_object(Bucket="pictures", Key=f"shards/{i:05}.jobs", Body="".join(json.dumps(job) + "\n" for job in jobs[20 * i:20 * (i + 1)]).encode())
        environment = {**os.environ, **settings, **{each["name"]: each["value"] for each in container["env"]}, "LISTS": "s3://pictures"}
        for index in ("0", "1", "0"):
            status, _, said = run(*container["command"], script, env={**environment, "JOB_COMPLETION_INDEX": index})
            results.check(status == 0, f"kubernetes: index {index}: {status} {said}")
        answers = [json.loads(line) for body in objects(client, "answers/").values() for line in body.splitlines()]
    check_answers(results, "kubernetes", answers, expected)
    check_outputs(results, "kubernetes", files(f"{folder}/out"), local)


# MARK: Prometheus

def grafana(results, folder):
    """Every expression of the dashboard is one, of metrics that are; an exposition is clean; Prometheus reads it from a run."""
    jobs, _, _ = make_jobs(folder, 40)
    lines = [json.dumps(job) + "\n" for job in jobs]
    exposition = f"{folder}/run.prom"
    subprocess.run(["imgbatch", "--metrics-file", exposition, "--cache-mb", "8"], input="".join(lines).encode(), stdout=subprocess.DEVNULL, check=True, timeout=PATIENCE)
    with open(exposition, "rb") as file:
        lint = subprocess.run(["promtool", "check", "metrics"], stdin=file, capture_output=True, check=False, timeout=PATIENCE)
    results.check(lint.returncode == 0 and not lint.stdout + lint.stderr, f"promtool check metrics: {lint.returncode} {lint.stdout + lint.stderr}")
    there = set(re.findall(r"^(\w+)[{ ]", text(exposition), re.MULTILINE))

    with open(f"{EXAMPLES}/grafana/imgpipe.json", encoding="utf-8") as file:
        dashboard = json.load(file)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = {name for expression in expressions for name in re.findall(r"\bimgpipe_\w+", expression)}
    results.check(dashboard["schemaVersion"] >= 39 and shown <= there, f"grafana: metrics that are: {sorted(shown - there)}")
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    missing = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there} - families
    results.check(missing <= {"imgpipe_cache_evictions_total"}, f"grafana: every metric is shown: {sorted(missing)}")
    # Grafana puts in what begins with a dollar.
    rules = [{"record": f"shown:{i}", "expr": expression.replace("$__rate_interval", "1m").replace("$instance", ".*")} for i, expression in enumerate(expressions)]
    with open(f"{folder}/rules.yml", "w", encoding="utf-8") as file:
        json.dump({"groups": [{"name": "shown", "rules": rules}]}, file)  # JSON is YAML too
    status, output, said = run("promtool", "check", "rules", f"{folder}/rules.yml")
    results.check(status == 0 and f"{len(rules)} rules found" in output + said, f"promtool check rules: {status} {output} {said}")
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    overlap = [(a, b) for i, a in enumerate(places) for b in places[:i] if a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]]
    results.check(not overlap, f"grafana: no panel is over another one: {overlap}")

    port, served = free_port(), free_port()
    with open(f"{folder}/prometheus.yml", "w", encoding="utf-8") as file:
        json.dump({"global": {"scrape_interval": "1s"}, "rule_files": [f"{folder}/rules.yml"],
                   "scrape_configs": [{"job_name": "imgpipe", "static_configs": [{"targets": [f"127.0.0.1:{served}"]}]}]}, file)
    os.mkfifo(f"{folder}/fifo")
    with Services(folder) as services:
        services.start("imgbatch", "sh", "-c", f"exec imgbatch -j 1 --metrics-listen 127.0.0.1:{served} < {shlex.quote(folder)}/fifo")
        with open(f"{folder}/fifo", "w", encoding="utf-8") as fifo:
            services.start("prometheus", "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}")
            feed = iter(lines)

            def counted():
                with contextlib.suppress(StopIteration):
                    fifo.write(next(feed))
                    fifo.flush()
                _, output, _ = run("curl", "-fsS", "--max-time", "5", "--data-urlencode", 'query=sum(imgpipe_jobs_total{status="done"})', f"http://127.0.0.1:{port}/api/v1/query")
                found = json.loads(output)["data"]["result"] if output else []
                return float(found[0]["value"][1]) if found else 0
            count = wait_for("jobs that Prometheus sees", counted, 60)
            print(f"grafana: {len(rules)} expressions of {len(families)} metrics; Prometheus saw {count:.0f} jobs while they ran")
            results.check(count > 0, "prometheus: sees jobs of a run")


# MARK: Flame graphs

FLAME_BIN = os.path.join(ROOT, ".build-flame", "release")


def flamegraph(results, folder):
    """Stacks that were made up are folded as they must be; a batch is drawn, where perf may count."""
    names = [("a & b", 3), ("c", 1)]
    stacks = "".join(f"imgbatch 7 1.0: {count} cycles:u: \n\t 1 {name} (/lib/x.so)\n\t 2 main (/bin/imgbatch)\n\n" for name, count in names)
    drawn = subprocess.run([sys.executable, f"{ROOT}/scripts/flamegraph.py"], input=stacks.encode(), capture_output=True, check=False, timeout=PATIENCE)
    titles = [node.text for node in xml.etree.ElementTree.fromstring(drawn.stdout or b"<none/>").iter("{http://www.w3.org/2000/svg}title")]
    wanted = ["imgbatch (process): 100.00 %", "main (imgbatch): 100.00 %", "a & b (x.so): 75.00 %", "c (x.so): 25.00 %"]
    results.check(titles == wanted, f"flamegraph: made up stacks: {titles} {drawn.stderr}")
    nothing = subprocess.run([sys.executable, f"{ROOT}/scripts/flamegraph.py"], input=b"", capture_output=True, check=False, timeout=PATIENCE)
    results.check(nothing.returncode == 1 and nothing.stderr.count(b"\n") == 1, f"flamegraph: of nothing: {nothing}")
    if run("perf", "record", "--quiet", "--output", f"{folder}/probe", "true")[0]:
        print("SKIPPED: perf may not count here")
        results.skipped += 1
        return
    # The build of make flamegraph where it is there; else the tools that are tested, with fewer names.
    has_symbols = os.access(f"{FLAME_BIN}/imgbatch", os.X_OK)
    place = FLAME_BIN if has_symbols else os.path.dirname(shutil.which("imgbatch"))
    status, output, said = run(f"{ROOT}/scripts/flamegraph", f"{folder}/flames.svg", env={**os.environ, "BIN": place, "ROUNDS": "1"})
    shown = [node.text for node in xml.etree.ElementTree.fromstring(content(f"{folder}/flames.svg") or b"<none/>").iter("{http://www.w3.org/2000/svg}title")]
    results.check(status == 0 and any("libjpeg" in title for title in shown), f"flamegraph: status {status} {output} {said}, {len(shown)} boxes")
    if has_symbols:
        results.check(any("Resizer" in title or "resampl" in title.lower() for title in shown), f"flamegraph: names of ours: {shown[:10]}")
    print(f"flamegraph: {len(shown)} boxes, {'with' if has_symbols else 'without'} symbols; {output.strip()}")


PARTS = {"parallel": parallel, "spark": spark, "slurm": slurm, "kubernetes": kubernetes, "grafana": grafana, "flamegraph": flamegraph}


def main():
    if "--help" not in sys.argv:
        names = [word for word in sys.argv[1:] if word in PARTS] or list(PARTS)
        sys.argv = [word for word in sys.argv if word not in PARTS]
    take_tools(__doc__)
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"
    # Whatever happens: an end, with what was started ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results = Results()
    for name in names:
        folder = tempfile.mkdtemp(prefix=f"imgpipe-{name}-")
        start = time.monotonic()
        try:
            PARTS[name](results, folder)
        except (TimeoutError, subprocess.SubprocessError) as error:
            results.check(False, f"{name}: {error}")
            for path in glob.glob(f"{folder}/*.log"):
                print(f"{os.path.basename(path)}: {text(path)[-1000:]}")
        finally:
            if os.environ.get("KEEP"):
                print(f"kept: {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}: {time.monotonic() - start:.0f} s")
    results.end()


if __name__ == "__main__":
    main()
