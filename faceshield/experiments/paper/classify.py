"""Most of the paper: noise, unlearnable data, a fresh network trained on it, clean pictures to test it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import Scores, evaluate
from faceshield.evaluation.visibility import linf_255
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.settings import CellKey, Settings, nearest
from faceshield.experiments.paper.fitted import AugmentMixName, Fitted, Training, TrainingSettings, data_of, open_split
from faceshield.experiments.paper.noises import NoiseKey, NoiseSettings, noise_of
from faceshield.experiments.paper.protected import ExposedKey, Part, exposure, part
from faceshield.experiments.paper.trained import trained
from faceshield.models.zoo import Network
from faceshield.training.adversarial import Adversary
from faceshield.training.loop import predict


class AdversarySettings(Settings):
    """Adversarial training by PGD; the defaults are appendix D's."""

    epsilon_255: float = 8
    alpha_255: float = 2
    steps: int = 10

    def made(self) -> Adversary:
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


class ClassifySettings(NoiseSettings):
    """``sets`` are settings for a cell's ``set``, ``models`` for the training (not the noise) of a cell's ``model``.

    With an ``adversary`` the network is trained adversarially.
    """

    sets: dict[str, dict[str, Any]] = Field(default={})
    models: dict[Network, dict[str, Any]] = Field(default={})
    adversary: AdversarySettings | None = None

    @model_validator(mode="after")
    def _known(self) -> ClassifySettings:
        for own in self.sets.values():
            self._with(own)
        for name in self.models:
            self.collector(CollectorKey(model=name))
        return self

    def fits(self, key: CellKey) -> None:
        """Raises UsageError for a set that is not among ``sets``."""
        if isinstance(key, DataKey) and key.set is not None and key.set not in self.sets:
            raise UsageError(f"set {key.set!r} is unknown; use {', '.join(self.sets)}{nearest(key.set, self.sets)}")

    def of(self, key: DataKey) -> ClassifySettings:
        """The settings of a cell's data and noise. Raises UsageError as :meth:`fits`."""
        self.fits(key)
        own = {} if key.set is None else dict(self.sets[key.set])
        if key.epsilon_255 is not None:
            own["epsilon_255"] = key.epsilon_255
        return self._with(own) if own else self

    def _with(self, own: dict[str, Any]) -> ClassifySettings:
        return type(self).model_validate({**self.model_dump(exclude={"sets"}), **own})

    def collector(self, key: CollectorKey) -> TrainingSettings:
        """The settings of a cell's training: those of whoever collected the data."""
        given = key.model_dump(include={"model", "augment"}, exclude_none=True)
        own = {name: getattr(self, name) for name in TrainingSettings.model_fields}
        return TrainingSettings.model_validate(
            {**own, **(self.models.get(key.model, {}) if key.model else {}), **given}
        )

    def opponent(self) -> Adversary | None:
        """The adversary of the training, where there is one."""
        return None if self.adversary is None else self.adversary.made()

    def sources(self, key: CellKey) -> tuple[str, ...]:
        """Names of what must lie below ``--data`` for a cell."""
        own = self.of(key) if isinstance(key, DataKey) else self
        return super().sources(key) if own is self else own.sources(CellKey())


class ClassifyKey(NoiseKey, ExposedKey, DataKey, CollectorKey):
    """``trained_on`` is what of partly protected data the collector gets."""

    trained_on: Part = "both"


def classify(key: ClassifyKey, seed: int, settings: ClassifySettings, context: Context) -> dict[str, Any]:
    """One cell.

    Accuracies are shares of the clean test pictures; linf_255 is the largest change of any byte. Cells of one seed
    train alike, and differ by their noise only.
    """
    own = settings.of(key)
    data, test = open_split(own, "train", context).sorted(), open_split(own, "test", context)
    training, told = data, {}
    mask = exposure(key, seed).mask(data)
    if key.noise != "none":
        noise = noise_of(key, seed, data, test, own, context)
        training = unlearnable(data, noise, mask, variant=key.variant(), place_seed=seed)
        told = {"linf_255": _linf_255(data, training), **_told(noise)}
    training = part(training, mask, key.trained_on)
    made = fit(training, test, own, key, seed, context)
    return {**outcome(made, training, test, context, key.names()), **told}


def fit(
    training: Examples, test: Examples, own: ClassifySettings, key: CollectorKey, seed: int, context: Context
) -> Fitted:
    """The network of whoever trains on the collected pictures."""
    return trained(Training(training, test, own.collector(key), seed, own.opponent()), context)


def outcome(
    made: Fitted, training: Examples, test: Examples, context: Context, protected: Sequence[str] = ()
) -> dict[str, Any]:
    """What a cell tells of a network; where the classes ``protected`` are, also who is taken for whom."""
    scores = evaluate(lambda images: predict(made.model, images, context.runtime), test)
    return {
        "test_accuracy_final": made.history.test_accuracy_final,
        "test_accuracy_peak": made.history.test_accuracy_peak,
        "curve_test": [round(value, 4) for value in made.history.test_accuracy],
        "class_accuracy": [round(value, 4) for value in scores.class_accuracy.tolist()],
        "seconds_train": round(made.history.seconds, 2),
        "training_pictures": len(training),
        "test_pictures": len(test),
        **(_by_class(scores, test, protected) if protected else {}),
    }


def inputs_of(key: DataKey, settings: ClassifySettings, context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return data_of(settings.of(key), context)


def _by_class(scores: Scores, test: Examples, names: Sequence[str]) -> dict[str, Any]:
    protected = torch.tensor([name in names for name in test.classes])

    def share(chosen: Tensor) -> float:
        cells = scores.confusion[chosen]
        return float(cells[:, chosen].diag().sum() / cells.sum())

    return {
        "protected_accuracy": share(protected),
        "others_accuracy": share(~protected),
        "confusion": scores.confusion.tolist(),
        "classes": list(test.classes),
    }


def _linf_255(clean: Examples, noisy: Examples) -> float:
    return linf_255(*(data.images.numpy().reshape(len(data), -1) for data in (clean, noisy)))


def _told(noise: Noise) -> dict[str, Any]:
    """What the noise's making says: rounds, last error, steps taken (each one an example's), seconds."""
    errors = noise.provenance.get("errors", [])
    return {
        "rounds": len(errors),
        **({"error_final": errors[-1]} if errors else {}),
        **{name: noise.provenance[name] for name in ("steps_taken",) if name in noise.provenance},
        "seconds_noise": noise.provenance["seconds"],
    }


EXPERIMENT = Experiment(classify, ClassifySettings, ClassifyKey, inputs_of)
