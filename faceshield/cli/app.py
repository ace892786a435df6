"""faceshield app: the same cloak as a page in the browser, for those who use no terminal."""

from __future__ import annotations

import contextlib
import importlib.util
import webbrowser

import click

from faceshield.core.errors import UsageError


@click.command("app")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port on this machine; 0 takes a free one.")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in the browser.")
def command(port: int, browser: bool) -> None:
    """Open the page to cloak photos in the browser; Ctrl-C, or Quit on the page, ends it.

    Nothing leaves the machine: the page is served to this machine alone, under an address that only its user knows, and
    its copies of the photos are deleted at the end.
    """
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} is not installed; run pip install 'faceshield[app]'")
    from faceshield.app.serve import serve

    def on_ready(address: str) -> None:
        click.echo(f"faceshield is open at {address}")
        click.echo(
            "Keep this address to yourself. Ctrl-C ends the app and deletes its copies of your photos.", err=True
        )
        if browser:
            webbrowser.open(address)

    with contextlib.suppress(KeyboardInterrupt):  # the usual end, not an accident
        serve(port, on_ready)
