"""The app in its own process, and a browser that looks at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faceshield.noise import vault
from faceshield.noise.identity import Identity

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONG = 900_000  # ms, as in test_page


@dataclass
class App:
    """A running app."""

    address: str
    home: Path

    def ask(self, method: str, path: str, value: Any = None) -> Any:
        """Send a request as the page would."""
        base, token = self.address.split("/?token=")
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(base + path, data, {"X-Faceshield-Token": token}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, ready: Identity) -> Iterator[App]:
    """The app, with ``ready`` kept as "me"; one for all tests, since starting takes long."""
    for name in ("starlette", "uvicorn"):
        pytest.importorskip(name, reason=f"{name} (extra app) is not installed")
    folder = tmp_path_factory.mktemp("app")
    home = folder / "home"
    (home / "identities").mkdir(parents=True)
    vault.save(ready, home / "identities/me.safetensors")
    environment = {**os.environ, "FACESHIELD_HOME": str(home), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "faceshield", "app", "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        app = App(process.stdout.readline().split(" at ")[1].strip(), home)
        yield app
        app.ask("POST", "/api/quit")
        assert process.wait(60) == 0
    assert [path.name for path in folder.iterdir()] == ["home"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make test-app)")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is here (looked for {', '.join(BROWSERS)})")
    with sync_api.sync_playwright() as playwright:
        # a container's root may not use Chromium's own sandbox
        options = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


@pytest.fixture
def empty(app: App) -> App:
    """The app without photos and without a job."""
    app.ask("DELETE", "/api/job")
    while True:
        state = app.ask("GET", "/api/state")
        if state["job"] is None or state["job"]["state"] != "running":
            break
    for photo in state["photos"]:
        app.ask("DELETE", f"/api/photos/{photo['id']}")
    return app


@pytest.fixture
def open_page(empty: App, browser: Any) -> Iterator[Callable[..., Any]]:
    """Open the page, with the options of a Playwright context; whatever the browser complains of fails the test."""
    contexts, complaints = [], []

    def open_(**options: Any) -> Any:
        context = browser.new_context(accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LONG)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # a request that is refused on purpose is logged as well
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.on("request", lambda request: None if is_ours(request.url, empty) else complaints.append(request.url))
        page.goto(empty.address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    return message.type in ("error", "warning") and "the server responded with a status of" not in message.text


def is_ours(url: str, app: App) -> bool:
    return url.startswith((app.address.split("?")[0], "blob:", "data:"))
