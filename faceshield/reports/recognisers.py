"""An audit's section on recognisers that were trained on the photos: what each says, in words, a table and bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceshield.attacks.table import find_countermeasure
from faceshield.auditing.crowd_audit import AFTER, BEFORE, CrowdAudit
from faceshield.auditing.sides import Kind
from faceshield.reports.audit_parts import Line, format_cell, render_png, word_verdict
from faceshield.reports.look import FIXED, RC

COLUMNS = {
    "protected_accuracy": "the person, last epoch",
    "protected_accuracy_peak": "the person, best epoch",
    "others_accuracy": "everybody else, last epoch",
}
UNMEASURED = (
    "Recognisers trained on these photos, which the default cloak acts on, were not measured;"
    " 'faceshield audit --crowd PEOPLE' trains some among other people's photos (a folder for each person) and tells."
)
UNSAID = (
    "Each line is one training of one small network. Another crowd, another network, more photos, longer training or"
    " another start may recognise the person where this one did not.",
    "The best epoch is chosen by the test photos themselves, so its interval is narrower than it should be; a"
    " recogniser that takes many people for this person scores high there too.",
    "Photos of one occasion are alike. Where test and training photos are of one occasion, the person is recognised"
    " more often than in photos of another day.",
    "Where the person's photos differ from the crowd's in light, camera or framing, a recogniser may learn that"
    " difference. It then names the person more often, with and without a cloak.",
    "Where the recogniser seldom names anybody else right, it is weak; that it seldom names the person then proves"
    " little.",
)


def explain_trained(result: CrowdAudit) -> list[str]:
    """The result in plain words, a sentence or two each."""
    before, after = result.metrics[BEFORE], result.metrics[AFTER]
    sentences = [
        f"A recogniser trained on {result.photos} clean photos of the person among {result.people} other people named"
        f" the person in {_format_share(before)} of {result.tested} other clean photos;"
        f" guessing names {before['chance']:.0%}."
    ]
    if before["protected_accuracy"] < 0.5:
        sentences.append("That is few to begin with, so what follows says little about the cloak.")
    lowered = word_verdict(before["protected_accuracy_ci"], after["protected_accuracy_ci"])
    sentences.append(f"Trained on as many cloaked photos instead, it named them in {_format_share(after)}. {lowered}")
    sentences += [
        f"A collector who goes further ({find_countermeasure(way[1]).about}) got {_format_share(metrics)} from the"
        " cloaked photos."
        for way, metrics in result.metrics.items()
        if way not in (BEFORE, AFTER)
    ]
    return [
        *sentences,
        f"Everybody else was named in {before['others_accuracy']:.0%} of their photos by the first of these recognisers"
        f" and in {after['others_accuracy']:.0%} by the second.",
    ]


def build_trained_lines(result: CrowdAudit) -> list[Line]:
    """The table, a training a line."""
    return [
        Line(_format_name(way), tuple(format_cell(metrics, name) for name in COLUMNS))
        for way, metrics in result.metrics.items()
    ]


def describe_trained(result: CrowdAudit) -> dict[str, str]:
    """How it was measured, by what."""
    settings = result.settings
    lost = ", ".join(f"{count} {side}" for side, count in result.lost.items() if count)
    setting = {
        "crowd": f"{result.crowd} photos of {result.people} people trained on, {result.others_tested} others tested",
        "the person": f"{result.photos} photos in each training, {result.tested} clean ones tested that are in none",
        "network": f"ResNet-18 of width {settings['width']} at {settings['size']} pixels, from scratch,"
        f" {settings['epochs']} epochs",
        "framing": "MTCNN's box and a margin, no alignment of ours; the crowd's photos too",
    }
    if lost:
        setting["without a face"] = f"photos that the collector left out: {lost}"
    if result.dropped:
        setting["too few"] = f"people with a face in fewer than 2 photos, left out: {', '.join(result.dropped)}"
    return setting


def draw_trained(result: CrowdAudit) -> bytes:
    """PNG: for each training the share of test photos in which the person, and everybody else, was named."""
    import matplotlib  # seconds that only a finished run should pay
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    person = FIXED["accuracy on protected people"]
    looks: dict[str, Any] = {
        "protected_accuracy": {"color": person},
        "protected_accuracy_peak": {"color": "white", "edgecolor": person, "hatch": "////"},
        "others_accuracy": {"color": FIXED["accuracy on everybody else"]},
    }
    ways = list(result.metrics)
    with matplotlib.rc_context(RC):
        drawing = Figure(figsize=(9, 2.8 + 0.1 * len(ways)), layout="constrained")
        FigureCanvasAgg(drawing)
        axes = drawing.subplots()
        for number, (name, look) in enumerate(looks.items()):
            places = [place + 0.27 * (number - 1) for place in range(len(ways))]
            shares = [result.metrics[way][name] for way in ways]
            ends = [result.metrics[way][f"{name}_ci"] for way in ways]
            below = [share - low for share, (low, _) in zip(shares, ends, strict=True)]
            above = [high - share for share, (_, high) in zip(shares, ends, strict=True)]
            axes.bar(places, shares, 0.25, label=COLUMNS[name], **look)
            axes.errorbar(places, shares, [below, above], fmt="none", color="#222", capsize=2.5, linewidth=1)
        axes.axhline(result.metrics[BEFORE]["chance"], color="#999", linestyle=":", label="guessing")
        turn: dict[str, Any] = {"rotation": 20, "ha": "right"} if len(ways) > 4 else {}
        axes.set_xticks(range(len(ways)), [_shorten_name(way) for way in ways], **turn)
        axes.set(ylim=(0, 1), ylabel="test photos named right")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        return render_png(drawing)


def _format_share(metrics: Mapping[str, Any]) -> str:
    low, high = metrics["protected_accuracy_ci"]
    return (
        f"{metrics['protected_accuracy']:.0%} (95 % interval {low:.0%} to {high:.0%};"
        f" {metrics['protected_accuracy_peak']:.0%} at its best epoch)"
    )


def _format_name(way: tuple[Kind, str]) -> str:
    photos, counter = way
    return f"trained on {photos} photos" + ("" if counter == "none" else f", {find_countermeasure(counter).about}")


def _shorten_name(way: tuple[Kind, str]) -> str:
    photos, counter = way
    return f"{photos} photos" if counter == "none" else counter
