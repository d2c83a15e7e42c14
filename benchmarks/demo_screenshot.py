"""Picture of the demo for its page in the documentation, by a headless Chromium; the films are those of MovieLens 100K.

python benchmarks/demo_screenshot.py --pictures docs/figures
python benchmarks/demo_screenshot.py --pictures /tmp --width 400 --scheme dark
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from PIL import Image
from selenium import webdriver

from demo_latency import serving, write_csv

LIKED = ("Star Wars (1977)", "Alien (1979)", "Blade Runner (1982)")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def address(base: str) -> str:
    """Return the address of the page with what is liked."""

    def ask(question: str) -> Any:
        with urlopen(f"{base}api/{question}") as answer:
            return json.load(answer)

    likes = []
    for title in LIKED:
        found = ask(f"search?{urlencode({'q': title, 'n': 50})}")["items"]
        likes += [str(item["item"]) for item in found if item["title"] == title]
    return f"{base}#model={ask('about')['model']}&likes={','.join(likes)}&n=10&popularity=1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    given = parser.parse_args()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        for flag in [*FLAGS, f"--user-data-dir={scratch}/profile"]:
            options.add_argument(flag)
        with serving(write_csv("ml-100k", Path(scratch))) as (port, _):
            browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
            try:
                features = [{"name": "prefers-color-scheme", "value": given.scheme}]
                browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
                size = {"width": given.width, "height": given.height, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                browser.get(address(f"http://127.0.0.1:{port}/"))
                while browser.execute_script("return !map || !document.querySelectorAll('#items li').length"):
                    time.sleep(0.1)
                browser.execute_script("document.querySelector('#items details').open = true; recommend()")
                time.sleep(1)
                picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
            finally:
                browser.quit()
    path = given.pictures / "demo.png"
    # Of 256 colors: a third of the bytes, and k-means keeps those of the legend.
    drawn = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    drawn.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
