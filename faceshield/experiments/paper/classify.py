"""Most of the paper: noise, unlearnable data, a fresh network trained on it, clean pictures to test it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from faceshield.attacks.base import Pairs
from faceshield.attacks.collected import PAIRS
from faceshield.attacks.table import Name, find_countermeasure
from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.rng import generator
from faceshield.core.schema import suggest
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.exposure import Exposure
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import Scores, evaluate
from faceshield.evaluation.visibility import linf_255
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Settings
from faceshield.experiments.paper.network import (
    AugmentMixName,
    TrainedNetwork,
    Training,
    TrainingSettings,
    describe_data,
    open_split,
)
from faceshield.experiments.paper.network_cache import train_once
from faceshield.experiments.paper.noises import NoiseKey, NoiseSettings, load_or_make_noise
from faceshield.models.zoo import Network
from faceshield.training.adversarial import Adversary
from faceshield.training.loop import predict


class AdversarySettings(Settings):
    """Adversarial training by PGD; the defaults are appendix D's."""

    epsilon_255: float = 8
    alpha_255: float = 2
    steps: int = 10

    def build(self) -> Adversary:
        """The adversary that the training loop takes."""
        return Adversary(Budget(self.epsilon_255 / 255), self.alpha_255 / 255, self.steps)


class DataKey(CellKey):
    """``set`` is one of the settings' ``sets``; ``epsilon_255`` is in place of theirs."""

    set: str | None = None
    epsilon_255: float | None = None


class CollectorKey(CellKey):
    """The ``model`` that is trained on the data, and how its pictures are augmented."""

    model: Network | None = None
    augment: AugmentMixName | None = None


class ExposedKey(CellKey):
    """``percent`` of each class carries noise, or the classes ``protected`` (names joined by "+"), or all (§4.3)."""

    percent: float | None = None
    protected: str | None = None

    def names(self) -> tuple[str, ...]:
        """The classes that a cell protects by name; () where it names none."""
        return () if self.protected is None else tuple(self.protected.split("+"))

    def mask(self, data: Examples, seed: int) -> Tensor:
        """(n,) bool: which examples of ``data`` carry noise; a percentage is drawn from ``seed``."""
        if self.percent is not None:
            return Exposure(fraction=self.percent / 100, seed=seed).mask(data)
        return Exposure(classes=self.names() or None).mask(data)


class ClassifySettings(NoiseSettings):
    """``sets`` are settings for a cell's ``set``, ``models`` for the training (not the noise) of a cell's ``model``.

    With an ``adversary`` the network is trained adversarially.
    """

    sets: dict[str, dict[str, Any]] = Field(default={})
    models: dict[Network, dict[str, Any]] = Field(default={})
    adversary: AdversarySettings | None = None

    @model_validator(mode="after")
    def _check_sets(self) -> ClassifySettings:
        for changes in self.sets.values():
            self._override(changes)
        for name in self.models:
            self.collector(CollectorKey(model=name))
        return self

    def fits(self, key: CellKey) -> None:
        """Raises UsageError for a set that is not among ``sets``."""
        if isinstance(key, DataKey) and key.set is not None and key.set not in self.sets:
            raise UsageError(f"set {key.set!r} is unknown; use {', '.join(self.sets)}{suggest(key.set, self.sets)}")

    def select_set(self, key: DataKey) -> ClassifySettings:
        """The settings of a cell's data and noise. Raises UsageError as :meth:`fits`."""
        self.fits(key)
        changes = {} if key.set is None else dict(self.sets[key.set])
        if key.epsilon_255 is not None:
            changes["epsilon_255"] = key.epsilon_255
        return self._override(changes) if changes else self

    def _override(self, changes: dict[str, Any]) -> ClassifySettings:
        return type(self).model_validate({**self.model_dump(exclude={"sets"}), **changes})

    def collector(self, key: CollectorKey) -> TrainingSettings:
        """The settings of a cell's training: those of whoever collected the data."""
        given = key.model_dump(include={"model", "augment"}, exclude_none=True)
        options = {name: getattr(self, name) for name in TrainingSettings.model_fields}
        return TrainingSettings.model_validate(
            {**options, **(self.models.get(key.model, {}) if key.model else {}), **given}
        )

    def build_adversary(self) -> Adversary | None:
        """The adversary of the training, where there is one."""
        return None if self.adversary is None else self.adversary.build()

    def sources(self, key: CellKey) -> tuple[str, ...]:
        """Names of what must lie below ``--data`` for a cell."""
        chosen = self.select_set(key) if isinstance(key, DataKey) else self
        return super().sources(key) if chosen is self else chosen.sources(CellKey())


class ClassifyKey(NoiseKey, ExposedKey, DataKey, CollectorKey):
    """``trained_on`` is what of partly protected data the collector gets (Table 2), ``countermeasure`` what is done
    with it (``attacks.table``).
    """

    countermeasure: Name = "none"
    trained_on: Literal["both", "clean", "unlearnable"] = "both"


def classify(key: ClassifyKey, seed: int, settings: ClassifySettings, context: Context) -> dict[str, Any]:
    """One cell.

    Accuracies are shares of the clean test pictures; linf_255 is the largest change of any byte. Cells of one seed
    train alike, and differ by their noise only.

    A counter-measure of all pictures is done to the test pictures too; one that learns from pairs gets up to
    ``attacks.collected.PAIRS`` of the training pictures as they were, drawn by the seed: originals that leaked.
    """
    against = find_countermeasure(key.countermeasure)
    chosen = settings.select_set(key)
    data, test = open_split(chosen, "train", context).sort(), open_split(chosen, "test", context)
    training, extra = data, {}
    mask = key.mask(data, seed)
    if key.noise != "none":
        noise = load_or_make_noise(key, seed, data, test, chosen, context)
        training = unlearnable(data, noise, mask, variant=key.variant(), place_seed=seed)
        extra = {"linf_255": _linf_255(data, training), **_describe_noise(noise, len(data))}
    if key.trained_on != "both":
        training = training.select(mask if key.trained_on == "unlearnable" else ~mask)
    if against.undo is not None:
        training = against.undo(training, _draw_pairs(data, training, seed), generator("classify", "undo", seed))
    training, test = (replace(part, images=against.apply(part.images)) for part in (training, test))
    result = fit(training, test, chosen, key, seed, context, against=key.countermeasure)
    return {**measure_outcome(result, training, test, context, key.names()), **extra}


def fit(
    training: Examples, test: Examples, chosen: ClassifySettings, key: CollectorKey, seed: int, context: Context,
    *, against: Name = "none",
) -> TrainedNetwork:  # fmt: skip
    """The network of whoever trains on the collected pictures."""
    adversary = chosen.build_adversary()
    return train_once(Training(training, test, chosen.collector(key), seed, adversary, against=against), context)


def measure_outcome(
    result: TrainedNetwork, training: Examples, test: Examples, context: Context, protected: Sequence[str] = ()
) -> dict[str, Any]:
    """What a cell tells of a network; where the classes ``protected`` are, also who is taken for whom."""
    scores = evaluate(lambda images: predict(result.model, images, context.runtime), test)
    return {
        "test_accuracy_final": result.history.test_accuracy_final,
        "test_accuracy_peak": result.history.test_accuracy_peak,
        "curve_test": [round(value, 4) for value in result.history.test_accuracy],
        "class_accuracy": [round(value, 4) for value in scores.class_accuracy.tolist()],
        "seconds_train": round(result.history.seconds, 2),
        "training_pictures": len(training),
        "test_pictures": len(test),
        **(_measure_classes(scores, test, protected) if protected else {}),
    }


def describe_inputs(key: DataKey, settings: ClassifySettings, context: Context) -> str:
    """A text that changes with the data that a cell reads."""
    return describe_data(settings.select_set(key), context)


def _measure_classes(scores: Scores, test: Examples, names: Sequence[str]) -> dict[str, Any]:
    protected = torch.tensor([name in names for name in test.classes])

    def recall(chosen: Tensor) -> float:
        cells = scores.confusion[chosen]
        return float(cells[:, chosen].diag().sum() / cells.sum())

    return {
        "protected_accuracy": recall(protected),
        "others_accuracy": recall(~protected),
        "confusion": scores.confusion.tolist(),
        "classes": list(test.classes),
    }


def _linf_255(clean: Examples, noisy: Examples) -> float:
    return linf_255(*(data.images.numpy().reshape(len(data), -1) for data in (clean, noisy)))


def _draw_pairs(data: Examples, training: Examples, seed: int) -> Pairs:
    """Up to ``PAIRS`` pictures of ``training``, those with ids that ``data`` has, as they were before."""
    index = torch.randperm(len(training), generator=generator("classify", "pairs", seed))[:PAIRS]
    place = {id: number for number, id in enumerate(data.ids)}
    return Pairs(data.images[[place[training.ids[number]] for number in index.tolist()]], training.images[index])


def _describe_noise(noise: Noise, pictures: int) -> dict[str, Any]:
    """What the noise's making says: rounds, last error, steps taken (each one an example's), seconds, memory."""
    errors = noise.provenance.get("errors", [])
    return {
        "rounds": len(errors),
        **({"error_final": errors[-1]} if errors else {}),
        **{name: noise.provenance[name] for name in ("steps_taken",) if name in noise.provenance},
        "seconds_noise": noise.provenance["seconds"],
        "noise_seconds_per_1000": round(noise.provenance["seconds"] / pictures * 1000, 3),
        **({"noise_peak_mb": noise.provenance["peak_mb"]} if "peak_mb" in noise.provenance else {}),
    }


EXPERIMENT = Experiment(classify, ClassifySettings, ClassifyKey, describe_inputs)
