"""What must come of the recipes of docs/cookbook.md that need a server: S3 (SeaweedFS on loopback) and imgserve. See kitchen.py."""
import json

from harness import psnr
from kitchen import recipe


@recipe("from-s3-to-s3")
def _(k):
    import stores  # boto3 and SeaweedFS are there where check-all's packages of PyPI are
    with stores.running(k.folder) as (_, endpoint, client):
        for bucket in ("photos", "thumbs"):
            client.create_bucket(Bucket=bucket)
        for key, name in (("2026/a.jpg", "a.jpg"), ("2026/deep/Wood +1.jpg", "photos/nature/Wood.jpg"), ("2025/no.jpg", "a.jpg")):
            client.upload_file(k.path(name), "photos", key)
        k.environment.update(AWS_ACCESS_KEY_ID=stores.ACCESS, AWS_SECRET_ACCESS_KEY=stores.SECRET, AWS_ENDPOINT_URL=endpoint, AWS_REGION="us-east-1")
        yield
        found = sorted(each["Key"] for each in client.list_objects_v2(Bucket="thumbs").get("Contents", []))
        k.check(k.status == 0 and found == ["2026/a.jpg.webp", "2026/deep/Wood +1.jpg.webp", "one.jpg"], f"{found}")
        for key, name in (("2026/a.jpg.webp", "t.webp"), ("one.jpg", "one.jpg")):
            client.download_file("thumbs", key, k.path(name))
        k.check(k.size("t.webp") == (320, 200) and k.size("one.jpg") == (800, 500), f"{k.size('t.webp')} {k.size('one.jpg')}")


def free_address(k):
    import stores
    k.environment["address"] = f"127.0.0.1:{stores.free_port()}"


@recipe("over-http-with-curl")
def _(k):
    free_address(k)
    yield
    k.check(k.status == 0 and k.size("small.webp") == (800, 500) and k.size("square.jpg") == (200, 200), f"{k.size('small.webp')} {k.size('square.jpg')}")
    k.check(json.loads(k.text("error.json"))["error"] == "damaged", k.text("error.json"))
    k.shell("imgdecode a.jpg | imgresize 800 | imgstrip --keep copyright | imgencode -f webp -o filters.webp")
    k.check(psnr(k.pixels("filters.webp"), k.pixels("small.webp")) == float("inf"), "the filters' picture")


@recipe("signed-urls")
def _(k):
    free_address(k)
    yield
    k.check(k.status == 0 and k.size("signed.jpg") == (300, 188), f"{k.size('signed.jpg')}")
    k.check(k.output.strip() == "403" and json.loads(k.text("refused.json"))["error"] == "signature", k.text("refused.json"))
