"""``faceshield cloak`` as its user runs it: a process of its own, whose pictures a cell then hands to somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from faceshield.core.errors import FaceshieldError
from faceshield.core.rng import derive_seed
from faceshield.core.store import CLOAKED, read_json
from faceshield.experiments.engine.context import Context

Cloak = Literal["bank", "tailored", "natural", "strong", "mask", "mask-4", "mask-12", "mask-16", "both"]
OPTIONS: dict[Cloak, list[str]] = {
    "bank": ["--fast"],
    "tailored": [],
    "natural": ["--look", "natural"],
    "strong": ["--look", "strong"],
    "mask": ["--against", "search"],
    "mask-4": ["--against", "search", "--epsilon", "4/255"],
    "mask-12": ["--against", "search", "--epsilon", "12/255"],
    "mask-16": ["--against", "search", "--epsilon", "16/255"],
    "both": ["--against", "both"],
}
"""A cell's ``noise`` as the command's options; ε is the command's own, 8/255, where the name does not say another."""


def cloak(
    photos: Sequence[Path],
    out: Path,
    noise: Cloak,
    identity: str,
    context: Context,
    recognisers: Sequence[str] = (),
) -> dict[str, Any]:
    """The report of cloaking ``photos`` into ``out``, once: a finished run is found again.

    ``recognisers``: those that masks are made against; () leaves the choice to the command.

    The identity's secret comes from its name instead of the operating system, so that a cell is repeatable. Raises
    FaceshieldError with the command's own line where it fails; photos left unprotected are in the report.
    """
    environment = {
        **os.environ,
        "FACESHIELD_HOME": str(context.work / "home"),
        "FACESHIELD_SECRET": f"{derive_seed(identity):032x}",
    }
    environment.pop("TORCHELASTIC_RUN_ID", None)  # the command is a job of its own, and none of torchrun's processes
    command = [sys.executable, "-m", "faceshield", "cloak", *map(str, photos), "-o", str(out), "--resume"]
    command += ["--identity", identity, "--device", str(context.runtime.device), "--jobs", "1", *OPTIONS[noise]]
    command += [part for name in recognisers for part in ("--recogniser", name)]

    def run() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise FaceshieldError(f"faceshield cloak ended with {done.returncode}: {done.stderr.strip()[-300:]}")

    if not (out / CLOAKED).is_file():  # written last
        context.runtime.ranks.once(run)
    report: dict[str, Any] = read_json(out / CLOAKED)
    return report


def visibility(faces: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How visible the noise in the reports' ``faces`` is: mean and least SSIM, greatest change of a pixel of 255.

    The mean over faces of all else that the reports have measured: CIEDE2000, tint, contrast and, where each has it,
    FLIP.
    """
    means = {
        name: sum(face[name] for face in faces) / len(faces)
        for name in ("delta_e_mean", "delta_e_p95", "tint_mean", "contrast_p95", "flip_mean")
        if all(face[name] is not None for face in faces)
    }
    return {
        "ssim_face": sum(face["ssim_face"] for face in faces) / len(faces),
        "ssim_face_min": min(face["ssim_face"] for face in faces),
        "linf_255": max(face["linf_255"] for face in faces),
        **means,
    }
