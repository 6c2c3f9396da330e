#!/usr/bin/env python3
"""imgserve's GET /image/KEY from SeaweedFS: the bytes of the filters, the cache, objects that change, and a store that is away.

usage: servestorage.py [--bin DIR]"""
import concurrent.futures
import glob
import tempfile
import urllib.parse

from harness import Results, content, shell, take_tools
from service import Service
from stores import ACCESS, SECRET, running

BUCKET = "imgserve"


def check_store(results, client, environment, folder, stop):
    client.create_bucket(Bucket=BUCKET)
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    key = "pub/a b ü'()!*+.jpg"
    client.upload_file(source, BUCKET, key)
    client.upload_file(source, BUCKET, "secret.jpg")
    expected = shell('imgdecode "$1" | imgresize 90 | imgstrip --keep copyright | imgencode', source)
    path = f"/image/{urllib.parse.quote(key[4:])}?resize=90"
    log = f"{folder}/log"
    with Service("--storage", f"s3://{BUCKET}/pub", "--access-log", log=log, environment=environment) as service:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: service.ask("GET", path), range(8)))
        results.check(all(a.status == 200 and a.body == expected for a in answers), f"eight at once: {[(a.status, a.body[:90]) for a in answers if a.status != 200]}")
        results.check(service.metric('imgpipe_cache_requests_total{result="miss"}') == 1, "made once for all of them")
        tag = answers[0].headers["etag"]
        results.check(service.ask("GET", path, headers=[f"If-None-Match: {tag}"]).status == 304, "304 by the object's etag")
        for name in ("none.jpg", "..%2fsecret.jpg", "../secret.jpg", "%2fsecret.jpg", "s3://imgserve/secret.jpg"):
            answer = service.ask("GET", f"/image/{name}")
            results.check(answer.status in (403, 404), f"{name}: {answer.status}")
        client.upload_file(sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[1], BUCKET, key)
        answer = service.ask("GET", path)
        results.check(answer.status == 200 and answer.headers["etag"] != tag and answer.body != expected, "an object that has changed is made anew")
        client.put_object(Bucket=BUCKET, Key="pub/broken.jpg", Body=content(source)[:20000])
        results.check(service.ask("GET", "/image/broken.jpg").error == "damaged", "a damaged object is 422")
        stop()
        answer = service.ask("GET", "/image/other.jpg", timeout=120)
        results.check(answer.status == 502 and answer.error == "storage", f"a store that is away: {answer.status} {answer.body}")
        results.check(service.ask("GET", "/readyz").status == 200, "and the service goes on")
    said = content(log).decode() + answer.body.decode()
    results.check(SECRET not in said and "Signature" not in said and '"path":"/image/broken.jpg"' in said, "the log has the request, and no secret")
    with Service("--storage", f"s3://{BUCKET}", environment={**environment, "AWS_SECRET_ACCESS_KEY": "hunter2"}) as service:
        results.check("hunter2" not in service.ask("GET", "/image/a.jpg", timeout=120).body.decode(), "a secret is not told")


def main():
    take_tools(__doc__)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="imgserve-", ignore_cleanup_errors=True) as folder, running(folder) as (server, endpoint, client):
        environment = {"HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_ENDPOINT_URL": endpoint, "IMG_STORAGE_TIMEOUT": "2"}
        check_store(results, client, environment, folder, server.stop)
    results.end()


if __name__ == "__main__":
    main()
