"""The part of docs/results.md on what a noise should look like: the sweep of bands, ε, colour and views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from readme_paper import read_faces

_WAYS = ("none", "grey", "jpeg-75", "half-size", "recrop")


def write_pattern(results: Path) -> list[str]:
    """The table of ``faces/pattern``; nothing where it was not run. ``results``: the folder of the result files."""
    cells = read_faces(results, "pattern")["cells"]
    if not cells:
        return []
    return [
        "## What a noise should look like",
        "",
        "Small banks of noises, each made in one way and worn by people who took no part in making it; a collector who"
        " handles each photo in one of five ways (`recipes/faces/pattern.yaml`, one seed, 10 epochs, a smaller network"
        " than above; wavelengths in pixels of the face's canvas of 128):",
        "",
        "| noise | recognised as usual | without colour | JPEG 75 | half size | cut out otherwise | at the best epoch |"
        " ΔE₀₀ mean, p95 | tint | SSIM |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_write_row(cell) for cell in cells),
        "",
    ]


def _write_row(cell: dict[str, Any]) -> str:
    metrics = cell["metrics"]
    shares = [f"{metrics[f'protected_accuracy_{way}']:.1%}" for way in _WAYS]
    look = ["–"] * 3
    if "ssim_face" in metrics:
        look = [
            f"{metrics['delta_e_mean']:.1f}, {metrics['delta_e_p95']:.1f}",
            f"{metrics['tint_mean']:.1f}",
            f"{metrics['ssim_face']:.3f}",
        ]
    peak = f"{metrics['protected_accuracy_peak']:.1%}"
    return f"| {' | '.join([_name(cell['key']), *shares, peak, *look])} |"


def _name(key: dict[str, Any]) -> str:
    if key["noise"] == "none":
        return "none"
    words = [f"{key['shortest']:g} to {key['longest']:g}"]
    words += ["free in colour"] * (key.get("channels") == "free")
    words += ["made under no views"] * (key.get("views") == "none")
    if "epsilon_255" in key:
        words.append(f"ε {key['epsilon_255']:g}/255")
    return ", ".join(words)
