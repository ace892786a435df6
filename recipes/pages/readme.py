"""Write the figures of docs/results.md and README from recipes/results/, between markers; a test compares them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from readme_methods import write_methods
from readme_paper import ladder, mean, paper_scale
from readme_pattern import write_pattern
from readme_today import answer_today
from readme_trained import write_alone, write_undone, write_washed

from faceshield.core.store import read_json
from faceshield.models.pretrained import JUDGE, PRETRAINED
from faceshield.reports.results import read_values, spread

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "recipes" / "results"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NAMES = {
    "none": "not cloaked",
    "left-out": "left out of the training",
    "bank": "`--fast` (public noise)",
    "tailored": "private noise (default)",
    "both": "`--against both`",
}
_CLOAKS = ("none", "bank", "tailored", "both")
_CROPS: list[dict[str, Any]] = [
    *({"noise": noise} for noise in ("none", "left-out", "bank")),
    *({"noise": "tailored", "photos": photos} for photos in (20, 3)),
]


def write_results(results: Path = RESULTS) -> str:
    """The tables of docs/results.md, in Markdown."""
    selfie, crops = (read_json(results / "faces" / f"{name}.mini.json") for name in ("selfie", "crops"))
    bench = read_json(results / "benchmarks" / "cloak.mini.json")
    lines = [
        "## Recognisers trained on the photos",
        "",
        "Photos cloaked by the command line, a recogniser trained on them from scratch, tested on clean photos it never"
        " saw (`recipes/faces/selfie.yaml`; mean ± standard deviation over seeds):",
        "",
        "| training photos of four people | recognised in clean photos | everybody else | SSIM, ΔE₀₀ in the face |",
        "|---|---|---|---|",
        *(row for noise in _CLOAKS for row in _write_row(selfie, {"noise": noise}, NAMES[noise])),
        "",
        *_name_unmeasured(selfie),
        _people(selfie),
        "",
        "Aligned crops of six other people, with the noise as it was made; the command fits its strength to each photo"
        " (`recipes/faces/crops.yaml`):",
        "",
        "| training crops | recognised in clean crops | everybody else |",
        "|---|---|---|",
        *(
            row
            for key in _CROPS
            for row in _write_row(crops, key, f"{NAMES[key['noise']]}{_photos(key)}", visible=False)
        ),
        "",
        "Left out: no noise can do more; everybody else is recognised less too, for fewer faces are learned from.",
        "",
        *write_alone(results),
        f"Measured on: {selfie['device']}. Chance is {mean(selfie, {'noise': 'none'}, 'chance'):.1%} and"
        f" {mean(crops, {'noise': 'none'}, 'chance'):.1%}.",
        "",
        "## What a collector can do",
        "",
        *write_undone(read_json(results / "faces" / "undone.mini.json")),
        *write_washed(read_json(results / "faces" / "battery.mini.json"), results),
        "",
        *write_pattern(results),
        "## Face search",
        "",
        *_write_searched(read_json(results / "faces" / "transfer.mini.json")),
        "",
        "## The paper's own experiment",
        "",
        *paper_scale(results),
        "",
        "## Speed",
        "",
        _speed(bench),
        "",
        ladder(read_json(results / "benchmarks" / "noise.mini.json")),
    ]
    return "\n".join(lines)


def _photos(key: dict[str, Any]) -> str:
    return f", made from {key['photos']} photos" if "photos" in key else ""


def _write_row(result: dict[str, Any], key: dict[str, Any], name: str, visible: bool = True) -> list[str]:
    """One row, or none where no cell of this key has run."""
    if not read_values(result, key, "protected_accuracy"):
        return []
    cells = [name]
    for metric in ("protected_accuracy", "others_accuracy"):
        found = read_values(result, key, metric)
        text = f" ± {spread(found):.1%}" if len(found) > 1 else " (one seed)"
        cells.append(f"{statistics.fmean(found):.1%}{text}")
    if visible:
        seen = [] if key["noise"] == "none" else [mean(result, key, "ssim_face"), mean(result, key, "delta_e_mean")]
        cells.append("{:.3f}, {:.1f}".format(*seen) if seen else "–")
    return [f"| {' | '.join(cells)} |"]


def _name_unmeasured(selfie: dict[str, Any]) -> list[str]:
    """What the noise of today has not been measured for in whole photos."""
    names = [NAMES[noise] for noise in _CLOAKS if not read_values(selfie, {"noise": noise}, "protected_accuracy")]
    return [f"Not measured yet with the noise as it is made today: {' and '.join(names)}.", ""] if names else []


def _people(result: dict[str, Any]) -> str:
    """Each cloaked person's own accuracy: a mean over four hides the one on whom it does not hold."""
    shares: list[list[float]] = []
    for cell in result["cells"]:
        if cell["key"] == {"noise": "tailored"}:
            rows = cell["metrics"]["confusion"]
            last = range(len(rows) - 4, len(rows))
            shares.append([rows[person][person] / sum(rows[person]) for person in last])
    text = ", ".join(f"{statistics.fmean(runs):.1%}" for runs in zip(*shares, strict=True))
    return f"Person by person, with a private noise: {text}. **It does not hold equally well on everybody.**"


_SEARCHES = {
    "no cloak": ("none", "clean", "clean"),
    "clean photo, cloaked ones in the index": ("mask", "clean", "cloaked"),
    "cloaked photo, clean ones in the index": ("mask", "cloaked", "clean"),
    "both cloaked": ("mask", "cloaked", "cloaked"),
    "as the command makes masks: clean photo, cloaked index": ("shipped", "clean", "cloaked"),
}


def _write_searched(result: dict[str, Any]) -> list[str]:
    """Who finds masked photos among strangers: made against all others, and as the command makes them."""
    names = list(dict.fromkeys(cell["key"]["recogniser"] for cell in result["cells"]))

    def key(name: str, noise: str, query: str, gallery: str) -> dict[str, Any]:
        words = {"noise": noise, "recogniser": name, "query": query, "gallery": gallery}
        return {**words, "countermeasure": "none"}

    rows = {name: [key(name, *search) for search in _SEARCHES.values()] for name in names}
    seeds = min(len(read_values(result, one, "rank1")) for keys in rows.values() for one in keys)
    text = "one seed" if seeds == 1 else f"mean of {seeds} seeds, other photos in each"
    shares = {
        name: [(mean(result, one, "rank1"), mean(result, one, "match_rate")) for one in keys]
        for name, keys in rows.items()
    }
    over = [
        tuple(statistics.fmean(pair) for pair in zip(*column, strict=True))
        for column in zip(*shares.values(), strict=True)
    ]
    ssim, shift = (mean(result, rows[names[0]][1], metric) for metric in ("ssim_face", "delta_e_mean"))
    crowd = result["cells"][0]["metrics"]["crowd"]
    return [
        f"Face search among {crowd} strangers' photos by frozen recognisers that others trained: how often the person"
        " comes first, and in brackets the share of pairs matched at a false match rate of 0.1%"
        f" (`recipes/faces/transfer.yaml`, four people, {text}). In all but the last column the masks are made against"
        f" the four *other* recognisers. {PRETRAINED[JUDGE].title} is the one that the command never makes masks"
        f" against, and the audit's judge. SSIM in the face {ssim:.3f}, colour difference (CIEDE2000) {shift:.1f}.",
        "",
        f"| recogniser | {' | '.join(_SEARCHES)} |",
        f"|---|{'---|' * len(_SEARCHES)}",
        *(f"| {PRETRAINED[name].title} | {_format_shares(found)} |" for name, found in shares.items()),
        f"| mean | {_format_shares(over)} |",
        *_write_both(result),
    ]


def _write_both(result: dict[str, Any]) -> list[str]:
    """What the noise costs the mask where both share one ε: the same photos, masks against the same recognisers."""
    found = {
        noise: {
            (cell["key"]["recogniser"], cell["seed"]): cell["metrics"]["rank1"]
            for cell in result["cells"]
            if {"noise": noise, "query": "clean", "gallery": "cloaked", "countermeasure": "none"}.items()
            <= cell["key"].items()
        }
        for noise in ("both", "mask")
    }
    rows = []
    for name in sorted({name for name, _ in found["both"]}):
        seeds = [key for key in found["both"] if key[0] == name and key in found["mask"]]
        ours, alone = (statistics.fmean(found[noise][key] for key in seeds) for noise in ("both", "mask"))
        rows.append(f"{PRETRAINED[name].title} {ours:.1%} ({alone:.1%}; {len(seeds)} seed{'s' * (len(seeds) > 1)})")
    return [
        "",
        "**`--against both` hides less.** A clean photo, cloaked ones in the index, masks against the four other"
        f" recognisers; the mask alone on the same photos in brackets: {', '.join(rows)}.",
    ]


def _format_shares(found: Sequence[tuple[float, ...]]) -> str:
    return " | ".join(f"{rank1:.1%} ({matched:.1%})" for rank1, matched in found)


def _speed(result: dict[str, Any]) -> str:
    metrics = result["cells"][0]["metrics"]
    return (
        f"With the noise ready, a 12-megapixel JPEG takes one face detection plus"
        f" {metrics['ratio_without_detection']:.1f} × Pillow's own decode and encode, its bytes checked again included;"
        f" memory stays at {metrics['peak_mb']:.0f} MB over {metrics['photos']} photos"
        " (`recipes/benchmarks/cloak.py`)."
    )


DOCUMENTS: dict[str, Callable[[Path], str]] = {
    "docs/results.md": write_results,
    "docs/methods.md": write_methods,
    "README.md": answer_today,
}


def main() -> None:
    """Rewrite both documents in place."""
    for name, write in DOCUMENTS.items():
        path = ROOT / name
        head, rest = path.read_text(encoding="utf-8").split(BEGIN)
        path.write_text(f"{head}{BEGIN}\n{write(RESULTS)}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
