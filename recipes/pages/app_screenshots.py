"""The pictures of docs/app.md: the page with scikit-image's portrait (NASA, public domain), in a real browser.

    python recipes/pages/app_screenshots.py [docs/app]

Needs what ``make test-app`` installs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

LONG = 1_800_000  # ms
COMPLETE = "[...document.images].every((picture) => picture.complete)"
COLOURS = 256  # of the pictures' palette, so that files stay small


def make_photos(folder: Path) -> list[str]:
    """The portrait in three crops, so that there is an album."""
    astronaut = skimage.data.astronaut()
    crops = {"launch.jpg": astronaut, "portrait.jpg": astronaut[:300, 80:380], "tilted.jpg": astronaut[:420, 40:460]}
    for name, pixels in crops.items():
        picture = Image.fromarray(pixels)
        picture = picture.rotate(8, Image.Resampling.BICUBIC) if name == "tilted.jpg" else picture
        picture.save(folder / name, quality=93)
    return [str(folder / name) for name in crops]


def take(page: Any, path: Path, selector: str | None = None) -> None:
    """A picture of the window, or of one element, as a small PNG."""
    raw = path.with_suffix(".raw.png")
    (page.locator(selector) if selector else page).screenshot(path=raw)
    Image.open(raw).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    raw.unlink()


def wait_until(page: Any, expression: str) -> None:
    """Until ``expression`` is true in the page, whose policy forbids Playwright's own wait."""
    while not page.evaluate(expression):
        page.wait_for_timeout(100)


def main(out: Path) -> None:
    """Go the whole way and leave photos.png, preview.png, compare.png and narrow.png in ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        environment = {**os.environ, "FACESHIELD_HOME": f"{name}/home"}
        command = [sys.executable, "-m", "faceshield", "app", "--no-browser"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split(" at ")[1].strip()
            options = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
            show_light(browser, address, make_photos(Path(name)), out)
            show_dark(browser, address, out)
            browser.close()
        finally:
            process.terminate()
            process.wait(60)


def show_light(browser: Any, address: str, photos: list[str], out: Path) -> None:
    """The whole way on a desktop's window."""
    page = browser.new_page(viewport={"width": 900, "height": 860})
    page.set_default_timeout(LONG)
    page.goto(address)
    page.set_input_files("#pick-files", photos)
    wait_until(page, "document.querySelectorAll('.face[aria-pressed=true]').length === 3")
    page.wait_for_selector("#preview .compare")
    wait_until(page, COMPLETE)
    take(page, out / "photos.png")
    page.set_viewport_size({"width": 900, "height": 2400})  # so tall that the bar at the bottom covers nothing
    take(page, out / "preview.png", "#choices-section .columns")
    page.focus("#time")
    page.keyboard.press("ArrowLeft")  # the ready-made noise: pictures in seconds
    page.click("#go")
    wait_until(page, "document.querySelector('#progress-text').textContent.startsWith('Done')")
    page.get_by_text("Compare", exact=True).first.click()
    page.wait_for_selector("#compare-dialog .compare")
    wait_until(page, COMPLETE)
    page.set_viewport_size({"width": 620, "height": 960})
    take(page, out / "compare.png", "#compare-dialog")


def show_dark(browser: Any, address: str, out: Path) -> None:
    """The result on a phone's width, in the dark."""
    page = browser.new_page(viewport={"width": 360, "height": 1400}, color_scheme="dark")
    page.set_default_timeout(LONG)
    page.goto(address)
    page.wait_for_selector(".card[data-state=cloaked]")
    wait_until(page, COMPLETE)
    take(page, out / "narrow.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/app"))
