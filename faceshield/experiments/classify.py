"""Most of the paper: noise, unlearnable data, a fresh network trained on it, clean pictures to test it."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, model_validator
from torch import Tensor

from faceshield.core.budget import Budget
from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import Scores, evaluate
from faceshield.evaluation.visibility import linf_255
from faceshield.experiments.fitted import Fitted, Training, TrainingSettings, data_of, opened
from faceshield.experiments.noises import NoiseSettings, noise_of, variant_of
from faceshield.experiments.protected import exposure, names_of, part
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import Settings, checked
from faceshield.experiments.trained import trained
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


class ClassifySettings(NoiseSettings):
    """``sets`` are settings for a cell's ``set``, ``models`` for the training (not the noise) of a cell's ``model``.

    With an ``adversary`` the network is trained adversarially.
    """

    sets: dict[str, dict[str, Any]] = Field(default={})
    models: dict[str, dict[str, Any]] = Field(default={})
    adversary: AdversarySettings | None = None

    @model_validator(mode="after")
    def _known(self) -> ClassifySettings:
        for name in self.sets:
            self.of({"set": name})
        for name in self.models:
            self.collector({"model": name})
        return self

    def of(self, key: Key) -> ClassifySettings:
        """The settings of a cell's data and noise."""
        own = dict(self.sets[str(key["set"])]) if "set" in key else {}
        if "epsilon_255" in key:
            own["epsilon_255"] = key["epsilon_255"]
        if not own:
            return self
        merged = {**self.model_dump(exclude={"sets"}), **own}
        return type(self).model_validate(merged)

    def collector(self, key: Key) -> TrainingSettings:
        """The settings of a cell's training: those of whoever collected the data."""
        given = {name: key[name] for name in ("model", "augment") if name in key}
        own = {name: getattr(self, name) for name in TrainingSettings.model_fields}
        return TrainingSettings.model_validate({**own, **self.models.get(str(key.get("model")), {}), **given})

    def opponent(self) -> Adversary | None:
        """The adversary of the training, where there is one."""
        return None if self.adversary is None else self.adversary.made()

    def sources(self, key: Key) -> tuple[str, ...]:
        """Names of what must lie below ``--data`` for a cell."""
        own = self.of(key)
        return super().sources(key) if own is self else own.sources({})


def classify(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise (none, or a method of noise.registry); form; model (of the one trained on the data);
    setting paper|fast|released-code; size of a patch; augment, see :data:`faceshield.experiments.fitted.AUGMENTS`;
    set, of the settings' ``sets``; epsilon_255; and what of the data is protected, see experiments.protected.

    Accuracies are shares of the clean test pictures; linf_255 is the largest change of any byte. Cells of one seed
    train alike, and differ by their noise only.
    """
    own = checked_settings(settings).of(key)
    data, test = opened(own, "train", context).sorted(), opened(own, "test", context)
    training, told = data, {}
    mask = exposure(key, seed).mask(data)
    if key["noise"] != "none":
        noise = noise_of(key, seed, data, test, own, context)
        training = unlearnable(data, noise, mask, variant=variant_of(key), place_seed=seed)
        told = {"linf_255": _linf_255(data, training), **_told(noise)}
    training = part(training, mask, key)
    made = fit(training, test, own, key, seed, context)
    return {**outcome(made, training, test, key, context), **told}


def fit(training: Examples, test: Examples, own: ClassifySettings, key: Key, seed: int, context: Context) -> Fitted:
    """The network of whoever trains on the collected pictures."""
    return trained(Training(training, test, own.collector(key), seed, own.opponent()), context)


def outcome(made: Fitted, training: Examples, test: Examples, key: Key, context: Context) -> dict[str, Any]:
    """What a cell tells of a network; where single classes are protected, also who is taken for whom."""
    scores = evaluate(lambda images: predict(made.model, images, context.runtime), test)
    return {
        "test_accuracy_final": made.history.test_accuracy_final,
        "test_accuracy_peak": made.history.test_accuracy_peak,
        "curve_test": [round(value, 4) for value in made.history.test_accuracy],
        "class_accuracy": [round(value, 4) for value in scores.class_accuracy.tolist()],
        "seconds_train": round(made.history.seconds, 2),
        "training_pictures": len(training),
        "test_pictures": len(test),
        **(_by_class(scores, test, key) if "protected" in key else {}),
    }


def checked_settings(settings: dict[str, Any]) -> ClassifySettings:
    """A recipe's settings with the defaults in place."""
    made = checked(ClassifySettings, settings, "settings")
    assert isinstance(made, ClassifySettings)
    return made


def inputs_of(key: Key, settings: dict[str, Any], context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return data_of(checked_settings(settings).of(key), context)


def _by_class(scores: Scores, test: Examples, key: Key) -> dict[str, Any]:
    protected = torch.tensor([name in names_of(key) for name in test.classes])

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
