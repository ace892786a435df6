"""faceshield show: before, after and the difference, on one page; or all of a run's faces as a contact sheet."""

from __future__ import annotations

from pathlib import Path

import click

from faceshield.core.errors import UsageError
from faceshield.core.outputs import check_new_file


@click.command("show")
@click.argument("original", type=click.Path(path_type=Path))
@click.argument("cloaked", type=click.Path(path_type=Path), required=False)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The page (.html) or sheet (.png).")
def command(original: Path, cloaked: Path | None, out: Path) -> None:
    """Write one self-contained page: ORIGINAL, CLOAKED, and their difference ×16, with the measured figures.

    With a folder that 'faceshield cloak' wrote as the only argument: a contact sheet of ten faces before and after, at
    100 %.
    """
    if cloaked is None:
        if not original.is_dir():
            raise UsageError(f"{original}: give its cloak too, or a folder that 'faceshield cloak' wrote")
        from faceshield.reports.sheet import write_sheet

        check_new_file(out, "the sheet is PNG", ".png")
        count = write_sheet(original, out)
        click.echo(f"{out}: pairs of before and after: {count}; keep it to yourself")
        return
    from faceshield.reports.show import write_page

    check_new_file(out, "the page is HTML", ".html", ".htm")
    write_page(original, cloaked, out)
    click.echo(f"{out}: open it in a browser; it holds the pictures, so keep it to yourself")
