"""What helps a mask against a recogniser that it was not made against: one change of the loop at a time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from faceshield.auditing.judges import Judge, load_judge
from faceshield.cloaking.ensemble import AlignedCrops, FeatureSurrogate, build_ensemble
from faceshield.cloaking.options import Options
from faceshield.cloaking.perturbation import CHROMA_BOUND, build_face_view, find_codec
from faceshield.core.budget import Budget
from faceshield.core.rng import generator
from faceshield.core.types import Face, Photo
from faceshield.evaluation.distractors import name_mask_weights
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.evaluation.search import EXACT
from faceshield.evaluation.tint import measure_patches
from faceshield.evaluation.visibility import delta_e, ssim
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings, Source, describe_sources
from faceshield.experiments.faces.mask_transforms import OnCrops, drop_patch, scale_spectrum, warp_locally
from faceshield.experiments.faces.transfer import SIDES, choose_photos
from faceshield.faces.align import cut, fit_canvas
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.kept import KeptDetector
from faceshield.faces.pick import choose
from faceshield.imaging.blend import blend
from faceshield.imaging.photo import decode, encode, load
from faceshield.imaging.warp import from_rgb
from faceshield.models.pretrained import PRETRAINED, RESNET29
from faceshield.noise.face_view import FaceView
from faceshield.noise.mask import FeatureLoss, mask
from faceshield.noise.photo_transforms import PhotoTransforms

EPSILON = 8 / 255
CHANGES: dict[str, dict[str, Any]] = {
    "as-shipped": {},
    "all-at-once": {"at_once": None},
    "fine": {"broad": 0.0},
    "no-momentum": {"momentum": 0.0},
    "twice-the-steps": {"steps": 64},
    "no-transforms": {"transforms": PhotoTransforms(jitter=0, resample=0, jpeg=0)},
    "hard-transforms": {"transforms": PhotoTransforms(jitter=0.08, resample=0.7, smallest=0.3, quality=(30.0, 90.0))},
    "warps": {"transforms": OnCrops(warp_locally)},
    "patches": {"transforms": OnCrops(drop_patch)},
    "spectrum": {"transforms": OnCrops(scale_spectrum)},
}
"""A cell's ``change`` as options of :func:`faceshield.noise.mask.mask`; the others change its losses or budget."""

Change = Literal[
    "as-shipped", "all-at-once", "fine", "no-momentum", "twice-the-steps", "no-transforms", "hard-transforms", "warps",
    "patches", "spectrum", "nearest", "no-target", "near-target", "free-colour", "no-colour",
]  # fmt: skip


class MaskKey(CellKey):
    """``change``: what is other than in the shipped loop. ``recogniser`` searches; masks are made against others."""

    change: Change
    recogniser: Literal["resnet29", "sface", "fr_feature", "faceres", "mobileface"]


class MaskSettings(Settings):
    """``photos`` of each person are searched with; the first ``masked`` of as many others get a mask."""

    selfies: Source
    photos: int
    masked: int
    crowd: int


@dataclass(frozen=True)
class _Shown:
    """A photo and the face in it."""

    photo: Photo
    face: Face


def mask_cell(key: MaskKey, seed: int, settings: MaskSettings, context: Context) -> dict[str, Any]:
    """One cell: in how many pairs of a clean and a masked photo the judge ranks the masked one first, or matches it.

    ``pair_rank1_both`` is the same for a masked query and another masked photo.

    Masks are made in memory and read back from the written bytes; the face keeps the landmarks of the clean photo.
    """
    judge = load_judge(key.recogniser, context.runtime.device)
    detector = KeptDetector(AnyRollDetector(context.runtime.device), context.cache_path("faces-AnyRollDetector"))
    root = context.source(settings.selfies)
    resnet29 = load_judge(RESNET29, context.runtime.device)
    first, matched, both = [], [], []
    visible: list[tuple[float, float, float]] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        context.say(f"  {folder.name}")
        sides = [choose_photos(folder, 2 * settings.photos, side, seed) for side in SIDES]
        queries, shown = (
            [one for path in paths for one in _find_face(path, detector)] for paths in (sides[0], sides[1])
        )
        masked, seen = zip(*_mask_all(shown, settings.masked, key, context), strict=True)
        visible += seen
        clean = torch.cat([_embed(one, judge) for one in queries])
        hidden = torch.cat([_embed(one, judge) for one in masked])
        apart = torch.cdist(clean, hidden, compute_mode=EXACT)
        same = resnet29.distractors.find_same(torch.cat([_embed(one, resnet29) for one in queries]))
        crowd = judge.distractors.exclude(same).crowd[: settings.crowd]
        first.append((apart < torch.cdist(clean, crowd).amin(1, keepdim=True)).flatten())
        matched.append((apart < judge.limit).flatten())
        near = torch.cdist(hidden, hidden, compute_mode=EXACT) < torch.cdist(hidden, crowd).amin(1, keepdim=True)
        both.append(near[~torch.eye(len(near), dtype=torch.bool)])
    ssims, shifts, tints = zip(*visible, strict=True)
    return {
        "pair_rank1": float(torch.cat(first).double().mean()),
        "pair_rank1_both": float(torch.cat(both).double().mean()),
        "match_rate": float(torch.cat(matched).double().mean()),
        "ssim_face": statistics.fmean(ssims),
        "delta_e_mean": statistics.fmean(shifts),
        "tint_mean": statistics.fmean(tints),
        "pairs": sum(len(pairs) for pairs in first),
    }


def _find_face(path: Path, detector: KeptDetector) -> list[_Shown]:
    photo = load(path)
    faces = detector.detect(photo.rgb8())
    return [_Shown(photo, choose(faces, "largest")[0])] if faces else []


def _mask_all(
    shown: Sequence[_Shown], count: int, key: MaskKey, context: Context
) -> list[tuple[_Shown, tuple[float, float, float]]]:
    """The first ``count`` of ``shown`` masked, with SSIM, mean colour difference and tint in the face's region."""
    others = [name for name in PRETRAINED if name != key.recogniser]
    faces = [AlignedCrops.of(one.photo.rgb8(), one.face) for one in shown]
    ensemble = build_ensemble(others, faces, context.runtime)
    made = []
    for number, (photo, face) in enumerate((one.photo, one.face) for one in shown[:count]):
        view = build_face_view(from_rgb(photo.rgb8()), face, photo.grey, find_codec(photo, Options()))
        rng = generator("mask-ablation", number)
        losses = [_change_loss(surrogate, view, rng, key.change) for surrogate in ensemble]
        chroma = {"free-colour": None, "no-colour": 0.0}.get(key.change, CHROMA_BOUND)
        delta = mask(view, losses, Budget(EPSILON, chroma=chroma), rng, **CHANGES.get(key.change, {}))
        pixels, (region,) = blend(photo, [(delta, fit_canvas(face))], EPSILON)
        before, after = region.of(photo.pixels), region.of(pixels)
        written = decode(encode(photo, pixels).data, photo.path)
        visible = ssim(before, after), delta_e(before, after)[0], measure_patches(before, after, face.size)[0]
        made.append((_Shown(written, face), visible))
    return made


def _change_loss(surrogate: FeatureSurrogate, view: FaceView, rng: Generator, change: str) -> FeatureLoss:
    loss = surrogate.feature_loss(view, rng)
    if change == "nearest":
        return _Nearest(**{**vars(loss), "centre": surrogate.person})
    return replace(loss, pull={"no-target": 0.0, "near-target": 1.0}.get(change, loss.pull))


class _Nearest(FeatureLoss):
    """Away from the nearest clean photo, as masks were made before; ``centre`` (K, D) is all of them."""

    def loss(self, crops: Tensor) -> Tensor:
        features = self.embed(crops)
        loss = (self.away - torch.cdist(features, self.centre).amin(1)).clamp_min(0)
        if self.target is not None:
            loss = loss + self.pull * (features - self.target).norm(dim=1)
        return loss.mean()


def _embed(shown: _Shown, judge: Judge) -> Tensor:
    crop = cut(shown.photo.rgb8(), shown.face, PRETRAINED[judge.name].spec).image[None]
    return combine(embed_pairs(crop.to(judge.recogniser.device), judge.recogniser.forward), unit=False)


EXPERIMENT = Experiment(mask_cell, MaskSettings, MaskKey, describe_sources, weights=name_mask_weights())
