"""Fig. 1, Fig. 9 and Table 5: noise, unlearnable data, a fresh network trained on it, clean pictures to test it."""

from __future__ import annotations

from typing import Any

from faceshield.core.types import Noise
from faceshield.data.examples import Examples
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.accuracy import evaluate
from faceshield.evaluation.visibility import linf_255
from faceshield.experiments.fitted import data_of, fitted, opened
from faceshield.experiments.noises import NoiseSettings, noise_of, variant_of
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import checked
from faceshield.training.loop import predict


class ClassifySettings(NoiseSettings):
    """Nothing beside what data, training and noise need."""


def classify(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise (none, or a method of noise.registry); form; model (of the one trained on the data);
    setting paper|fast|released-code; size of a patch; augment, see :data:`faceshield.experiments.fitted.AUGMENTS`.

    Accuracies are shares of the clean test pictures; linf_255 is the largest change of any byte. Cells of one seed
    train alike, and differ by their noise only.
    """
    own = checked_settings(settings)
    data, test = opened(own, "train", context).sorted(), opened(own, "test", context)
    training, told = data, {}
    if key["noise"] != "none":
        noise = noise_of(key, seed, data, test, own, context)
        training = unlearnable(data, noise, variant=variant_of(key), place_seed=seed)
        told = {"linf_255": _linf_255(data, training), **_told(noise)}
    made = fitted(
        training, test, own, seed, context,
        model=str(key.get("model", own.model)), augment=str(key.get("augment", own.augment)),
    )  # fmt: skip
    scores = evaluate(lambda images: predict(made.model, images, context.runtime), test)
    return {
        "test_accuracy_final": made.history.test_accuracy_final,
        "test_accuracy_peak": made.history.test_accuracy_peak,
        "curve_test": [round(value, 4) for value in made.history.test_accuracy],
        "class_accuracy": [round(value, 4) for value in scores.class_accuracy.tolist()],
        "seconds_train": round(made.seconds, 2),
        "training_pictures": len(training),
        "test_pictures": len(test),
        **told,
    }


def checked_settings(settings: dict[str, Any]) -> ClassifySettings:
    """A recipe's settings with the defaults in place."""
    made = checked(ClassifySettings, settings, "settings")
    assert isinstance(made, ClassifySettings)
    return made


def inputs_of(key: Key, settings: dict[str, Any], context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return data_of(checked_settings(settings), context)


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
