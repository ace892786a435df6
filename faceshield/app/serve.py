"""Start and end the app: a private work folder, a socket that only this machine reaches, the server."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from faceshield.app.refusals import Limits
from faceshield.app.routes import build_app
from faceshield.app.session import Session
from faceshield.core.errors import UsageError

LOOPBACK = "127.0.0.1"
PREFIX = "faceshield-app-"
OWNER = "process"  # a file with the number of the process that a work folder belongs to


def serve(port: int = 0, on_ready: Callable[[str], None] = lambda address: None, limits: Limits | None = None) -> None:
    """Serve the app until it is interrupted or ended on its page; a ``port`` of 0 takes a free one.

    ``on_ready`` gets the page's address, token included, once it can be opened. The work folder is deleted at the end.
    Raises UsageError where the port is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError as error:
            raise UsageError(
                f"port {port} cannot be used ({error.strerror}); choose another, or 0 for a free one"
            ) from None
        listener.listen(128)
        port = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        remove_left_behind()
        work = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
        try:
            (work / OWNER).write_text(str(os.getpid()))
            with _keeping_temporary_files(work):
                _run(listener, work, token, port, on_ready, limits)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _run(
    listener: socket.socket,
    work: Path,
    token: str,
    port: int,
    on_ready: Callable[[str], None],
    limits: Limits | None,
) -> None:
    session = Session(work, limits)

    def end() -> None:
        server.should_exit = True

    # no access log: addresses hold the token
    config = uvicorn.Config(
        build_app(session, token, port, end),
        access_log=False, log_level="warning", server_header=False, ws="none", lifespan="off", proxy_headers=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    _end_on_signals(end)
    session.start()
    try:
        on_ready(f"http://{LOOPBACK}:{port}/?token={token}")
        server.run(sockets=[listener])
    finally:
        session.close()


@contextmanager
def _keeping_temporary_files(work: Path) -> Iterator[None]:
    """Let the processes started in this block keep their temporary files in ``work``, to go with it.

    Importing torchvision alone makes a folder for compiled code, in plain sight of other users.
    """
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(work)
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


def _end_on_signals(end: Callable[[], None]) -> None:
    """Let a closed terminal, or whoever stops the process, end the app as Quit does: the work folder must go.

    The server takes SIGTERM for itself while it runs, and raises it anew afterwards.
    """
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda number, frame: end())


def remove_left_behind(folder: Path | None = None) -> None:
    """Delete the work folders of this user's runs that were killed, in ``folder`` (the system's temporary one)."""
    for work in (folder or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        try:
            owned = not hasattr(os, "getuid") or work.lstat().st_uid == os.getuid()
            if owned and not work.is_symlink() and not _is_running(int((work / OWNER).read_text())):
                shutil.rmtree(work, ignore_errors=True)
        except (OSError, ValueError):
            continue


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True  # there a signal of 0 would end the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
