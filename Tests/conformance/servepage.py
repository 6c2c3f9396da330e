#!/usr/bin/env python3
"""imgserve's page in a headless Chromium: what a person does with a mouse's drop and with keys, against what the service and imgquality say.

usage: servepage.py [--bin DIR]; with SCREENSHOTS=DIR in the environment pictures of the page are left there"""
import glob
import os
import re
import shutil
import tempfile
import urllib.parse

from selenium.webdriver.common.keys import Keys

from browser import Browser
from harness import Results, content, shell, take_tools
from service import Service

# Between the page's SSIM, of four digits, and imgquality's of the same two files. The measure is the same, and decoders round differently.
# Measured: 0.00005.
TOLERANCE = 0.001
# With alpha: a canvas holds colours multiplied by it, in 8 bits. Measured: 0.0014.
ALPHA_TOLERANCE = 0.005
# Where the picture was scaled: the browser's filter is not ours. Measured: 0.0007.
SCALED_TOLERANCE = 0.005

# As a proxy that is slow at times would do: it does not heed the page's wish to end, and answers of quality 20 come late.
LATE = """
const real = window.fetch;
window.ended = [];
window.fetch = async (url, options) => {
  options.signal.addEventListener("abort", () => window.ended.push(String(url)));
  const answer = await real(url, {...options, signal: undefined});
  if (/quality=20(&|$)/.test(url)) await new Promise((resolve) => setTimeout(resolve, 1500));
  return answer;
};
"""


def pictures(folder):
    source = sorted(glob.glob("/usr/share/backgrounds/mate/nature/*.jpg"))[0]
    shell('imgdecode "$1" | imgresize 1600 | imgencode -q 92 -o "$2/photo.jpg"', source, folder)
    shell('imgdecode "$1" | imgresize 500 | imgencode -q 92 -o "$2/turned.jpg" && exiftool -q -overwrite_original -n -Orientation=6 "$2/turned.jpg"',
          source, folder)
    shell('imgdecode "$1" | imgresize 500 | imgencode -q 95 -o "$2/small.webp"', source, folder)
    # Alpha from left to right, so that much of it is neither clear nor opaque. Without gAMA: of 1/2.2 the filters make sRGB, as libpng's manual
    # has it, and Chromium a power of 2.2, which is apart by 0.0065 of SSIM.
    shell('imgdecode "$1" | imgresize 400 | imgencode -f png | convert - \\( -size 400x1 gradient: -rotate 90 -resize "400x300!" \\) '
          '-resize "400x300!" -alpha off -compose CopyOpacity -composite -define png:exclude-chunks=gAMA,cHRM "PNG32:$2/alpha.png"', source, folder)
    shell('imgdecode --pixels rgb "$1" | imgresize 300 | imgencode -f pam -o "$2/plain.pam"', source, folder)
    with open(f"{folder}/words.jpg", "wb") as file:
        file.write(b"no picture at all\n")
    return {os.path.basename(path): path for path in glob.glob(f"{folder}/*.*")}


class Visitor:
    """Who uses the page."""

    def __init__(self, browser, service, results, downloads):
        self.browser, self.service, self.results, self.downloads = browser, service, results, downloads

    def is_settled(self):
        return self.browser.run("""
            const [result, status, ssim] = ["result", "status", "ssim"].map((id) => document.getElementById(id));
            return status.classList.contains("fault") || !result.hidden && result.getAttribute("aria-busy") === "false" && ssim.textContent !== "…";
        """)

    def settle(self, what):
        self.results.check(self.browser.wait_for(self.is_settled), f"{what}: a result in time; it says: {self.browser.text('status')}")

    def seen(self):
        """What the page shows: bytes, sizes of the pictures as the browser has them, SSIM."""
        return self.browser.run("""
            const get = (id) => document.getElementById(id);
            return {before: Number(get("bytes-before").dataset.bytes), after: Number(get("bytes-after").dataset.bytes), saving: get("saving").textContent, afterText: get("bytes-after").textContent,
                size: [get("after").naturalWidth, get("after").naturalHeight], sizeText: get("size-after").textContent, ssim: Number(get("ssim").textContent) || 0,
                status: get("status").textContent, isFault: get("status").classList.contains("fault"), name: get("download").download};
        """)

    def query(self):
        """Of the page's last request."""
        self.browser.gather()
        return [url for url in self.browser.requests if "/compress?" in url][-1].partition("?")[2]

    def download(self):
        """The file that the link gives."""
        name = os.path.join(self.downloads, self.seen()["name"])
        if os.path.exists(name):
            os.remove(name)
        self.browser.find("download").click()
        self.results.check(self.browser.wait_for(lambda: os.path.exists(name)), f"the link downloads {name}")
        return name

    def check(self, path, what, size, ssim=(0.0, 1.0)):
        """All that is shown of a result, against the service's own answer to the same query."""
        results, seen, data = self.results, self.seen(), content(path)
        answer = self.service.post(f"/compress?{self.query()}", data)
        results.check(answer.status == 200, f"{what}: the service has {answer.status} for {self.query()}")
        results.check((seen["before"], seen["after"]) == (len(data), len(answer.body)), f"{what}: bytes {seen}, the answer has {len(answer.body)}")
        shown = float(seen["afterText"].removesuffix(" kB")) * 1000
        results.check(abs(shown - len(answer.body)) < 51, f"{what}: {seen['afterText']} of {len(answer.body)} bytes")
        saving, shown = (1 - len(answer.body) / len(data)) * 100, float(seen["saving"].replace("−", "-").removesuffix(" %"))
        results.check(abs(shown - saving) < 0.051, f"{what}: saved {seen['saving']}, {saving}")
        results.check(tuple(seen["size"]) == size, f"{what}: {seen['size']} pixels, not {size}")
        results.check(f"{size[0]} × {size[1]}" in seen["sizeText"], f"{what}: says {seen['sizeText']}")
        results.check(ssim[0] < seen["ssim"] <= ssim[1], f"{what}: SSIM {seen['ssim']} in {ssim}")
        results.check(f"SSIM {seen['ssim']:.4f}" in seen["status"] and not seen["isFault"], f"{what}: the status says {seen['status']}")
        results.check(content(self.download()) == answer.body, f"{what}: the download is the answer")
        return seen


def the_head(results, service):
    """What is sent with the page."""
    answer = service.ask("GET", "/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers.get("content-security-policy", "").split(";"))
    results.check(policy.get("default-src") == "'none'" and policy.get("connect-src") == "'self'", f"the policy: {policy}")
    for kind in ("script-src", "style-src"):
        results.check(re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy.get(kind, "")), f"{kind} is one hash: {policy.get(kind)}")
    results.check(answer.headers.get("x-content-type-options") == "nosniff", "nosniff")
    text = answer.body.decode()
    results.check("{{" not in text, "all parts are in their places")
    results.check(not re.search(r"\s(on[a-z]+|style)=|(src|href)=[\"']?(https?:)?//|@import|url\(", text), "no handlers in attributes, nothing from elsewhere")


def a_photograph(results, visitor, files):
    """Through the button; then quality and width by keys."""
    browser, path = visitor.browser, files["photo.jpg"]
    results.check(not browser.is_shown("result"), "nothing is shown at first")
    browser.find("file").send_keys(path)
    visitor.settle("a photograph")
    size = tuple(browser.run("const {naturalWidth: w, naturalHeight: h} = document.getElementById('before'); return [w, h]"))
    results.check(size[0] == 1600, f"before: {size}")
    first = visitor.check(path, "quality 80", size, (0.9, 0.9999))
    results.check(visitor.query() == "format=jpeg&quality=80", f"the query: {visitor.query()}")
    agrees(results, visitor, path, "a JPEG of quality 80")
    scores = [first["ssim"]]
    for keys, value in [([Keys.ARROW_LEFT] * 40, 40), ([Keys.HOME, *[Keys.ARROW_RIGHT] * 9], 10)]:
        browser.press("quality", *keys)
        visitor.settle(f"quality {value}")
        results.check(f"quality={value}" in visitor.query() and browser.text("quality-value") == str(value), f"quality {value}: {visitor.query()}")
        scores.append(visitor.check(path, f"quality {value}", size)["ssim"])
        agrees(results, visitor, path, f"quality {value}")
    results.check(scores[0] > scores[1] > scores[2] > 0.3, f"SSIM falls with the quality: {scores}")
    browser.press("quality", Keys.END, *[Keys.ARROW_LEFT] * 20)
    browser.press("width", Keys.HOME, *[Keys.PAGE_UP] * 4, *[Keys.ARROW_RIGHT] * 3)
    visitor.settle("a width")
    chosen = int(urllib.parse.parse_qs(visitor.query())["resize"][0])
    results.check(100 < chosen < 1600, f"width {chosen}")
    visitor.check(path, f"width {chosen}", (chosen, round(size[1] * chosen / size[0])), (0.8, 0.9999))
    reference = shell('imgdecode "$1" | imgresize "$2" | imgencode -f png', path, str(chosen))
    with open(f"{visitor.downloads}/reference.png", "wb") as file:
        file.write(reference)
    agrees(results, visitor, f"{visitor.downloads}/reference.png", "a result that is scaled", SCALED_TOLERANCE)
    results.check("scaled" in browser.text("ssim-note"), "it is said that the original was scaled")
    browser.press("width", Keys.END)
    visitor.settle("its own width")
    results.check("resize" not in visitor.query(), f"all the way to the right nothing is resized: {visitor.query()}")


def agrees(results, visitor, reference, what, tolerance=TOLERANCE):
    """The page's SSIM is imgquality's, of the same two files."""
    ours = float(shell('imgquality --metric ssim "$1" "$2"', reference, visitor.download()).split()[1])
    page = visitor.seen()["ssim"]
    print(f"SSIM of {what}: page {page:.4f}, imgquality {ours:.6f}, apart {abs(page - ours):.6f}")
    results.check(abs(page - ours) <= tolerance, f"{what}: SSIM {page} here, {ours} of imgquality")


def other_kinds(results, visitor, files):
    """By drop: a JPEG that is turned, a WebP, a PNG with alpha. In the same format, and in another."""
    for name, kind, size in [("turned.jpg", "jpeg", None), ("small.webp", "webp", None), ("alpha.png", "png", (400, 300))]:
        path, data = files[name], content(files[name])
        visitor.browser.drop(data, name, f"image/{kind}")
        visitor.settle(name)
        size = size or tuple(visitor.browser.run("const {naturalWidth: w, naturalHeight: h} = document.getElementById('before'); return [w, h]"))
        results.check((size[0] < size[1]) == (name == "turned.jpg"), f"{name} is upright: {size}")
        visitor.check(path, name, size, (0.9, 1.0))
        results.check(f"format={kind}" in visitor.query(), f"{name}: the same format: {visitor.query()}")
        agrees(results, visitor, path, name)
    results.check(visitor.seen()["ssim"] == 1, "PNG loses nothing")
    results.check(not visitor.browser.find("quality").is_enabled(), "and has no quality")
    visitor.browser.press("format", "WebP")
    visitor.settle("alpha as WebP")
    results.check("format=webp" in visitor.query() and visitor.seen()["name"] == "alpha-small.webp", f"the format's key: {visitor.query()}")
    visitor.check(files["alpha.png"], "alpha as WebP", (400, 300), (0.9, 0.9999))
    agrees(results, visitor, files["alpha.png"], "alpha as WebP", ALPHA_TOLERANCE)
    visitor.browser.press("format", "the same")
    visitor.settle("the same format again")
    visitor.browser.drop(content(files["plain.pam"]), "plain.pam", "")
    visitor.settle("a picture that no browser shows")
    results.check(visitor.seen()["size"][0] == 300 and visitor.browser.text("ssim") == "–" and not visitor.browser.find("before").is_displayed(),
                  f"of a PAM only the result is shown: {visitor.seen()}")
    results.check(visitor.browser.run("return document.getElementById('file').files[0].name") == "plain.pam", "the button has the name of what was dropped")


def the_wipe(results, visitor):
    """By keys and by a pointer's drag."""
    browser = visitor.browser

    def seam():
        return browser.run("""
            const [after, stage] = ["after", "stage"].map((id) => document.getElementById(id));
            return [getComputedStyle(stage).getPropertyValue("--wipe"), getComputedStyle(after).clipPath];""")
    browser.press("wipe", Keys.HOME)
    results.check(seam() == ["0%", "inset(0px 0px 0px 0%)"], f"wiped to the left the result is whole: {seam()}")
    browser.press("wipe", Keys.END)
    results.check(seam()[0] == "100%", f"wiped to the right: {seam()}")
    browser.run("document.getElementById('wipe').scrollIntoView({block: 'center'})")
    x, y, width, height = browser.run("const r = document.getElementById('wipe').getBoundingClientRect(); return [r.x, r.y, r.width, r.height]")
    for kind, part in [("mousePressed", 0.5), ("mouseMoved", 0.4), ("mouseMoved", 0.25), ("mouseReleased", 0.25)]:
        browser.command("Input.dispatchMouseEvent", type=kind, x=x + part * width, y=y + height / 3, button="left", buttons=1, clickCount=1)
    results.check(abs(float(seam()[0].rstrip("%")) - 25) < 1, f"dragged to a quarter: {seam()}")


def late_answers(results, visitor, files):
    """An answer that comes behind a later one is not shown, and its request was told to end."""
    browser = visitor.browser
    browser.open(f"http://127.0.0.1:{visitor.service.port}/")
    browser.run(LATE)
    browser.find("file").send_keys(files["small.webp"])
    visitor.settle("a WebP")
    browser.press("quality", Keys.HOME, *[Keys.ARROW_RIGHT] * 19)
    results.check(browser.wait_for(lambda: "quality=20" in visitor.query()), "the one that will be late is asked for")
    browser.press("quality", *[Keys.ARROW_RIGHT] * 50)
    visitor.settle("the later one")
    seen = visitor.seen()
    browser.driver.execute_async_script("setTimeout(arguments[0], 2500)")
    results.check("quality=70" in visitor.query() and visitor.seen() == seen, f"what came late changes nothing: {visitor.seen()}, {seen}")
    visitor.check(files["small.webp"], "the later one", tuple(seen["size"]))
    ended = browser.run("return window.ended")
    results.check(any("quality=20" in url for url in ended), f"the earlier request is ended: {ended}")
    asked = sum("/compress" in url for url in browser.requests)
    browser.press("quality", *[Keys.ARROW_LEFT] * 30)
    visitor.settle("thirty keys")
    browser.gather()
    more = sum("/compress" in url for url in browser.requests) - asked
    results.check(1 <= more <= 5, f"thirty keys are few requests: {more}")


def faults(results, visitor, files):
    """In the service's words; and a picture behind it is as ever."""
    browser = visitor.browser
    for name, data in [("words.jpg", content(files["words.jpg"])), ("large.jpg", content(files["photo.jpg"]) + b"\0" * (3 << 20))]:
        browser.drop(data, name, "image/jpeg")
        visitor.settle(name)
        answer = visitor.service.post("/compress?format=jpeg&quality=80", data)
        detail = re.search(r'"detail": ?"(.*)"\}', answer.body.decode())[1]
        seen = visitor.seen()
        results.check(seen["isFault"] and seen["status"] == detail, f"{name}: {seen['status']}, of the service: {detail}")
        results.check(not browser.is_shown("result"), f"{name}: no result is shown")
    browser.drop(content(files["small.webp"]), "small.webp", "image/webp")
    visitor.settle("a picture behind a fault")
    results.check(not visitor.seen()["isFault"] and browser.is_shown("result"), "a picture behind a fault")


def the_policy(results, visitor):
    """What does not come with the page does not run, and nobody else is asked."""
    intruder = visitor.browser.run("""
        const script = document.createElement("script");
        script.textContent = "window.intruder = 1";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<p id=marked style='color: red'><img src=x onerror='window.intruder = 2'>");
        return [window.intruder ?? null, document.getElementById("marked").style.color];""")
    results.check(intruder == [None, ""], f"what is put into the page does not run: {intruder}")
    with Service() as other:
        reached = visitor.browser.driver.execute_async_script(
            "fetch(arguments[0], {mode: 'no-cors'}).then(() => arguments[1](true), () => arguments[1](false))", f"http://127.0.0.1:{other.port}/")
    results.check(reached is False, "another server cannot be asked")


def looks(results, visitor, folder):
    """Nothing is wider than the window, on a telephone neither; pictures of it for who wants to look."""
    for name, width, height, scheme in [("light", 1200, 900, "light"), ("dark", 1200, 900, "dark"), ("phone", 360, 740, "light")]:
        visitor.browser.look(width, height, scheme)
        wide, ground = visitor.browser.run("return [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]")
        results.check(wide <= width, f"{name}: {wide} pixels wide in a window of {width}")
        is_dark = sum(int(number) for number in re.findall(r"\d+", ground)[:3]) < 384
        results.check(is_dark == (scheme == "dark"), f"{name}: the ground is {ground}")
        if folder:
            os.makedirs(folder, exist_ok=True)
            visitor.browser.screenshot(f"{folder}/{name}.png")


def main():
    take_tools(__doc__)
    results, folder = Results(), tempfile.mkdtemp(prefix="imgserve-page-")
    try:
        os.mkdir(f"{folder}/downloads")
        files = pictures(folder)
        with Service("--max-body", "2M") as service, Browser(f"{folder}/downloads") as browser:
            the_head(results, service)
            visitor = Visitor(browser, service, results, f"{folder}/downloads")
            address = f"http://127.0.0.1:{service.port}/"
            browser.open(address)
            a_photograph(results, visitor, files)
            the_wipe(results, visitor)
            looks(results, visitor, os.environ.get("SCREENSHOTS"))
            other_kinds(results, visitor, files)
            late_answers(results, visitor, files)
            browser.gather()
            results.check(not browser.console, f"nothing on the console: {browser.console}")
            faults(results, visitor, files)
            browser.gather()
            strange = [entry for entry in browser.console if not ("/compress?" in entry["message"] and "the server responded with a status of 4" in entry["message"])]
            results.check(not strange, f"on the console only the service's own refusals: {strange}")
            elsewhere = {url for url in browser.requests if not url.startswith((address, f"blob:{address}", "data:image/svg+xml,"))}
            results.check(browser.requests and not elsewhere, f"nobody else is asked: {elsewhere}")
            the_policy(results, visitor)
    finally:
        shutil.rmtree(folder)
    results.end()


if __name__ == "__main__":
    main()
