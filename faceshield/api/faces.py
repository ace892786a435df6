"""Faces of a photo, and a recogniser judged by a pairs protocol, each in one call."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceshield.core.types import Face
from faceshield.data.pairs import PairSet, read_pairs
from faceshield.evaluation.verification import Verification, score_pairs, verify_pairs
from faceshield.faces.detector import Detector


def detect(photo: str | Path | NDArray[np.uint8]) -> list[Face]:
    """The faces of a picture file, or of upright RGB pixels (H, W, 3) uint8; largest first.

    Boxes and landmarks are in upright photo pixels; an empty list means that none was found. Raises PhotoError for a
    file that cannot be read.
    """
    from faceshield.imaging.photo import load

    rgb = photo if isinstance(photo, np.ndarray) else load(Path(photo)).rgb8()
    return _detector().detect(rgb)


def evaluate_verification(
    pairs: str | Path | PairSet, images: str | Path, recogniser: str = "resnet29", *, device: str = "cpu", seed: int = 0
) -> Verification:
    """How well a pretrained ``recogniser`` tells who is who, by a protocol of pairs in folds (paper §4.5).

    pairs   LFW's pairs.txt, a CSV with left,right,same[,fold], or a PairSet
    images  the folder of PERSON/FILE that the pairs name
    seed    of the intervals, which resample people

    ``result.roc.auc``, ``result.folds.mean``, ``result.points[1e-2].tar``; ``result.metrics()`` has them all. Photos
    without a face count as errors. Raises UsageError for an unknown recogniser, pairs without folds and photos that are
    not there, PhotoError for one that cannot be read.
    """
    from faceshield.auditing.pretrained import load_recogniser
    from faceshield.evaluation.embed import combine
    from faceshield.evaluation.enrol import enrol

    chosen = pairs if isinstance(pairs, PairSet) else read_pairs(Path(pairs))
    chosen.require(Path(images))
    done = enrol(Path(images), chosen.ids(), _detector(), load_recogniser(torch.device(device), name=recogniser))
    features = combine(done.raw)
    return verify_pairs(score_pairs(features, done.found, done.ids, chosen, "distance"), chosen, seed=seed)


@functools.cache
def _detector() -> Detector:
    """One detector a process: its networks take half a second to load."""
    from faceshield.faces.any_roll import AnyRollDetector

    return AnyRollDetector()
