"""Training with strong augmentation: what the network sees of a picture is never twice the same."""

from __future__ import annotations

from functools import partial

from faceshield.data.augment import compose, crop_and_flip, cutout, rotate
from faceshield.data.policy import fast_autoaugment

STRONG = compose(partial(crop_and_flip, pad=6), partial(rotate, degrees=15), fast_autoaugment, partial(cutout, size=20))
"""Shift, mirror, turn, two drawn operations of Fast AutoAugment (§ Table 3) and Cutout."""
