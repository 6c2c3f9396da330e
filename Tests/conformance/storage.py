#!/usr/bin/env python3
"""imgget and imgput against stores that run here (SeaweedFS, JuiceFS' gateway), plain and by TLS, with boto3 as the oracle; and against a
server that stalls, breaks and lies. No address but loopback's. No message may have a secret in it."""
import concurrent.futures
import hashlib
import http.client
import os
import shutil
import subprocess
import tempfile
import time

import botocore.exceptions

import faultyserver
from harness import Results, take_tools
from stores import ACCESS, SECRET, Certificates, TLSProxy, free_port, juicefs, seaweedfs, wait_for

TOKEN = "Session/Token+imgpipe=="
SECRETS = [SECRET, TOKEN, "SignedHeaders", "hunter2"]
KEYS = ["plain.jpg", "with space.jpg", "  two  spaces ", "tree/of/names.png", "Grüße/画像-😀.webp", "()'!*+.jpg", "a+b=c&d?e#f;g,h@i$j", "per%41cent%2Fs",
        "tilde~under_dash-dot.", "quote\"less<more>", "back\\slash", "[brackets]{braces}|^`", "a:b", "dots/..hidden/.x", "café", "café",
        "x" * 240]
# Stores differ in what they permit: what boto3 cannot get back is skipped.
STRANGE_KEYS = ["two//slashes", "/leading", "trailing/", "a/../b", "./dot", "line\nbreak", "tab\tstop"]

results = Results()
messages = []


def run(*command, source=b"", environment=None, timeout=60):
    """Status, standard output, standard error."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "IMG_STORAGE"))}
    variables |= {"HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, **(environment or {})}
    try:
        process = subprocess.run(command, input=source, capture_output=True, env=variables, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        results.check(False, f"{command[:3]}: no end")
        return 124, b"", ""
    text = process.stderr.decode("utf-8", "backslashreplace")
    messages.append(text)
    return process.returncode, process.stdout, text


def check_store(title, client, environment):
    def imgget(*arguments, **others):
        return run("imgget", *arguments, environment={**environment, **others})

    def imgput(source, *arguments, **others):
        return run("imgput", *arguments, source=source, environment={**environment, **others})

    bucket = "imgpipe-test"
    client.create_bucket(Bucket=bucket)

    for key in KEYS + STRANGE_KEYS:
        body = os.urandom(1000)
        try:
            client.put_object(Bucket=bucket, Key=key, Body=body)
            if client.get_object(Bucket=bucket, Key=key)["Body"].read() != body:
                raise ValueError
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ValueError, http.client.HTTPException):
            if key in KEYS:
                results.skipped += 1
                print(f"{title}: boto3 does not get {key!r} back: skipped")
            continue
        url = f"s3://{bucket}/{key}"
        status, output, text = imgget(url)
        results.check((status, output) == (0, body), f"{title}: get {key!r}: {status} {text}")
        body = os.urandom(1000)
        status, _, text = imgput(body, url)
        results.check(status == 0, f"{title}: put {key!r}: {status} {text}")
        results.check(client.get_object(Bucket=bucket, Key=key)["Body"].read() == body, f"{title}: boto3 gets what was put as {key!r}")

    # Ranges.
    body = os.urandom(5 << 20)
    client.put_object(Bucket=bucket, Key="ranges", Body=body)
    url = f"s3://{bucket}/ranges"
    for text, part in {"0-0": body[:1], "0-99": body[:100], "1000000-1999999": body[1000000:2000000], "-7": body[-7:], f"{len(body) - 1}-": body[-1:],
                       "0-": body, f"100-{len(body) * 2}": body[100:], f"-{len(body) * 2}": body}.items():
        results.check(imgget("--range", text, url)[:2] == (0, part), f"{title}: range {text}")
    results.check(imgget("--range", f"{len(body)}-", url)[0] == 64, f"{title}: a range behind the end")
    results.check(imgget(url)[:2] == (0, body), f"{title}: 5 MiB")
    _, output, _ = imgget("--stat", url)
    results.check(f"bytes {len(body)}\n".encode() in output, f"{title}: --stat")

    # What --no-clobber keeps, and empty input.
    results.check(imgput(b"new", "--no-clobber", url)[0] == 73, f"{title}: --no-clobber")
    results.check(imgput(b"", f"s3://{bucket}/nothing")[0] == 65, f"{title}: empty input")
    results.check(imgget(f"s3://{bucket}/nothing")[0] == 66, f"{title}: nothing was made of empty input")
    results.check(imgput(b"new", "-n", f"s3://{bucket}/fresh")[0] == 0, f"{title}: --no-clobber of nothing")
    client.put_object(Bucket=bucket, Key="empty", Body=b"")
    results.check(imgget(f"s3://{bucket}/empty")[:2] == (0, b""), f"{title}: an empty object")

    # Types, by content.
    imgput(b"\xff\xd8\xff\xe0" + bytes(100), f"s3://{bucket}/typed")
    results.check(client.head_object(Bucket=bucket, Key="typed")["ContentType"] == "image/jpeg", f"{title}: content type")

    # Lists of more than a page.
    names = [f"list/{i:04} ü+%41.jpg" for i in range(1203)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: client.put_object(Bucket=bucket, Key=name, Body=b"x"), names))
    status, output, text = imgget("--list", f"s3://{bucket}/list/")
    results.check(status == 0 and output.decode().splitlines() == [f"s3://{bucket}/{name}" for name in names], f"{title}: a list of 1203: {status} {text}")
    status, output, _ = imgget("--list", "-0", f"s3://{bucket}/list/00")
    results.check(status == 0 and output.decode().split("\0")[:-1] == [f"s3://{bucket}/{name}" for name in names[:100]], f"{title}: a list with NUL")
    results.check(imgget("--list", f"s3://{bucket}/nosuch/")[:2] == (0, b""), f"{title}: a list of none")

    # In parts.
    for size in [(80 << 20) + 12345] if environment["AWS_CA_BUNDLE"] else [64 << 20, (64 << 20) + 1, (80 << 20) + 12345]:
        body = os.urandom(1 << 20) * (size >> 20) + os.urandom(size & 0xfffff)
        status, _, text = imgput(body, f"s3://{bucket}/large")
        results.check(status == 0, f"{title}: put {size}: {status} {text}")
        got = client.get_object(Bucket=bucket, Key="large")["Body"].read()
        results.check(hashlib.sha256(got).digest() == hashlib.sha256(body).digest(), f"{title}: boto3 gets {size} bytes")
        status, output, text = imgget(f"s3://{bucket}/large")
        results.check(status == 0 and output == body, f"{title}: get {size}: {status} {text}")
    uploads = client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    results.check(not uploads, f"{title}: no upload is left")
    status, output, text = run("sh", "-c", 'imgget "$1" | head -c 5 | wc -c', "sh", f"s3://{bucket}/large", environment=environment, timeout=20)
    results.check((status, output.strip(), text) == (0, b"5", ""), f"{title}: a reader that leaves: {status} {text}")
    status, output, text = run("sh", "-c", '{ imgget "$1"; echo $? >&2; } | head -c 5 >/dev/null', "sh", f"s3://{bucket}/large", environment=environment, timeout=20)
    results.check(text == "0\n", f"{title}: a reader that leaves is no failure: {text}")

    # Wrong in one way each.
    for what, others, words in [
            ("secret", {"AWS_SECRET_ACCESS_KEY": SECRET[::-1]}, ["403 Forbidden", "SignatureDoesNotMatch", "wrong secret"]),
            ("access key", {"AWS_ACCESS_KEY_ID": "AKIDNOBODY"}, ["403 Forbidden", "InvalidAccessKeyId"]),
            ("no credentials", {"AWS_ACCESS_KEY_ID": ""}, ["403 Forbidden"])]:
        status, output, text = imgget(url, **others)
        results.check(status == 66 and output == b"" and all(word in text for word in words), f"{title}: get with {what}: {status} {text}")
        status, _, text = imgput(b"x", url, **others)
        results.check(status == 73 and all(word in text for word in words), f"{title}: put with {what}: {status} {text}")
        status, _, text = imgget("--list", f"s3://{bucket}/", **others)
        results.check(status == 66, f"{title}: list with {what}: {status} {text}")
        status, _, text = imgget("--stat", url, **others)
        results.check(status == 66 and all(word in text for word in words), f"{title}: stat with {what}: {status} {text}")
    status, _, text = imgget(f"s3://{bucket}/none.jpg")
    results.check(status == 66 and text == f"imgget: s3://{bucket}/none.jpg: 404 Not Found: NoSuchKey\n", f"{title}: no such key: {text}")
    status, _, text = imgget("s3://no-such-bucket/none.jpg")
    results.check(status == 66 and "NoSuchBucket" in text, f"{title}: no such bucket: {text}")
    # SeaweedFS makes it.
    results.check(imgput(b"x", "s3://no-such-bucket/none.jpg")[0] == (0 if title.startswith("Sea") else 73), f"{title}: put into no such bucket")

    # A file of credentials in place of variables.
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"# mine\n[default]\naws_access_key_id=x\naws_secret_access_key=y\n\n[ other ]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n")
        file.flush()
        status, _, text = imgget("--stat", url, AWS_ACCESS_KEY_ID="", AWS_SHARED_CREDENTIALS_FILE=file.name, AWS_PROFILE="other")
        results.check(status == 0, f"{title}: a file of credentials: {text}")


def check_tls(title, environment, url):
    status, _, text = run("imgget", url, environment={**environment, "AWS_CA_BUNDLE": ""})
    results.check(status == 66 and "not trusted" in text, f"{title}: an unknown authority: {status} {text}")
    status, _, text = run("imgget", url, environment={**environment, "AWS_CA_BUNDLE": "/nonexistent"})
    results.check(status == 66 and "certificates" in text, f"{title}: no authorities: {status} {text}")


def check_faults(server):
    """Each over http:// and, where keys and buckets are of use, s3://."""
    body, base = faultyserver.BODY, server.url

    def get(place, *arguments, seconds="1", timeout=40, **others):
        server.begin()
        url = f"s3://faults/{place}" if others.pop("s3", False) else f"{base}/{place}"
        return run("imgget", *arguments, url, environment={
            "IMG_STORAGE_TIMEOUT": seconds, "AWS_ENDPOINT_URL": base, "AWS_SESSION_TOKEN": TOKEN, **others}, timeout=timeout)

    for s3 in (False, True):
        kind = "s3" if s3 else "http"
        for name in ["good", "twice503", "stallonce", "resetonce", "shortonce", "noranges", "chunked"]:
            status, output, text = get(name, s3=s3)
            results.check((status, output == body, text) == (0, True, ""), f"{kind} {name}: {status} {len(output)} {text}")
        status, output, _ = get("long", s3=s3)
        results.check(status != 0 or output == body, f"{kind} long: {status} {len(output)}")
        results.check(get("small", s3=s3)[:2] == (0, faultyserver.SMALL), f"{kind} small")
        results.check(get("empty", s3=s3)[:2] == (0, b""), f"{kind} empty")
        for name in ["large", "largenoranges"]:
            status, output, text = get(name, s3=s3)
            results.check((status, output == body * 6) == (0, True), f"{kind} {name}: {status} {len(output)} {text}")
        for name, wanted, words in [
                ("always503", 66, "503 Service Unavailable after 4 tries"), ("stall", 74, "for 1 s after 4 tries"), ("silent", 66, "no answer for 1 s after 4 tries"),
                ("reset", 66, "the connection broke after 4 tries"), ("short", 74, "the connection broke after 4 tries"), ("otherrange", 66, "other bytes"),
                ("biggerrange", 66, "other bytes"), ("contradiction", 66, "contradicts"), ("othertotal", 74, "has changed"), ("changed", 74, "has changed"),
                ("precondition", 74, "has changed"), ("largecut", 74, "the connection broke"), ("largechanged", 74, "has changed"),
                ("cutchunks", 74, "the connection broke"), ("heads", 66, ""), ("garbage", 66, ""), ("missing", 66, "404 Not Found: NoSuchKey")]:
            status, output, text = get(name, s3=s3)
            results.check(status == wanted and words in text and text.count("\n") == 1, f"{kind} {name}: {status} {text}")
            results.check(output == (body * 6)[:len(output)], f"{kind} {name}: wrong bytes came out")

    # A reader that leaves while the server is silent is not waited for.
    server.begin()
    begin = time.monotonic()
    status, output, text = run("sh", "-c", 'imgget "$1" | head -c 5', "sh", base + "/largestall")
    results.check((status, output, text) == (0, body[:5], "") and time.monotonic() - begin < 4, f"a reader leaves a silent server: {status} {text}")

    # Redirects.
    results.check(get("redirect")[:2] == (0, body), "a redirect is followed")
    for name, words in [("loop", "too many redirects"), ("tofile", "redirect")]:
        status, output, text = get(name)
        results.check(status == 66 and words in text and not output, f"{name}: {status} {text}")
    status, _, text = get("elsewhere", s3=True)
    results.check(status == 66 and "307" in text and not any(r.name == "caught" for r in server.requests), f"no signature goes elsewhere: {status} {text}")

    # Headers.
    get("small", s3=True)
    sent = server.requests[0].headers
    results.check(sent.get("x-amz-security-token") == TOKEN, "the session token is sent")
    results.check("x-amz-security-token" in sent.get("authorization", ""), "and signed")
    get("small")
    results.check(not {"authorization", "x-amz-security-token", "x-amz-date"} & set(server.requests[0].headers), "http has no signature")
    get("good", s3=True)
    results.check(server.requests[1].headers.get("if-match") == '"v1"', "the version is pinned")
    results.check(get("skewed", s3=True)[:2] == (0, body), "a clock that is wrong")
    results.check(get("small", s3=True, AWS_ACCESS_KEY_ID="")[0] == 0 and "authorization" not in server.requests[0].headers, "no credentials: no signature")

    # What a server says is not what we say.
    status, _, text = get("terminal", s3=True)
    results.check(status == 66 and "\x1b" not in text and text.count("\n") == 1 and len(text) < 300, f"a code with control bytes: {text!r}")
    status, _, text = get("echo", s3=True)
    results.check(status == 66 and "authorization" not in text.lower(), f"an answer that repeats the request: {text}")
    status, _, text = run("imgget", base.replace("http://", "http://user:hunter2@") + "/missing?X-Amz-Signature=hunter2&v=1&access_token=hunter2")
    results.check(status == 66 and "v=1" in text and "http://***@" in text, f"masked: {text}")

    # Lists.
    for bucket in ["entities", "endless", "tokenless", "nolist", "deep"]:
        server.begin()
        status, output, text = run("imgget", "--list", f"s3://{bucket}/", environment={"AWS_ENDPOINT_URL": base}, timeout=20)
        results.check(status == 74 and len(output) < 100 and len(server.requests) <= 3, f"list {bucket}: {status} {len(output)} {text}")

    # Writing.
    def put(name, source=b"some bytes", *arguments, **others):
        server.begin()
        return run("imgput", *arguments, f"s3://faults/{name}", source=source, environment={"IMG_STORAGE_TIMEOUT": "1", "AWS_ENDPOINT_URL": base, **others})

    for name in ["put", "put503", "putlost"]:
        status, _, text = put(name)
        results.check(status == 0 and server.requests[-1].body == b"some bytes", f"{name}: {status} {text}")
    for name, wanted, words in [("putalways503", 74, "503"), ("putstall", 74, "no answer for 1 s after 4 tries"), ("puttwo", 73, "409 Conflict: OperationAborted")]:
        status, _, text = put(name)
        results.check(status == wanted and words in text, f"{name}: {status} {text}")
    status, _, text = put("parts", bytes(65 << 20))
    results.check(status != 0 and "InternalError" in text, f"a completion that fails: {status} {text}")
    results.check(server.requests[-1].method == "DELETE" and "uploadId=an%20id%26%3D%2B%2F" in server.requests[-1].target, "is taken back")
    status, _, text = run("imgput", base + "/put", source=b"x")
    results.check(status == 64, f"no writing by http: {status} {text}")

    # Nobody there, and no such host.
    for url, words in [(f"http://127.0.0.1:{free_port()}/x", "connection refused"), ("http://no-such-host.invalid/x", "no such host")]:
        status, _, text = run("imgget", url)
        results.check(status == 66 and words in text, f"{url}: {status} {text}")
    status, _, text = run("imgput", "s3://faults/x", source=b"x", environment={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})
    results.check(status == 73 and "connection refused" in text, f"put to nobody: {status} {text}")


def check_files(folder):
    path = os.path.join(folder, "a file%41.bin")
    body = os.urandom(300000)
    results.check(run("imgput", path, source=body)[0] == 0 and run("imgget", path)[:2] == (0, body), "a path")
    results.check(run("imgget", "file://" + path.replace("%", "%25").replace(" ", "%20"))[:2] == (0, body), "file://")
    results.check(run("imgget", "--range", "5-9", path)[:2] == (0, body[5:10]), "a range of a file")
    results.check(run("imgput", "-n", path, source=b"x")[0] == 73, "--no-clobber of a file")
    results.check(run("imgput", path, source=b"")[0] == 65 and run("imgget", path)[1] == body, "empty input leaves a file alone")
    results.check(run("imgget", path + "x")[0] == 66, "no such file")
    for option in [], ["--stat"], ["--range", "0-9"]:
        results.check(run("imgget", *option, folder)[0] == 66, f"a directory: {option}")
    results.check(run("imgput", "gs://b/k", source=b"x")[0] == 64 and run("imgput", "-", source=b"x")[0] == 64, "a scheme that is none of ours, and -")
    results.check(run("imgget", "--list", folder + "/a f")[1] == path.encode() + b"\n", "a list of files")
    for words in [["s3://"], ["s3:///key"], ["s3://b@d/key"], ["http://"], ["--range", "5-4", path], ["--range", "x", path], ["--null", path], [""], ["-"], ["gs://b/k"], ["FTP://h/k"]]:
        results.check(run("imgget", *words)[0] == 64, f"usage: {words}")


def main():
    take_tools(__doc__)
    folder = tempfile.mkdtemp(prefix="imgpipe-storage-")
    servers = []
    try:
        check_files(folder)
        check_faults(faultyserver.FaultyServer())
        certificates = Certificates(folder)
        for name, make in [("SeaweedFS", seaweedfs), ("JuiceFS", juicefs)]:
            for tls in (None, certificates):
                title = f"{name}, {'TLS' if tls else 'plain'}"
                server, port = make(folder, tls)
                servers.append(server)
                if tls and make is juicefs:
                    wait_for(f"http://127.0.0.1:{port}", None)
                    port = TLSProxy(port, certificates).port
                endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
                client = wait_for(endpoint, tls and certificates.authority)
                environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": certificates.authority if tls else ""}
                check_store(title, client, environment)
                if tls:
                    check_tls(title, environment, "s3://imgpipe-test/ranges")
                server.stop()
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    results.check(not any(secret in text for text in messages for secret in SECRETS), "no message has a secret in it")
    results.end()


main()
