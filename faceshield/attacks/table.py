"""All counter-measures by the name that recipes use."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from faceshield.attacks.base import Countermeasure
from faceshield.attacks.dvae import disentangle
from faceshield.attacks.project import project_out
from faceshield.attacks.purify import purify_examples, walk_bridge
from faceshield.attacks.staged import STAGED, slow_shallow
from faceshield.attacks.transforms import STRONG, blur, grey, halve, recompress, recrop
from faceshield.attacks.ueraser import POLICY, HardestOf
from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.plugins import find_plugin, name_all
from faceshield.data.mixing import cutmix, mixup
from faceshield.training.adversarial import Adversary

Name = Literal[
    "none", "jpeg-90", "jpeg-75", "jpeg-50", "jpeg-10", "half-size", "blur", "grey", "recrop", "strong-augmentation",
    "mixup", "cutmix", "adversarial-training", "ueraser", "ueraser-lite", "staged-training", "projection", "d-vae",
    "bridge", "purify",
]  # fmt: skip
GROUP: Final = "faceshield.attacks"
FAST = Adversary(Budget(8 / 255), alpha=10 / 255, steps=1)
"""Adversarial training (appendix D) by one step from a random start (Wong et al. 2020): a tenth of PGD-10's time."""

COUNTERMEASURES: dict[str, Countermeasure] = {
    # a collector who stops at the best epoch trains like any other: it is the peak of the same curve that counts
    "none": Countermeasure("plain training; the peak over its epochs is what early stopping reaches"),
    "jpeg-90": Countermeasure("saved as JPEG 90", pictures=partial(recompress, quality=90)),
    "jpeg-75": Countermeasure("saved as JPEG 75", pictures=partial(recompress, quality=75)),
    "jpeg-50": Countermeasure("saved as JPEG 50", pictures=partial(recompress, quality=50)),
    "jpeg-10": Countermeasure("saved as JPEG 10 (Image Shortcut Squeezing)", pictures=partial(recompress, quality=10)),
    "half-size": Countermeasure("half the size and back", pictures=halve),
    "blur": Countermeasure("Gaussian blur, σ = 1.5 pixels", pictures=blur),
    "grey": Countermeasure("without colour", pictures=grey),
    "recrop": Countermeasure("cut out tighter and off the middle", pictures=recrop),
    "strong-augmentation": Countermeasure("shift, mirror, turn, Fast AutoAugment and Cutout", augment=STRONG),
    "mixup": Countermeasure("Mixup", mix=mixup),
    "cutmix": Countermeasure("CutMix", mix=cutmix),
    "adversarial-training": Countermeasure("adversarial training, one step, ε = 8/255", adversary=FAST),
    "ueraser": Countermeasure("UEraser: the hardest of 3 strong augmentations", adversary=HardestOf(POLICY)),
    "ueraser-lite": Countermeasure("UEraser-lite: one such augmentation", adversary=HardestOf(POLICY, tries=1)),
    "staged-training": Countermeasure("staged training: shallow layers stop first", augment=STAGED, pace=slow_shallow),
    "projection": Countermeasure("orthogonal projection", undo=project_out),
    "d-vae": Countermeasure("D-VAE: what an autoencoder finds to be a class's noise is taken off", undo=disentangle),
    "bridge": Countermeasure("a bridge walked back to the clean pictures, learned from pairs", undo=walk_bridge),
    "purify": Countermeasure("a purifier learned from up to 500 pairs of the public noise", undo=purify_examples),
}


def find_countermeasure(name: str) -> Countermeasure:
    """The counter-measure of a name. Raises UsageError for an unknown one.

    Another package adds one by an entry point of the group "faceshield.attacks": a Countermeasure.
    """
    found: Countermeasure | None = COUNTERMEASURES.get(name) or find_plugin(
        GROUP, name, lambda value: isinstance(value, Countermeasure)
    )
    if found is None:
        raise UsageError(f"countermeasure {name!r} is unknown; use {', '.join(name_all(GROUP, COUNTERMEASURES))}")
    return found
