"""faceshield show: before, after and the difference, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.core.errors import UsageError


@click.command("show")
@click.argument("original", type=click.Path(path_type=Path))
@click.argument("cloaked", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The page to write (.html).")
def command(original: Path, cloaked: Path, out: Path) -> None:
    """Write one self-contained page: ORIGINAL, CLOAKED, and their difference ×16, with the measured figures."""
    from faceshield.reports.show import write_page

    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{out}: the page is HTML; name it {out.with_suffix('.html').name}")
    if out.exists():
        raise UsageError(f"{out}: exists already; choose another name")
    write_page(original, cloaked, out)
    click.echo(f"{out}: open it in a browser; it holds the pictures, so keep it to yourself")
