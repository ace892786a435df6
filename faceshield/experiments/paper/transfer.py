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
from faceshield.experiments.engine.context import Context, Experiment
from faceshield.experiments.engine.settings import CellKey, Source
from faceshield.experiments.paper.classify import ClassifySettings, CollectorKey, fit, outcome
from faceshield.experiments.paper.fitted import data_of, open_split
from faceshield.experiments.paper.noises import NoiseKey, noise_of
from faceshield.experiments.paper.protected import ExposedKey, exposure


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


class AddedKey(NoiseKey, CollectorKey):
    """Form sample."""


class MappedKey(NoiseKey, ExposedKey, CollectorKey):
    """Form class; ``protected`` are classes of the data."""


def added_class(key: AddedKey, seed: int, own: TransferSettings, context: Context) -> dict[str, Any]:
    """Fig. 3a. One class of the source joins the data.

    ``curve_added`` and ``curve_compared`` are its test accuracy, and the compared class's, after each epoch;
    ``protected_accuracy`` is the added class's at the end, ``others_accuracy`` the mean of all others.
    Raises UsageError where a class is not there, or the data has the added one already.
    """
    if own.added is None or own.compared is None:
        raise UsageError("this experiment needs the settings added and compared, a class of the source and of the data")
    source, source_test = _both(own, own.source, own.source_only, context)
    data, test = _both(own, own.data, own.only, context)
    joining, told = source.select_classes([own.added]), {}
    if key.noise != "none":
        noise = noise_of(key, seed, source, source_test, own, context)
        joining, told = unlearnable(joining, noise), {"seconds_noise": noise.provenance["seconds"]}
    training = concatenate([data, joining]).sorted()
    joined = concatenate([test, source_test.select_classes([own.added])])
    if own.compared not in data.classes:
        raise UsageError(
            f"class {own.compared!r} is not in the data; compare with one of {', '.join(data.classes[:9])}"
        )
    made = fit(training, joined, own, key, seed, context)
    curves = dict(zip(joined.classes, made.history.class_curves, strict=True))
    added, compared = curves[own.added], curves[own.compared]
    others = [curve[-1] for name, curve in curves.items() if name != own.added]
    return {
        **outcome(made, training, joined, context),
        "protected_accuracy": added[-1],
        "others_accuracy": sum(others) / len(others),
        "curve_added": [round(value, 4) for value in added],
        "curve_compared": [round(value, 4) for value in compared],
        **told,
    }


def mapped_classes(key: MappedKey, seed: int, own: TransferSettings, context: Context) -> dict[str, Any]:
    """Fig. 3b-c. Each class of the data gets the noise of the source's class that ``mapping`` names.

    Raises UsageError for a class of the data without one, StoreError for one that the source has not.
    """
    data, test = _both(own, own.data, own.only, context)
    training, told = data, {}
    if key.noise != "none":
        absent = next((name for name in data.classes if name not in own.mapping), None)
        if absent is not None:
            raise UsageError(f"mapping has no class of the source for {absent!r}; add one")
        noise = noise_of(key, seed, *_both(own, own.source, own.source_only, context), own, context)
        training = unlearnable(data, renamed(noise, own.mapping), exposure(key, seed).mask(data))
        told = {"seconds_noise": noise.provenance["seconds"]}
    made = fit(training, test, own, key, seed, context)
    return {**outcome(made, training, test, context, key.names()), **told}


def renamed(noise: Noise, mapping: dict[str, str]) -> Noise:
    """Class-wise noise for the keys of ``mapping``, each with the δ of the class that it names."""
    return replace(noise, delta=noise.for_batch(list(mapping.values())), keys=tuple(mapping))


def inputs_of(key: CellKey, own: TransferSettings, context: Context) -> str:
    """What a cell reads, as a text that changes with it."""
    return " ".join(data_of(own.model_copy(update={"data": name}), context) for name in (own.data, own.source))


def _both(own: TransferSettings, name: str, only: list[str] | None, context: Context) -> tuple[Examples, Examples]:
    """The train and the test part of some classes of the data set ``name``."""

    def one(split: Split) -> Examples:
        examples = open_split(own.model_copy(update={"data": name}), split, context).sorted()
        return examples if only is None else examples.select_classes(only)

    return one("train"), one("test")


ADDED_CLASS = Experiment(added_class, TransferSettings, AddedKey, inputs_of)
MAPPED_CLASSES = Experiment(mapped_classes, TransferSettings, MappedKey, inputs_of)
