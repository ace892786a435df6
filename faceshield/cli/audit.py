"""faceshield audit: is the person in these photos still found by frozen recognisers, or by one trained on them?"""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from faceshield.cli.progress import Bars
from faceshield.core.errors import UsageError
from faceshield.core.outputs import check_new_file


@click.command("audit")
@click.option("--cloaked", required=True, type=click.Path(path_type=Path), help="Folder of a person's cloaked photos.")
@click.option("--clean", required=True, type=click.Path(path_type=Path), help="Folder of other, clean photos of them.")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="The report to write (.html).")
@click.option(
    "--crowd", type=click.Path(path_type=Path),
    help="Folder of PERSON/FILE, other people's photos: also train recognisers among them.",
)  # fmt: skip
@click.option(
    "--counter", "counters", multiple=True,
    help="With --crowd: one more training after this counter-measure, such as jpeg-75, grey or purify; repeat it.",
)  # fmt: skip
@click.option(
    "--recogniser", "recognisers", multiple=True,
    help="Ask this recogniser, such as sface; repeat it. The default is all that come with the tool.",
)  # fmt: skip
@click.option("--device", default="cpu", show_default=True)
def command(
    cloaked: Path,
    clean: Path,
    out: Path,
    crowd: Path | None,
    counters: tuple[str, ...],
    recognisers: tuple[str, ...],
    device: str,
) -> None:
    """Search for a person's cloaked and clean photos among each other and among other people, by frozen recognisers.

    Reports how often they are found before and after, with intervals, for each recogniser, and whether the masks were
    made against it. Its sentences are about one that took no part in making them. The clean photos must not be the
    originals of the cloaked ones.

    With --crowd, recognisers are trained from scratch on the crowd and the person, first on half of the clean photos (4
    at least), then on as many cloaked ones, and asked about the other half. A crowd of 30 people with 40 photos each
    takes under ten minutes for each training on one core, and first some minutes to find its faces. The result of the
    search is written before that.
    """
    from faceshield.attacks.table import find_countermeasure
    from faceshield.auditing.audit import audit
    from faceshield.auditing.crowd import read_crowd, train_recognisers
    from faceshield.auditing.judges import load_judge
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.models.pretrained import PRETRAINED, RESNET29, pretrained
    from faceshield.reports.audit import explain_audit, write_audit
    from faceshield.reports.recognisers import explain_trained
    from faceshield.training.runtime import Runtime

    check_new_file(out, "the report is a page", ".html")
    if counters and crowd is None:
        raise UsageError(f"--counter {counters[0]}: needs --crowd, the people among whom recognisers are trained")
    for name in counters:
        find_countermeasure(name)  # before minutes of work, not after
    asked = list(recognisers or PRETRAINED)
    for name in asked:
        pretrained(name)
    people = None if crowd is None else read_crowd(crowd, [cloaked, clean])
    runtime = Runtime.best(device)
    # ResNet-29 tells which of the distractors are the person
    judges = [load_judge(name, runtime.device) for name in dict.fromkeys([*asked, RESNET29])]
    with Bars() as bars:
        result = audit(cloaked, clean, judges, AnyRollDetector(runtime.device), bars)
        today = datetime.datetime.now(datetime.timezone.utc).date()
        write_audit(result, out, today)
        after = None if people is None else train_recognisers(result.sides, people, counters, runtime, bars)
    if after is not None:
        write_audit(result, out, today, after)
    for sentence in (*explain_audit(result), *([] if after is None else explain_trained(after))):
        click.echo(sentence)
    click.echo(f"{out}: open it in a browser; it shows the person and names their files, so keep it to yourself")
