"""A session of the app without a server or a second process, and a client that knows its token."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from app_samples import BASE, LIMITS, PORT, TOKEN, cloak_nothing
from PIL import Image

from faceshield.app.engine import Engine
from faceshield.app.refusals import Refusal
from faceshield.app.session import Session
from faceshield.core.errors import FaceshieldError


class InlineEngine(Engine):
    """Does each task at once, here."""

    def start(self) -> None:
        pass

    def close(self) -> None:
        pass

    def ask(self, name: str, priority: int = 0, **arguments: Any) -> Future[dict[str, Any]]:
        from faceshield.app.eyes import TASKS

        future: Future[dict[str, Any]] = Future()
        try:
            future.set_result(TASKS[name](**arguments) if name != "warm" else {})
        except FaceshieldError as error:
            future.set_exception(Refusal("said", 422, message=str(error)))
        return future


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    work = tmp_path / "work"
    work.mkdir()
    session = Session(work, LIMITS, InlineEngine(), cloak_nothing)
    session.start()
    yield session
    session.close()


@pytest.fixture
def stranger(session: Session) -> Any:
    """A client of this machine without the token."""
    pytest.importorskip("starlette", reason="starlette (extra app) is not installed")
    pytest.importorskip("httpx2", reason="httpx2 (extra dev) is not installed")
    from starlette.testclient import TestClient

    from faceshield.app.routes import build_app

    return TestClient(build_app(session, TOKEN, PORT, lambda: None), base_url=BASE)


@pytest.fixture
def client(stranger: Any) -> Any:
    """The page."""
    stranger.headers["X-Faceshield-Token"] = TOKEN
    return stranger


@pytest.fixture
def jpeg(portrait: Any) -> bytes:
    """The portrait as a small JPEG."""
    data = io.BytesIO()
    Image.fromarray(portrait).save(data, "JPEG", quality=90)
    return data.getvalue()
