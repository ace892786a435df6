"""The page in a real browser, from the drop to the download."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
AXE = ROOT / "build/axe/package/axe.min.js"
LONG = 900_000  # ms; on a busy machine loading the networks alone takes minutes
CHOSEN, FACE = ".face[aria-pressed=true]", ".face"

pytestmark = pytest.mark.browser


def wait_until(page, true):
    """Until ``true()``. Playwright's own wait evaluates in the page, which its policy forbids."""
    end, pause = time.monotonic() + LONG / 1000, 50.0
    while not true():
        assert time.monotonic() < end, page.inner_text("body")
        page.wait_for_timeout(pause)
        pause = min(pause * 1.3, 2000)  # ms; looking often would take a busy machine's time from what is waited for


def wait_for_text(page, selector, text):
    """Until the element's text has ``text`` in it."""
    wait_until(page, lambda: text in page.locator(selector).inner_text())


def add(page, *files):
    """Choose files, and wait until they have been looked at."""
    page.set_input_files("#pick-files", [str(file) for file in files])
    cards, waiting = page.locator("#photos .card"), page.locator("#photos [data-state=waiting]")
    wait_until(page, lambda: cards.count() == len(files) and not waiting.count())


def card(page, name):
    return page.locator(".card", has=page.get_by_text(name, exact=True))


def cloak(page):
    page.click("#go")
    wait_for_text(page, "#progress-text", "Done")


def download(page, selector):
    with page.expect_download() as waiting:
        selector.click()
    return waiting.value


def use_me(page):
    """The identity that is there already."""
    wait_until(page, page.locator("#identity option[value=me]").count)
    page.select_option("#identity", "me")


def run_command(home, *arguments):
    """The command line in its own process: this one's torch runs on one thread, which may change last bits."""
    command = [sys.executable, "-m", "faceshield", *map(str, arguments)]
    subprocess.run(command, env={**os.environ, "FACESHIELD_HOME": str(home)}, check=True, capture_output=True)


def test_the_whole_way(open_page, empty, shared, tmp_path):
    """A group photo with two of six faces, a sideways one, and a text: bytes as the command line's."""
    group, sideways = shared / "photos/group.jpg", shared / "odd/faces__rotate__rot_90.jpg"
    letter = tmp_path / "letter.jpg"
    letter.write_text("Dear Sir or Madam")
    page = open_page()
    add(page, group, sideways, letter)
    use_me(page)
    faces = card(page, "group.jpg").locator(FACE)
    assert faces.count() == 6
    assert card(page, "group.jpg").locator(CHOSEN).count() == 1
    card(page, "group.jpg").locator(CHOSEN).click()
    faces.nth(1).click()
    faces.nth(4).click()
    assert card(page, "group.jpg").locator(CHOSEN).count() == 2  # at once, however fast the clicks came
    wait_until(page, lambda: "2+5" in [photo["choice"] for photo in empty.ask("GET", "/api/state")["photos"]])
    assert "letter.jpg: is not a picture" in card(page, "letter.jpg").locator(".status").inner_text()
    assert page.inner_text("#go") == "Cloak 2 photos"
    cloak(page)
    assert page.inner_text("#done-summary") == "2 cloaked, 0 left unprotected, 0 failed."
    run_command(empty.home, "cloak", group, "-o", tmp_path / "group", "--face", "2+5")
    run_command(empty.home, "cloak", sideways, "-o", tmp_path / "sideways")
    # the sideways one is a PNG in truth, and is written as one
    written = {"group.jpg": "group/group.jpg", sideways.name: f"sideways/{sideways.stem}.png"}
    expected = {Path(place).name: (tmp_path / place).read_bytes() for place in written.values()}
    for name, place in written.items():
        got = download(page, card(page, name).get_by_text("Download"))
        assert got.suggested_filename == Path(place).name
        assert Path(got.path()).read_bytes() == expected[Path(place).name]
    with zipfile.ZipFile(download(page, page.locator("#zip")).path()) as file:
        assert {name: file.read(name) for name in file.namelist()} == expected


def test_sixty_photos_cancelled_reloaded_and_finished(open_page, shared):
    photos = sorted((shared / "selfies/s00").iterdir())[:60]
    page = open_page()
    add(page, *photos)
    use_me(page)
    chosen = page.locator("#photos .card", has=page.locator(CHOSEN)).count()
    assert page.inner_text("#go") == f"Cloak {chosen} photos"
    assert chosen > 40
    page.click("#go")
    page.wait_for_selector(".card[data-state=cloaked]")
    assert "left" in page.inner_text("#progress-text")
    page.reload()  # in mid-job
    page.wait_for_selector(".card[data-state=cloaked]")
    assert page.locator("#photos .card").count() == 60
    assert page.locator("#cancel").is_visible()
    page.click("#cancel")
    wait_for_text(page, "#progress-text", "Cancelled")
    done = page.locator(".card[data-state=cloaked]").count()
    assert 0 < done < chosen
    use_me(page)
    assert page.inner_text("#go") == f"Cloak {chosen - done} photo{'s' * (chosen - done != 1)}"
    cloak(page)
    states = page.locator(".card[data-state=cloaked], .card[data-state=unprotected]")
    assert states.count() == chosen


def test_a_drop_is_taken(open_page, portrait, put, tmp_path):
    data = base64.b64encode(put(tmp_path / "a.jpg", portrait).read_bytes()).decode()
    page = open_page()
    page.evaluate(
        """(data) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "dropped.jpg"));
            const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.querySelector("#drop").dispatchEvent(drop);
        }""",
        data,
    )
    page.wait_for_selector(CHOSEN)
    assert card(page, "dropped.jpg").count() == 1


def test_the_preview_follows_the_choices(open_page, portrait, put, tmp_path):
    page = open_page()
    add(page, put(tmp_path / "a.png", portrait))
    page.wait_for_selector("#preview .compare")
    first = page.get_attribute("#preview .stack .top", "src")
    page.select_option("#identity", "")
    page.fill("#identity-name", "somebody new")
    page.focus("#levels")
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: page.get_attribute("#preview .stack .top", "src") != first)
    wait_for_text(page, "#preview-note", "stands in")
    page.get_by_label("Difference ×16").check()
    assert page.locator("#preview .stack img:visible").count() == 1
    assert page.evaluate("document.querySelector('#preview .stack img:not([hidden])').naturalWidth") > 50


def test_a_box_is_drawn_by_mouse_and_by_keyboard(open_page, astronaut, put, tmp_path):
    page = open_page()
    add(page, put(tmp_path / "none.png", astronaut[300:, 300:]))
    assert "No face found" in card(page, "none.png").locator(".status").inner_text()
    page.get_by_text("Draw a box", exact=True).click()
    wait_until(page, lambda: page.evaluate("document.querySelector('#box-picture').naturalWidth"))
    area = page.locator("#box-stage").bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.25, area["y"] + area["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.5, area["y"] + area["height"] * 0.6, steps=3)
    page.mouse.up()
    numbers = [int(number) for number in re.findall(r"\d+", page.inner_text("#box-place"))]
    assert numbers == pytest.approx([53, 53, 53, 74], abs=2)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    moved = [int(number) for number in re.findall(r"\d+", page.inner_text("#box-place"))]
    assert moved == pytest.approx([57, 53, 53, 78], abs=2)
    page.click("#box-add")
    page.wait_for_selector(CHOSEN)
    assert page.inner_text("#notice") == "The face is added and chosen."


def test_the_keyboard_alone_will_do(open_page, portrait, put, tmp_path):
    page = open_page()
    add(page, put(tmp_path / "a.png", portrait))
    use_me(page)
    page.focus(FACE)
    page.keyboard.press("Space")
    page.wait_for_selector(".face[aria-pressed=false]")
    assert page.evaluate("document.activeElement.className").startswith("face")
    page.keyboard.press("Space")
    page.wait_for_selector(CHOSEN)
    page.focus("#go")
    page.keyboard.press("Enter")
    page.wait_for_selector(".card[data-state=cloaked]")
    page.get_by_label("Compare a.png before and after").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#compare-dialog .compare")
    line = page.locator("#compare-dialog .compare input[type=range]")
    line.focus()
    before = page.evaluate("document.querySelector('#compare-dialog .top').style.clipPath")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('#compare-dialog .top').style.clipPath") != before
    page.keyboard.press("Escape")
    assert not page.locator("#compare-dialog").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_cut_off_and_axe_finds_nothing_serious(open_page, portrait, put, tmp_path, scheme, width):
    # the page's own policy would keep axe out; that it holds is tested elsewhere
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    found = {"empty": inspect(page)}
    add(page, put(tmp_path / "a.png", portrait))
    use_me(page)
    page.wait_for_selector("#preview .compare")
    page.click("#more summary")
    found["photos"] = inspect(page)
    cloak(page)
    page.wait_for_selector("#done-section:not([hidden])")
    found["result"] = inspect(page)
    page.get_by_text("Compare", exact=True).click()
    page.wait_for_selector("#compare-dialog .compare")
    found["compare"] = inspect(page)
    page.click("#compare-close")
    page.get_by_text("Draw a box", exact=True).click()
    found["box"] = inspect(page)
    assert not any(found.values()), found


def inspect(page):
    """What is wrong with the page as it is: serious findings of axe, and a page wider than the window."""
    if not AXE.is_file():
        pytest.skip("axe-core is not here (make test-app fetches it)")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    serious = [
        f"{one['id']}: {node['html'][:120]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    return [*([f"{wide} pixels too wide"] if wide > 0 else []), *serious]
