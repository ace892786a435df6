"""The tables of docs/methods.md: later methods on CIFAR-10 and on faces, and what names the default; see readme.py."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from readme_paper import mean

from faceshield.core.store import read_json
from faceshield.reports.results import list_keys, read_values

NAMES = {
    "none": "no noise", "left-out": "their photos left out", "error-min": "error-min (EM)", "em-grayaug": "EM-GrayAug",
    "tap": "TAP", "sep": "SEP", "aue": "AUE", "sem": "SEM", "rem": "REM", "pil": "PIL", "lsp": "LSP", "ar": "AR",
    "ops": "OPS", "cuda": "CUDA", "tailored": "private noise (`cloak`)", "error-min+sep": "EM + SEP",
    "error-min+pil": "EM + PIL",
}  # fmt: skip
_SQUEEZED = {"none": "as they are", "grey": "grey", "jpeg-10": "JPEG 10"}
_DONE = {"none": "as they are", "grey": "grey", "jpeg-75": "JPEG 75", "strong-augmentation": "strong augmentation"}
_COSTS = {"scale": ".2f", "delta_e_mean": ".2f", "noise_cpu_seconds_per_1000": ".3g"}


def write_methods(results: Path) -> str:
    """The tables of docs/methods.md, in Markdown."""
    board, faces = (read_json(results / "methods" / f"{name}.mini.json") for name in ("leaderboard", "faces"))
    return "\n".join(
        [*_write_board(board), "", _write_linear(results), "", *_write_counters(board), "", *write_faces(faces)]
    )


def _write_board(board: dict[str, Any]) -> list[str]:
    """Noise against plain training, grey and JPEG 10, ours beside the published figure where one is known."""
    settings = board["settings"]
    lines = [
        "## CIFAR-10",
        "",
        f"Test accuracy of a ResNet-18 of width {settings['width']} after {settings['epochs']} epochs on"
        f" {settings['limit']} pictures a class, in brackets the published figure at full size"
        f" (`recipes/methods/leaderboard.yaml`, one seed, {board['device']}):",
        "",
        f"| noise | {' | '.join(_SQUEEZED.values())} | seconds for 1,000 pictures | memory |",
        f"|---|{'---|' * len(_SQUEEZED)}---|---|",
    ]
    for words in _list_noises(board):
        keys = [{**words, "countermeasure": name} for name in _SQUEEZED]
        cells = [_beside(board, key) for key in keys]
        made = read_values(board, keys[0], "noise_seconds_per_1000")
        if made:
            cells += [f"{made[0]:.3g}", f"{mean(board, keys[0], 'noise_peak_mb'):.0f} MB"]
        else:
            cells += ["–", "–"]
        form = {"class": ", one a class", "sample": ", one a picture"}.get(words.get("form", ""), "")
        lines.append(f"| {NAMES[words['noise']]}{form} | {' | '.join(cells)} |")
    return lines


def _write_linear(results: Path) -> str:
    """What the two cheapest take at their defaults; the leaderboard fits PIL for longer to its few pictures."""
    timed = read_json(results / "benchmarks" / "linear.mini.json")
    count = timed["cells"][0]["key"]["pictures"]
    pil, lsp = (mean(timed, {"method": name, "pictures": count}, "seconds") for name in ("pil", "lsp"))
    return (
        f"At their defaults PIL takes {pil:.0f} s for {count} pictures and LSP {lsp:.1f} s"
        f" (`recipes/benchmarks/linear.py`, {timed['device']})."
    )


def _beside(board: dict[str, Any], key: dict[str, Any]) -> str:
    found = read_values(board, key, "test_accuracy_final")
    theirs = [
        entry["paper"]
        for entry in board["expected"]
        if "paper" in entry and entry["metric"] == "test_accuracy_final" and entry["key"].items() <= key.items()
    ]
    ours = f"{statistics.fmean(found):.1%}" if found else "not run"
    return ours + (f" ({theirs[0]:.1%})" if theirs else "")


def _list_noises(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The keys of the leaderboard's noises, each once, without the counter-measure."""
    found: list[dict[str, Any]] = []
    for key in list_keys(board):
        words = {name: value for name, value in key.items() if name != "countermeasure"}
        if words not in found:
            found.append(words)
    return sorted(found, key=lambda words: list(NAMES).index(words["noise"]))


def _write_counters(board: dict[str, Any]) -> list[str]:
    """What the slower counter-measures leave of a clean and of an unlearnable data set."""
    names = ("none", "ueraser", "ueraser-lite", "staged-training", "d-vae", "bridge")
    titles = {
        "none": "plain training",
        "ueraser": "UEraser",
        "ueraser-lite": "UEraser-lite",
        "staged-training": "staged training",
    }
    titles |= {"d-vae": "D-VAE", "bridge": "bridge from 10% of clean pairs"}
    rows = ({"noise": "none"}, {"noise": "error-min", "form": "class"})
    lines = [
        "What slower counter-measures make of clean pictures and of EM, one noise a class:",
        "",
        f"| trained on | {' | '.join(titles[name] for name in names)} |",
        f"|---|{'---|' * len(names)}",
    ]
    for words in rows:
        cells = [read_values(board, {**words, "countermeasure": name}, "test_accuracy_final") for name in names]
        text = " | ".join(f"{found[0]:.1%}" if found else "not run" for found in cells)
        lines.append(f"| {NAMES[words['noise']]} | {text} |")
    return lines


def write_faces(faces: dict[str, Any]) -> list[str]:
    """Noise on faces at equal visibility, sorted by the worst case, and the default that the rule names."""
    present = {cell["key"]["noise"] for cell in faces["cells"]}
    clean = {name: _values(faces, "none", name) for name in _DONE}
    worst = {name: _worst(faces, name) for name in NAMES if name in present and name not in ("none", "left-out")}
    worst = {name: share for name, share in worst.items() if share is not None}
    lines = [
        "## Faces",
        "",
        "How much of six people's clean crops a ResNet-18 recognises, trained from scratch on crops that all six wear"
        " noise in. No maker saw these people or this network, and no noise is more visible (mean ΔE₀₀) than what"
        f" `cloak` makes: its δ is multiplied by what stands in the table (`recipes/methods/faces.yaml`,"
        f" {faces['device']}; mean of the seeds, their number in brackets):",
        "",
        f"| noise | {' | '.join(_DONE.values())} | worst of these | δ times | ΔE₀₀ | CPU seconds for 1,000 crops |"
        " memory |",
        f"|---|{'---|' * (len(_DONE) + 5)}",
        f"| {NAMES['none']} | {' | '.join(map(_share, clean.values()))} |{' – |' * 5}",
    ]
    left = _values(faces, "left-out", "none")
    lines += [f"| {NAMES['left-out']} | {_share(left)} |{' – |' * (len(_DONE) + 4)}"] * bool(left)
    for name, share in sorted(worst.items(), key=lambda item: item[1]):
        shares = [_share(_values(faces, name, counter)) for counter in _DONE]
        key = {"noise": name, "countermeasure": "none"}
        costs = [f"{mean(faces, key, metric):{form}}" for metric, form in _COSTS.items()]
        peak = f"{mean(faces, key, 'noise_peak_mb'):.0f} MB"
        lines.append(f"| {NAMES[name]} | {' | '.join([*shares, f'{share:.1%}', *costs, peak])} |")
    first, second = sorted(worst, key=lambda name: worst[name])[:2]
    lines += [
        "",
        f"The rule for the default of `cloak`: the smallest worst case over these at equal visibility, then the lowest"
        f" cost. It names **{NAMES[first]}** ({worst[first]:.1%}), before {NAMES[second]} ({worst[second]:.1%}).",
    ]
    return lines


def _values(faces: dict[str, Any], noise: str, counter: str) -> list[float]:
    return read_values(faces, {"noise": noise, "countermeasure": counter}, "protected_accuracy")


def _worst(faces: dict[str, Any], noise: str) -> float | None:
    """The largest mean over the counter-measures; None where one of them was not measured."""
    found = [_values(faces, noise, counter) for counter in _DONE]
    return max(map(statistics.fmean, found)) if all(found) else None


def _share(found: list[float]) -> str:
    return f"{statistics.fmean(found):.1%} ({len(found)})" if found else "–"
