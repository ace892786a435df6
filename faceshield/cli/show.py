"""faceshield show: before, after and the difference, on one page."""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.core.outputs import check_new_file


@click.command("show")
@click.argument("original", type=click.Path(path_type=Path))
@click.argument("cloaked", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The page to write (.html).")
def command(original: Path, cloaked: Path, out: Path) -> None:
    """Write one self-contained page: ORIGINAL, CLOAKED, and their difference ×16, with the measured figures."""
    from faceshield.reports.show import write_page

    check_new_file(out, "the page is HTML", ".html", ".htm")
    write_page(original, cloaked, out)
    click.echo(f"{out}: open it in a browser; it holds the pictures, so keep it to yourself")
