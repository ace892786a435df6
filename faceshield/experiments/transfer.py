"""Fig. 3 (§4.4): noise that is made on one data set and protects pictures in another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from faceshield.core.errors import UsageError
from faceshield.core.types import Noise
from faceshield.data.examples import Examples, concatenate
from faceshield.data.sources import Split
from faceshield.data.unlearnable import unlearnable
from faceshield.experiments.classify import ClassifySettings, fit, outcome
from faceshield.experiments.fitted import data_of, opened
from faceshield.experiments.noises import noise_of
from faceshield.experiments.protected import exposure
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context
from faceshield.experiments.settings import Source, checked


class TransferSettings(ClassifySettings):
    """``source`` is what the noise is made on, ``data`` what the network is trained on, each of ``only`` some classes.

    added-class: ``added`` is the class of the source that joins the data, ``compared`` one of the data's own.
    mapped-classes: ``mapping`` names the source's class whose noise each class of the data gets.
    """

    source: Source
    source_only: list[str] | None = None
    only: list[str] | None = None
    added: str | None = None
    compared: str | None = None
    mapping: dict[str, str] = Field(default={})


def added_class(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fig. 3a. ``key``: noise (none or another), form (sample), setting. One class of the source joins the data.

    ``curve_added`` and ``curve_compared`` are its test accuracy, and the compared class's, after each epoch;
    ``protected_accuracy`` is the added class's at the end, ``others_accuracy`` the mean of all others.
    Raises UsageError where a class is not there, or the data has the added one already.
    """
    own = checked_transfer(settings)
    if own.added is None or own.compared is None:
        raise UsageError("this experiment needs the settings added and compared, a class of the source and of the data")
    source, source_test = _both(own, own.source, own.source_only, context)
    data, test = _both(own, own.data, own.only, context)
    joining, told = source.of_classes([own.added]), {}
    if key["noise"] != "none":
        noise = noise_of(key, seed, source, source_test, own, context)
        joining, told = unlearnable(joining, noise), {"seconds_noise": noise.provenance["seconds"]}
    training = concatenate([data, joining]).sorted()
    joined = concatenate([test, source_test.of_classes([own.added])])
    if own.compared not in data.classes:
        raise UsageError(
            f"class {own.compared!r} is not in the data; compare with one of {', '.join(data.classes[:9])}"
        )
    made = fit(training, joined, own, key, seed, context)
    curves = dict(zip(joined.classes, made.history.class_curves, strict=True))
    added, compared = curves[own.added], curves[own.compared]
    others = [curve[-1] for name, curve in curves.items() if name != own.added]
    return {
        **outcome(made, training, joined, key, context),
        "protected_accuracy": added[-1],
        "others_accuracy": sum(others) / len(others),
        "curve_added": [round(value, 4) for value in added],
        "curve_compared": [round(value, 4) for value in compared],
        **told,
    }


def mapped_classes(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """Fig. 3b-c. ``key``: noise, form (class), setting, model, protected (class names of the data; all without it).

    Each class of the data gets the noise of the source's class that ``mapping`` names. Raises UsageError for a class
    of the data without one, StoreError for one that the source has not.
    """
    own = checked_transfer(settings)
    data, test = _both(own, own.data, own.only, context)
    training, told = data, {}
    if key["noise"] != "none":
        absent = next((name for name in data.classes if name not in own.mapping), None)
        if absent is not None:
            raise UsageError(f"mapping has no class of the source for {absent!r}; add one")
        noise = noise_of(key, seed, *_both(own, own.source, own.source_only, context), own, context)
        training = unlearnable(data, renamed(noise, own.mapping), exposure(key, seed).mask(data))
        told = {"seconds_noise": noise.provenance["seconds"]}
    made = fit(training, test, own, key, seed, context)
    return {**outcome(made, training, test, key, context), **told}


def renamed(noise: Noise, mapping: dict[str, str]) -> Noise:
    """Class-wise noise for the keys of ``mapping``, each with the δ of the class that it names."""
    return replace(noise, delta=noise.for_batch(list(mapping.values())), keys=tuple(mapping))


def inputs_of(key: Key, settings: dict[str, Any], context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    own = checked_transfer(settings)
    return " ".join(data_of(own.model_copy(update={"data": name}), context) for name in (own.data, own.source))


def _both(own: TransferSettings, name: str, only: list[str] | None, context: Context) -> tuple[Examples, Examples]:
    """The train and the test part of some classes of the data set ``name``."""

    def one(split: Split) -> Examples:
        examples = opened(own.model_copy(update={"data": name}), split, context).sorted()
        return examples if only is None else examples.of_classes(only)

    return one("train"), one("test")


def checked_transfer(settings: dict[str, Any]) -> TransferSettings:
    """The settings as an experiment of this file has them. Raises UsageError for unknown, missing and wrong ones."""
    made = checked(TransferSettings, settings, "settings")
    assert isinstance(made, TransferSettings)
    return made
