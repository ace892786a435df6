"""Write the README's results between its two markers from recipes/results/; a test compares, so no figure is typed."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from faceshield.core.store import read_json
from faceshield.reports.results import find_stand_ins, read_values, spread

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
NAMES = {
    "none": "not cloaked",
    "left-out": "left out of the training",
    "bank": "`--fast` (public noise)",
    "tailored": "private noise (default)",
    "both": "`--against both`",
}
_CROPS: list[dict[str, Any]] = [
    *({"noise": noise} for noise in ("none", "left-out", "bank")),
    *({"noise": "tailored", "photos": photos} for photos in (20, 3)),
]


def block(results: Path = ROOT / "recipes" / "results") -> str:
    """The Markdown between the markers."""
    selfie, crops = (read_json(results / "faces" / f"{name}.mini.json") for name in ("selfie", "crops"))
    bench = read_json(results / "benchmarks" / "cloak.mini.json")
    lines = [
        "Photos cloaked by the command line, a recogniser trained on them from scratch, tested on clean photos it never"
        " saw (`recipes/faces/selfie.yaml`; mean ± standard deviation over seeds):",
        "",
        "| training photos of four people | recognised in clean photos | everybody else | SSIM in the face |",
        "|---|---|---|---|",
        *(_row(selfie, {"noise": noise}, NAMES[noise]) for noise in ("none", "bank", "tailored", "both")),
        "",
        _people(selfie),
        "",
        "Aligned crops of six other people (`recipes/faces/crops.yaml`):",
        "",
        "| training crops | recognised in clean crops | everybody else |",
        "|---|---|---|",
        *(_row(crops, key, f"{NAMES[key['noise']]}{_photos(key)}", visible=False) for key in _CROPS),
        "",
        "Left out: no noise can do more; everybody else is recognised less too, for fewer faces are learned from.",
        "",
        _alone(read_json(results / "faces" / "alone.mini.json")),
        "",
        _undone(read_json(results / "faces" / "undone.mini.json")),
        "",
        *_washed(read_json(results / "faces" / "battery.mini.json")),
        "",
        *_searched(read_json(results / "faces" / "search.mini.json")),
        "",
        _speed(bench),
        "",
        f"Measured on: {selfie['device']}. Chance is {_mean(selfie, {'noise': 'none'}, 'chance'):.1%} and"
        f" {_mean(crops, {'noise': 'none'}, 'chance'):.1%}.",
        "",
        *_at_paper_scale(results),
        "",
        _ladder(read_json(results / "benchmarks" / "noise.mini.json")),
    ]
    return "\n".join(lines)


def _photos(key: dict[str, Any]) -> str:
    return f", made from {key['photos']} photos" if "photos" in key else ""


def _mean(result: dict[str, Any], key: dict[str, Any], metric: str) -> float:
    return statistics.fmean(read_values(result, key, metric))


def _row(result: dict[str, Any], key: dict[str, Any], name: str, visible: bool = True) -> str:
    cells = [name]
    for metric in ("protected_accuracy", "others_accuracy"):
        found = read_values(result, key, metric)
        told = f" ± {spread(found):.1%}" if len(found) > 1 else " (one seed)"
        cells.append(f"{statistics.fmean(found):.1%}{told}")
    if visible:
        cells.append("–" if key["noise"] == "none" else f"{_mean(result, key, 'ssim_face'):.3f}")
    return f"| {' | '.join(cells)} |"


def _people(result: dict[str, Any]) -> str:
    """Each cloaked person's own accuracy: a mean over four hides the one on whom it does not hold."""
    shares: list[list[float]] = []
    for cell in result["cells"]:
        if cell["key"] == {"noise": "tailored"}:
            rows = cell["metrics"]["confusion"]
            own = range(len(rows) - 4, len(rows))
            shares.append([rows[person][person] / sum(rows[person]) for person in own])
    told = ", ".join(f"{statistics.fmean(runs):.1%}" for runs in zip(*shares, strict=True))
    return f"Person by person, with a private noise: {told}. **It does not hold equally well on everybody.**"


def _alone(result: dict[str, Any]) -> str:
    cells = [cell for cell in result["cells"] if cell["key"]["noise"] == "tailored"]
    worn = [cell["metrics"] for cell in cells]
    final = [metrics["protected_accuracy"] for metrics in worn]
    people, seeds = {cell["key"]["person"] for cell in cells}, {cell["seed"] for cell in cells}
    told = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds, another noise in each"
    return (
        f"**Alone it holds less.** With each of {len(people)} people the only one to wear a noise, and a longer"
        f" training (`recipes/faces/alone.yaml`, {told}), {statistics.fmean(final):.1%} of their clean crops are"
        f" recognised ({min(final):.1%} to {max(final):.1%}), at the best epoch"
        f" {statistics.fmean(metrics['protected_accuracy_peak'] for metrics in worn):.1%}; without a noise"
        f" {_mean(result, {'noise': 'none'}, 'protected_accuracy'):.1%}."
    )


def _undone(result: dict[str, Any]) -> str:
    """What uncloaked photos among the cloaked ones teach."""
    left = {cell["key"]["percent"]: cell["metrics"] for cell in result["cells"] if cell["key"]["noise"] == "tailored"}
    told = ", ".join(f"{100 - worn}%: {left[worn]['protected_accuracy']:.1%}" for worn in sorted(left, reverse=True))
    return (
        "**Uncloaked photos undo it.** Recognised by the share of the six people's training crops without a noise"
        f" (`recipes/faces/undone.yaml`, one seed): {told}."
    )


_WASHED = {
    "none": "trains as usual",
    "jpeg-75": "saves the photos as JPEG 75",
    "half-size": "halves their size",
    "recrop": "cuts faces out otherwise",
    "strong-augmentation": "augments strongly",
    "grey": "trains and tests without colour",
    "purify": "trains a purifier on pairs made with this tool",
    "adversarial-training": "trains adversarially",
}


def _washed(result: dict[str, Any]) -> list[str]:
    """What a collector's counter-measures win back of people with a private noise."""
    lines = ["| the collector | recognised in clean crops | at the best epoch |", "|---|---|---|"]
    for name, told in _WASHED.items():
        key = {"noise": "tailored", "attacker": "scratch", "countermeasure": name}
        final, peak = (read_values(result, key, metric) for metric in ("protected_accuracy", "protected_accuracy_peak"))
        seeds = f" (mean of {len(final)} seeds)" if len(final) > 1 else ""
        lines.append(f"| {told} | {statistics.fmean(final):.1%}{seeds} | {statistics.fmean(peak):.1%} |")
    for attacker, told in (
        ("frozen-resnet29", "takes a ready-made recogniser, which compares"),
        ("fine-tuned-resnet29", "trains a ready-made recogniser further, all layers"),
    ):
        key = {"noise": "tailored", "attacker": attacker, "countermeasure": "none"}
        lines.append(f"| {told} | {_mean(result, key, 'protected_accuracy'):.1%} | – |")
    clean = _mean(result, {"noise": "none", "attacker": "scratch", "countermeasure": "none"}, "protected_accuracy")
    return [
        "What a collector can do about a private noise, on the same crops (`recipes/faces/battery.yaml`, one seed"
        f" unless said; without noise {clean:.1%} are recognised):",
        "",
        *lines,
    ]


_EXTRACTORS = {
    None: "ResNet-29 (masks are made against it)",
    "trained": "one that we trained, and no mask has seen",
    "disjoint": "another one, trained on nobody whom the mask's own recognisers know",
}
_SIDES = ((("cloaked", "clean"), "mask"), (("clean", "cloaked"), "mask"), (("clean", "clean"), "none"))


def _searched(result: dict[str, Any]) -> list[str]:
    """Who finds masked photos among strangers, and who found them before."""

    def key(noise: str, sides: tuple[str, str], extractor: str | None) -> dict[str, Any]:
        own = {"noise": noise, "query": sides[0], "gallery": sides[1], "countermeasure": "none"}
        return own if extractor is None else {**own, "extractor": extractor}

    shown = {extractor: [key(noise, sides, extractor) for sides, noise in _SIDES] for extractor in _EXTRACTORS}
    seeds = min(len(read_values(result, own, "rank1")) for keys in shown.values() for own in keys)
    told = "one seed" if seeds == 1 else f"mean of {seeds} seeds, other photos in each"
    crowd = result["cells"][0]["metrics"]["crowd"]
    return [
        f"Face search among {crowd} strangers' photos by a frozen recogniser: how often the person comes first (among"
        f" the first ten), with `--against search` (`recipes/faces/search.yaml`, four people, {told}):",
        "",
        "| recogniser | cloaked photo searched for | clean photo, cloaked ones in the index | no cloak |",
        "|---|---|---|---|",
        *(
            f"| {_EXTRACTORS[extractor]} | {' | '.join(_found(result, own) for own in keys)} |"
            for extractor, keys in shown.items()
        ),
    ]


def _found(result: dict[str, Any], key: dict[str, Any]) -> str:
    return f"{_mean(result, key, 'rank1'):.1%} ({_mean(result, key, 'rank10'):.1%})"


def _speed(result: dict[str, Any]) -> str:
    metrics = result["cells"][0]["metrics"]
    return (
        f"With the noise ready, a 12-megapixel JPEG takes one face detection plus"
        f" {metrics['ratio_without_detection']:.1f} × Pillow's own decode and encode, its bytes checked again included;"
        f" memory stays at {metrics['peak_mb']:.0f} MB over {metrics['photos']} photos"
        " (`recipes/benchmarks/cloak.py`)."
    )


def _ladder(result: dict[str, Any]) -> str:
    """What our steps through Algorithm 1 save against the peers' over the same rounds, and what the noise is worth."""
    rounds = result["settings"]["ladder_rounds"]

    def ratio(loop: str, peer: str = "ratio") -> str:
        return f"{_mean(result, {'loop': f'{loop}, {rounds} rounds'}, peer):.1f} ×"

    def left(loop: str) -> str:
        return f"{_mean(result, {'loop': loop}, 'test_accuracy_final'):.1%}"

    ours, fast = "ours, the paper's T and α", "ours, fast"
    return (
        f"One noise a picture, at the paper's T and α, is made {ratio(ours)} as fast as by a plain loop, and"
        f" {ratio(ours, 'ratio_foolbox')} as fast as by foolbox's steps in the same loop: alone, bfloat16 gives"
        f" {ratio('precision alone')}, batch norms folded into the convolutions {ratio('folding alone')}, channels-last"
        f" {ratio('channels-last alone')}; the `fast` setting, with fewer and larger steps, {ratio(fast)}"
        f" (`recipes/benchmarks/noise.py`, {result['device']}). Made to the same stop error, it leaves a network"
        f" trained on it right on {left(ours)} of clean pictures, {left(fast)} with `fast` and {left('plain loop')} by"
        f" the plain loop; {left('none (clean data)')} without noise."
    )


_MADE = {"noise": "error-min", "setting": "paper"}
_PAPER_ROWS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("fig1", {"noise": "none"}, "ResNet-18, clean"),
    ("fig1", {**_MADE, "form": "sample"}, "ResNet-18, one noise a picture"),
    ("fig1", {**_MADE, "form": "class"}, "ResNet-18, one noise a class"),
    ("table1", {"set": "cifar10", "model": "vgg11", "noise": "none"}, "VGG-11, clean"),
    ("table1", {**_MADE, "set": "cifar10", "model": "vgg11", "form": "sample"}, "VGG-11, one noise a picture"),
    ("table1", {**_MADE, "set": "cifar10", "model": "vgg11", "form": "class"}, "VGG-11, one noise a class"),
    ("table2", {"noise": "none", "percent": 80, "trained_on": "clean"}, "ResNet-18, a fifth of the data, clean"),
    (
        "table2",
        {**_MADE, "percent": 80, "trained_on": "both", "form": "sample"},
        "and four fifths, one noise a picture",
    ),
    ("table2", {**_MADE, "percent": 80, "trained_on": "both", "form": "class"}, "and four fifths, one noise a class"),
)


def _at_paper_scale(results: Path) -> list[str]:
    """The paper's own CIFAR-10 figures beside ours at its scale."""
    found = {name: read_json(results / "paper" / f"{name}.paper.json") for name in ("fig1", "table1", "table2")}
    lines = ["| trained on CIFAR-10 for 60 epochs | test accuracy, the paper | ours |", "|---|---|---|"]
    for name, key, told in _PAPER_ROWS:
        theirs = next(
            bar["paper"]
            for bar in found[name]["expected"]
            if bar["metric"] == "test_accuracy_final" and "paper" in bar and bar["key"].items() <= key.items()
        )
        lines.append(f"| {told} | {theirs:.1%} | {_mean(found[name], key, 'test_accuracy_final'):.1%} |")
    (read,) = find_stand_ins(found["fig1"]).values()
    lines += [
        "",
        f"All noise made with ResNet-18; one seed on one {found['fig1']['device']}; from a JPEG copy of the data"
        f" ({read}: lossless CIFAR-10 gives higher clean accuracies). All tables and figures, what agrees and what does"
        " not, are in `REPRODUCTION.md`.",
    ]
    return ["The paper's own experiment at its own scale (`recipes/paper/`):", "", *lines]


def main() -> None:
    """Rewrite README.md in place."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    path.write_text(f"{head}{BEGIN}\n{block()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
