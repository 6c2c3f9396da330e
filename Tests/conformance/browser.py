"""A headless Chromium, by Selenium and Debian's driver, and what is read out of it."""
import base64
import json
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.chrome.service import Service as Driver

# A busy machine, not a slow page, is what is waited for.
PATIENCE = 60

DROP = """
const [text, name, type] = arguments;
const transfer = new DataTransfer();
transfer.items.add(new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], name, {type}));
const target = document.getElementById("drop");
for (const kind of ["dragenter", "dragover", "drop"])
  target.dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: transfer}));
"""


class Browser:
    """One window. Messages of the console and addresses that were asked for are kept, of all pages."""

    def __init__(self, downloads, scheme="light"):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        # No sandbox of its own, as tests run as root in containers; no small /dev/shm; nothing that the browser fetches for itself.
        for switch in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-background-networking", "no-first-run", "disable-gpu"):
            options.add_argument(f"--{switch}")
        options.add_experimental_option("prefs", {"download.default_directory": downloads})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Driver("/usr/bin/chromedriver"))
        self.driver.set_script_timeout(PATIENCE)
        self.console, self.requests = [], []
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def look(self, width, height, scheme="light"):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def find(self, name):
        return self.driver.find_element(By.ID, name)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def is_shown(self, name):
        return self.find(name).is_displayed()

    def drop(self, data, name, kind):
        self.run(DROP, base64.b64encode(data).decode(), name, kind)

    def press(self, name, *keys):
        """Keys to an element that has the focus, as a person's come."""
        self.find(name).send_keys(*keys)

    def wait_for(self, condition):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.05)
        return False

    def screenshot(self, path):
        """Of the whole page, however long."""
        size = self.command("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        image = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(image["data"]))

    def gather(self):
        """Reads the logs, which are emptied by it."""
        self.console += [entry for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
