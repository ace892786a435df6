"""What docs/cluster.md says was measured stands in the files that it names, and its arithmetic is right."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs/cluster.md").read_text(encoding="utf-8")


def measured():
    """Each figure of the page that names its file, and the file's own."""
    for figure, file, metric in re.findall(r"([\d.]+) \w+ \(`([\w./]+\.json)`: (\w+)\)", TEXT):
        cells = json.loads((ROOT / "recipes/results" / file).read_text(encoding="utf-8"))["cells"]
        (value,) = (cell["metrics"][metric] for cell in cells if metric in cell["metrics"])
        yield metric, float(figure), value


def test_measured_figures_are_those_of_the_files():
    found = list(measured())
    assert len(found) == 4
    assert all(figure == value for _, figure, value in found)


def test_the_arithmetic():
    seconds = {metric: value for metric, _, value in measured()}["seconds_cloak"]
    core_seconds = 2 * seconds
    assert f"{core_seconds:.2f} core-seconds" in TEXT
    hours = core_seconds * 1e9 / 3600
    assert f"{round(hours, -3):,.0f} core-hours".replace(",", " ") in TEXT
    assert f"{hours / 1000 / 24:.0f} days on 1 000 cores" in TEXT
    assert f"core-hour {round(hours * 0.04, -3):,.0f} $".replace(",", " ") in TEXT
    assert f"{round(1000 / core_seconds, -1):.0f} photos a second" in TEXT
