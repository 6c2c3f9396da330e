#!/usr/bin/env python3
"""What is in deploy/, without a container engine, a systemd that runs or a cluster: linters, what must agree, and each command line answering requests
as nobody, with a root that is read-only and the seccomp that the unit asks for.

usage: deploy.py [--bin DIR]"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from confine import settings
from deployrun import USER, run_all
from harness import ROOT, Results, content, shell, take_tools

DEPLOY = os.path.join(ROOT, "deploy")
# What comes from PyPI is beside the Python that runs this.
PYPI = os.path.dirname(sys.executable)
PROGRAM = "/usr/local/bin/imgserve"
MIB = 1 << 20
UNITS = {"": 1, "s": 1, "M": MIB, "G": 1 << 30, "Mi": MIB, "Gi": 1 << 30}


def text(path):
    return (content(path) or b"").decode()


def amount(word):
    """10s, 256M, 1Gi as a number."""
    number, unit = re.fullmatch(r"(\d+)(\w*)", word).groups()
    return int(number) * UNITS[unit]


def option(words, name):
    """The last one's value, as imgserve has it; None where it is not said."""
    found = [words[i + 1] for i, word in enumerate(words[:-1]) if word == name]
    return found[-1] if found else None


def grace(words):
    return amount(option(words, "--grace") or "0")


def run(*words, **options):
    process = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=120, **options)
    return process.returncode, process.stdout.decode(errors="replace")


def check_command(results, what, words):
    """Options that are, with values that must be; and the memory they allow."""
    known = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shell("imgserve --help").decode()))
    used = {word for word in words if word.startswith("--")}
    results.check(words[0] == PROGRAM and used <= known, f"{what}: options of imgserve: {sorted(used - known)}")
    workers, queue = (option(words, name) for name in ("--workers", "--queue"))
    results.check(workers and queue and option(words, "--grace"), f"{what}: says --workers, --queue and --grace, which what is around it is reckoned from")
    # Pictures; bodies, of which there are at most twice as many as wait and are worked on; answers that are kept; the programs. As in docs/serving.md.
    body, cache = amount(option(words, "--max-body") or "8M"), int(option(words, "--cache-mb") or 64) * MIB
    return int(workers) * amount(option(words, "--max-memory") or "1G") + 2 * (int(queue) + int(workers)) * body + cache + 64 * MIB


# MARK: The container

def instructions(recipe):
    """Of a Containerfile: (name, rest) pairs, lines joined, without comments."""
    lines = [line for line in recipe.split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.strip().split(None, 1)) for line in joined.split("\n") if line.strip()]


def faults(recipe):
    """What hadolint does not ask, or asks otherwise."""
    found, stages, values = [], [], {}
    for name, rest in instructions(recipe):
        if name == "ARG" and "=" in rest:
            values["${" + rest.split("=")[0] + "}"] = rest.split("=", 1)[1]
        if name == "FROM":
            stages.append([])
            image = values.get(rest.split()[0], rest.split()[0])
            if ":" not in image or image.endswith(":latest") or "/" not in image:
                found.append(f"image without registry or tag: {image}")
        elif stages:
            stages[-1].append((name, rest))
        if name == "ADD":
            found.append("ADD")
        if name == "RUN" and ("install-packages" in rest or "apt-get" in rest) and "rm -rf /var/lib/apt/lists/*" not in rest:
            found.append("lists of apt stay")
        if name == "RUN" and "apt-get install" in rest and "--no-install-recommends" not in rest:
            found.append("recommended packages")
    last = dict(stages[-1])
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", last.get("USER", "")):
        found.append("USER is no number above 0")
    for name in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
        form = last.get(name, "").rpartition("CMD ")[2] if name == "HEALTHCHECK" else last.get(name, "")
        if not form.startswith("[") or not all(isinstance(word, str) for word in json.loads(form)):
            found.append(f"{name} wants a shell")
    return found, last, stages[-1]


def needed(*tools):
    """Debian packages of the libraries that tools are linked with; libc6 is in every image."""
    found = set()
    for tool in tools:
        for path in re.findall(r"=> (/\S+)", shell("ldd $(command -v $1)", tool).decode()):
            # dpkg knows the files as they were installed, before /lib became a link.
            owners = run("sh", "-c", 'dpkg -S "$1" 2> /dev/null || dpkg -S "${1#/usr}" 2> /dev/null || dpkg -S "/usr$1"', "sh", path)[1]
            found.add(owners.split(":")[0])
    return found - {"libc6"}


def containerfile(results):
    """Its command line."""
    path = f"{DEPLOY}/Containerfile"
    recipe = text(path)
    found, last, stage = faults(recipe)
    results.check(not found, f"Containerfile: {found}")
    status, output = run(f"{PYPI}/hadolint", path)
    results.check(status == 0 and not output, f"hadolint: {status} {output}")
    for right, wrong, at in [("debian:12-slim", "debian:latest", "image"), ("USER 65532:65532", "USER root", "USER"), (" && rm -rf /var/lib/apt/lists/*", "", "lists"),
                             ('ENTRYPOINT ["/usr/local/bin/imgserve", "--listen", "0.0.0.0:8080"]', "ENTRYPOINT imgserve", "ENTRYPOINT"),
                             ("COPY Sources Sources", "ADD https://example.org/a.tar /", "ADD"), ("--no-install-recommends", "", "recommended")]:
        results.check(right in recipe and any(at in fault for fault in faults(recipe.replace(right, wrong))[0]), f"Containerfile: the check sees {wrong or at}")
    packages = set(re.search(r"--no-install-recommends(.*?)&&", next(rest for name, rest in stage if name == "RUN")).group(1).split())
    linked = needed("imgserve", "imgget")
    results.check(packages == linked | {"libcurl4", "ca-certificates"}, f"Containerfile: packages of what is linked: {sorted(packages ^ linked)}")
    results.check('dlopen("libcurl.so.4"' in text(f"{ROOT}/Sources/CCurlShims/curl.c"), "Containerfile: libcurl4 is what is loaded")
    for words in [rest.split() for name, rest in instructions(recipe) if name == "COPY" and not rest.startswith("--")]:
        results.check(all(os.path.exists(f"{ROOT}/{word}") for word in words[:-1]), f"Containerfile: COPY {words}: there is no such file")
    words = json.loads(last["ENTRYPOINT"]) + json.loads(last["CMD"])
    health = json.loads(last["HEALTHCHECK"].rpartition("CMD ")[2])
    listen = option(words, "--listen")
    results.check(listen == f"0.0.0.0:{last['EXPOSE']}" and health[-1] == f"http://127.0.0.1:{last['EXPOSE']}/healthz", f"Containerfile: one port: {listen} {health}")
    results.check(health[0] in [f"/usr/local/bin/{os.path.basename(source)}" for name, rest in stage if name == "COPY" for source in rest.split()[1:-1]], "Containerfile: HEALTHCHECK's program is there")
    results.check(last["USER"] == f"{USER}:{USER}" and last["STOPSIGNAL"] == "SIGTERM", "Containerfile: user and signal")
    stop = int(re.search(r"--stop-timeout (\d+)", recipe).group(1))
    results.check(grace(words) < stop, "Containerfile: --grace fits into --stop-timeout")
    most = check_command(results, "Containerfile", words)
    results.check(most <= amount(re.search(r"--memory (\w+)", recipe).group(1).upper()), f"Containerfile: {most >> 20} MiB are more than --memory")
    return words


# MARK: systemd

def unit(results, folder):
    """Its command line, without what systemd puts in."""
    path = f"{DEPLOY}/imgserve.service"
    lines, found = text(path), settings(path)
    here = lines.replace(PROGRAM, shutil.which("imgserve"))
    place = f"{folder}/imgserve.service"

    def verify(content):
        with open(place, "w", encoding="utf-8") as file:
            file.write(content)
        return run("systemd-analyze", "verify", "--man=no", place)
    status, output = verify(here)
    results.check(status == 0 and not output, f"systemd-analyze verify: {status} {output}")
    for right, wrong in [("ProtectSystem=strict", "ProtectSysten=strict"), ("MemoryMax=1G", "MemoryMax=lots"), ("KillMode=mixed", "KillMode=some")]:
        status, output = verify(here.replace(right, wrong))
        results.check(right in here and (status or output), f"systemd-analyze verify: sees {wrong}")

    def exposure(content, threshold):
        verify(content)
        return run("systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", "--no-pager", place)
    # 1.2 of 10 (Debian's systemd 252); what is left is the network, which it is for, and the root, which is the host's.
    status, output = exposure(here, 15)
    results.check(status == 0, f"systemd-analyze security: {output.strip().splitlines()[-1:]}")
    status, _ = exposure(re.sub("SystemCallFilter=.*|CapabilityBoundingSet=.*", "", here), 15)
    results.check(status != 0, "systemd-analyze security: sees a unit without SystemCallFilter")
    print(f"systemd-analyze security: {output.strip().splitlines()[-1]}")

    words = shlex.split(found["ExecStart"][0])
    most = check_command(results, "unit", [word for word in words if word != "$IMGSERVE_OPTIONS"])
    results.check(most <= amount(found["MemoryMax"][0]), f"unit: {most >> 20} MiB are more than MemoryMax")
    results.check(grace(words) < amount(found["TimeoutStopSec"][0]), "unit: --grace fits into TimeoutStopSec")
    results.check(f"that is {most >> 20} MiB" in text(f"{ROOT}/docs/serving.md").replace("\n", " "), f"docs/serving.md reckons as this does: {most >> 20} MiB")
    results.check(found["KillMode"] == ["mixed"] and found["OOMPolicy"] == ["continue"], "unit: workers are the service's to end, and not its end")
    credential = found["LoadCredential"][0].split(":")[0]
    results.check(option(words, "--sign-key-file") == f"%d/{credential}", "unit: the key is the credential")
    results.check(option(words, "--listen") == "127.0.0.1:8080", "unit: for this machine alone")
    page = text(f"{ROOT}/man/imgserve.1")
    statuses = found["RestartPreventExitStatus"][0].split()
    results.check(statuses and all(f".It {status}" in page for status in statuses), f"unit: {statuses} are of the manual page")
    return words


# MARK: Kubernetes

def kubernetes(results, image):
    """The container's whole command line."""
    import kubernetes_validate
    import yaml

    documents = list(yaml.safe_load_all(text(f"{DEPLOY}/kubernetes.yaml")))
    by = {document["kind"]: document for document in documents}

    def refused(document, version="1.37"):
        try:
            kubernetes_validate.validate(document, version, strict=True)
            return None
        except kubernetes_validate.ValidationError as error:
            return error
    for document in documents:
        for version in ("1.33", "1.37"):
            error = refused(document, version)
            results.check(not error, f"kubernetes {version}: {document['kind']}: {error}")
    broken = json.loads(json.dumps(by["Deployment"]))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    results.check(refused(broken), "kubernetes: the check sees a wrong name")
    results.check(set(by) == {"Deployment", "Service", "PodDisruptionBudget"}, f"kubernetes: {sorted(by)}")

    template = by["Deployment"]["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    container = pod["containers"][0]
    for selector in (by["Deployment"]["spec"]["selector"]["matchLabels"], by["Service"]["spec"]["selector"], by["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]):
        results.check(selector and selector.items() <= labels.items(), f"kubernetes: {selector} selects the pods")
    results.check(by["PodDisruptionBudget"]["spec"]["minAvailable"] < by["Deployment"]["spec"]["replicas"], "kubernetes: a node can be drained")
    # args replace CMD, and come behind ENTRYPOINT.
    words = image[:3] + container["args"]
    port = str(container["ports"][0]["containerPort"])
    results.check("command" not in container and option(words, "--listen").endswith(f":{port}") and template["metadata"]["annotations"]["prometheus.io/port"] == port, "kubernetes: one port")
    results.check(by["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"], "kubernetes: the Service has the container's port")
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    wanted = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    results.check(all(probes[name] == {"path": path, "port": "http"} for name, path in wanted.items()), f"kubernetes: probes {probes}")
    most = container["lifecycle"]["preStop"]["sleep"]["seconds"] + grace(words)
    results.check(most < pod["terminationGracePeriodSeconds"], f"kubernetes: {most} s fit into terminationGracePeriodSeconds")
    most = check_command(results, "kubernetes", words)
    results.check(most <= amount(container["resources"]["limits"]["memory"]), f"kubernetes: {most >> 20} MiB are more than the limit")
    own, of_pod = container["securityContext"], pod["securityContext"]
    results.check(own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}, f"kubernetes: securityContext {own}")
    results.check(of_pod["runAsNonRoot"] and of_pod["runAsUser"] == USER and of_pod["seccompProfile"]["type"] == "RuntimeDefault", f"kubernetes: securityContext {of_pod}")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    results.check("emptyDir" in mounts["/tmp"] and "secret" in mounts[os.path.dirname(option(words, "--sign-key-file"))], f"kubernetes: volumes {sorted(mounts)}")
    results.check(re.fullmatch(r"[\w./-]+:(?!latest)[\w.]+", container["image"]), f"kubernetes: image {container['image']}")
    return words


def main():
    take_tools(__doc__)
    results = Results()
    folder = tempfile.mkdtemp(prefix="deploy-")
    try:
        image = containerfile(results)
        service = unit(results, folder)
        pod = kubernetes(results, image)
        run_all(results, folder, {"container": image, "unit": service, "pod": pod})
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
