"""Time and protection of one mask, our loop beside the one before it, against the same recognisers.

    python recipes/benchmarks/mask.py PHOTOS [--out recipes/results/benchmarks/mask.mini.json]

PHOTOS is a folder of one person's photos, each with a face. Both loops take turns, photo by photo, on all cores.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from faceshield.cloaking.ensemble import AlignedCrops, FeatureSurrogate, build_ensemble, build_witnesses
from faceshield.cloaking.options import Options
from faceshield.cloaking.perturbation import CHROMA_BOUND, build_face_view, find_codec
from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.evaluation.calibration import load_limit
from faceshield.evaluation.visibility import delta_e, ssim
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.pick import choose
from faceshield.imaging.photo import load
from faceshield.imaging.warp import from_rgb
from faceshield.models.pretrained import PRETRAINED, SURROGATES
from faceshield.noise.face_view import FaceView
from faceshield.noise.mask import FeatureLoss, mask
from faceshield.reports.benchmark import Benchmark, in_turn
from faceshield.training.runtime import Runtime

EPSILON = 8 / 255
LOOPS: dict[str, Callable[..., Tensor]] = {
    # as it was: colour as free as lightness, two draws through every recogniser in each of 60 steps
    "today": lambda view, losses, rng: mask(
        view, losses, Budget(EPSILON), rng, steps=60, draws=2, at_once=None, broad=0, momentum=0
    ),
    "ours": lambda view, losses, rng: mask(view, losses, Budget(EPSILON, chroma=CHROMA_BOUND), rng),
}


def main() -> None:
    """Measure, print, and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--out", type=Path, default=Path("recipes/results/benchmarks/mask.mini.json"))
    choice = parser.parse_args()
    benchmark = Benchmark(
        "mask",
        "A mask against four real recognisers takes at most two seconds a face on two cores, and protects as well as"
        " the loop before it.",
        "python recipes/benchmarks/mask.py PHOTOS",
    )
    runtime, detector = Runtime.best(), AnyRollDetector()
    views, crops = [], []
    for path in sorted(choice.photos.iterdir())[: choice.count]:
        photo = load(path)
        rgb = photo.rgb8()
        face = choose(detector.detect(rgb), "largest")[0]
        views.append(build_face_view(from_rgb(rgb), face, photo.grey, find_codec(photo, Options())))
        crops.append(AlignedCrops.of(rgb, face))
    if len(views) < 2:
        raise UsageError(f"{choice.photos}: holds {len(views)} photos; give a folder of at least 2")
    ensemble = build_ensemble(SURROGATES, crops, runtime)
    judges = [*ensemble, *build_witnesses(ensemble, crops, runtime)]
    asked: dict[str, list[tuple[FaceView, list[FeatureLoss], Generator]]] = {name: [] for name in LOOPS}
    made: dict[str, list[Tensor]] = {name: [] for name in LOOPS}
    for number, view in enumerate([views[0], *views]):  # the first is not counted
        for name in LOOPS:
            rng = generator("benchmark", number)
            asked[name].append((view, [surrogate.feature_loss(view, rng) for surrogate in ensemble], rng))

    def run(name: str) -> None:
        made[name].append(LOOPS[name](*asked[name][len(made[name])]))

    rounds = in_turn({name: partial(run, name) for name in LOOPS}, len(views))
    cells = []
    for name in LOOPS:
        seconds = [times[name] for times in rounds]
        measured = [
            measure(view, delta, judges, own)
            for own, (view, delta) in enumerate(zip(views, made[name][1:], strict=True))
        ]
        cells.append({"key": {"loop": name}, "seed": 0, "metrics": summarise(seconds, measured)})
    for cell in cells:
        print(cell)
    benchmark.write(
        choice.out,
        runtime.describe(),
        cells,
        [{"key": {"loop": "ours"}, "metric": "seconds_a_face", "at_most": 2.0}],
        settings={"photos": len(views), "recognisers": list(SURROGATES)},
    )
    print(choice.out)


def measure(view: FaceView, delta: Tensor, judges: Sequence[FeatureSurrogate], own: int) -> dict[str, float]:
    """How far the masked photo lies from the person's other photos, as a share of each limit, and how it looks."""
    near = view.crop_near(delta.shape[-1], [judge.spec for judge in judges])
    masked = near.with_noise(delta)
    written = masked if near.codec is None else near.codec(masked)
    before, after = (np.asarray((one[0].permute(1, 2, 0) * 255).round().byte()) for one in (near.photo, masked))
    found = {"ssim_face": ssim(before, after), "delta_e_mean": delta_e(before, after)[0]}
    for judge in judges:
        others = torch.cat([judge.person[:own], judge.person[own + 1 :]])
        features = judge.features(near.cut(written, judge.spec))
        limit = load_limit(PRETRAINED[judge.name].sha256)
        found[f"distance_{judge.name}"] = float(torch.cdist(features, others).min()) / limit
    return found


def summarise(seconds: list[float], measured: list[dict[str, float]]) -> dict[str, float]:
    """The median time, the mean of all else, and the process's peak memory so far."""
    means = {name: round(statistics.fmean(one[name] for one in measured), 4) for name in measured[0]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds_a_face": round(statistics.median(seconds), 3), **means, "peak_mb": round(peak)}


if __name__ == "__main__":
    main()
