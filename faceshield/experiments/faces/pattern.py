"""What an identity noise should look like: its band of wavelengths, ε, its colour, and the views it is made under.

Each cell makes a small bank of its own, gives its noises to people who took no part in making it, and measures what a
collector then knows of them beside how much the noise shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from faceshield.core.cache import Tensors, digest_json, load_or_make_tensors
from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, describe_sources
from faceshield.experiments.faces.ablation import measure_ways
from faceshield.experiments.faces.bank import (
    VIEWS,
    Algorithm1Settings,
    Channels,
    ViewName,
    build_budget,
    make_bank,
    read_source,
)
from faceshield.experiments.faces.crops import Cloaked, CloakedKey, CropsSettings, cloak_people
from faceshield.experiments.faces.equal_look import measure, measure_tint
from faceshield.noise.band import keep_pattern
from faceshield.noise.surrogate import NOISE_WEIGHTS

LOOKED_AT = 40  # crops on which a noise's look is measured
BANK_METRICS = {"rounds": "bank_rounds", "error_final": "bank_error", "delta_rms_255": "bank_rms_255"}


class PatternKey(CellKey):
    """What the noises of a cell's bank may be; without noise nothing else stands in the key.

    Attributes:
        shortest, longest: the band's wavelengths, in canvas pixels.
        epsilon_255: ε in levels of 255.
        channels: free to have colour, or equal: lightness only.
        views: those under which the bank is made.
    """

    noise: Literal["none", "bank"]
    shortest: float | None = None
    longest: float | None = None
    epsilon_255: float = 8.0
    channels: Channels = "equal"
    views: ViewName = "collector"


class PatternSettings(CropsSettings):
    """``bank``: how each is made, beside what the key says."""

    bank: Algorithm1Settings

    def fits(self, key: CellKey) -> None:
        """Raises UsageError for a bank without a band, or with one that holds no wavelength."""
        if isinstance(key, PatternKey) and key.noise == "bank":
            _find_band(key)


def pattern(key: PatternKey, seed: int, settings: PatternSettings, context: Context) -> dict[str, Any]:
    """One cell.

    Beside the metrics of :func:`faceshield.experiments.faces.ablation.measure_ways`: how the noise looks on cloaked
    training crops (delta_e_mean, delta_e_p95, tint_mean, ssim_face, linf_255), and of the bank bank_error, the share of
    its photos that its surrogate did not take for their noise's at the end, bank_rounds and bank_rms_255.
    """
    worn = CloakedKey(noise=key.noise)
    if key.noise == "none":
        return measure_ways(cloak_people(worn, seed, settings, context), seed, settings, context)
    delta, about = _load_or_make_bank(key, settings.bank, context)
    made = cloak_people(worn, seed, settings, context, bank=delta)
    return {**measure_ways(made, seed, settings, context), **_measure_look(made), **about}


def _find_band(key: PatternKey) -> tuple[float, float]:
    if key.shortest is None or key.longest is None:
        raise UsageError("noise 'bank' needs the wavelengths shortest and longest; 13 and 40 are the shipped noises'")
    if not 2 <= key.shortest < key.longest:
        raise UsageError(f"the band {key.shortest:g} to {key.longest:g} is empty; use 2 ≤ shortest < longest")
    return key.shortest, key.longest


def _load_or_make_bank(
    key: PatternKey, settings: Algorithm1Settings, context: Context
) -> tuple[Tensor, dict[str, float]]:
    """The noises (K, 3, S, S), and their metrics; the same for every seed, and from the cache if made before."""
    (shortest, longest), dtype = _find_band(key), str(context.runtime.dtype)
    decides = [key.model_dump(), settings.model_dump(), context.content(settings.people), dtype]
    path = context.work / f"bank-{digest_json(decides)[:16]}.safetensors"

    def make() -> Tensors:
        context.say(f"  a bank of wavelengths {shortest:g} to {longest:g}")
        made = make_bank(
            read_source(settings, context), VIEWS[key.views], derive_seed("bank"), settings, context,
            build_budget(key.epsilon_255, key.channels), partial(keep_pattern, shortest=shortest, longest=longest),
        )  # fmt: skip
        return {"delta": made.content[0]["delta"]}, {ours: made.metrics[its] for its, ours in BANK_METRICS.items()}

    tensors, about = load_or_make_tensors(path, make, context.runtime.ranks)
    return tensors["delta"], dict(about)


def _measure_look(made: Cloaked) -> dict[str, Any]:
    """Of at most :data:`LOOKED_AT` cloaked training crops, evenly spread over the protected people."""
    worn = (made.used & (made.people.labels >= made.protected.start)).nonzero().flatten()
    seen = torch.zeros_like(made.used)
    seen[worn[torch.linspace(0, len(worn) - 1, min(LOOKED_AT, len(worn))).round().long()]] = True
    clean = made.people.select(seen)
    noisy = replace(clean, images=made.images[seen])
    return {**measure(clean, noisy), "tint_mean": measure_tint(clean, noisy)}


EXPERIMENT = Experiment(pattern, PatternSettings, PatternKey, describe_sources, weights=NOISE_WEIGHTS)
