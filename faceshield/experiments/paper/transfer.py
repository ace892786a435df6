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
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey, Experiment, Source
from faceshield.experiments.paper.classify import ClassifySettings, CollectorKey, ExposedKey, fit, measure_outcome
from faceshield.experiments.paper.network import describe_data, open_split
from faceshield.experiments.paper.noises import NoiseKey, load_or_make_noise


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


def added_class(key: AddedKey, seed: int, settings: TransferSettings, context: Context) -> dict[str, Any]:
    """Fig. 3a. One class of the source joins the data.

    ``curve_added`` and ``curve_compared`` are its test accuracy, and the compared class's, after each epoch;
    ``protected_accuracy`` is the added class's at the end, ``others_accuracy`` the mean of all others.
    Raises UsageError where a class is not there, or the data has the added one already.
    """
    if settings.added is None or settings.compared is None:
        raise UsageError("this experiment needs the settings added and compared, a class of the source and of the data")
    source, source_test = _open_both(settings, settings.source, settings.source_only, context)
    data, test = _open_both(settings, settings.data, settings.only, context)
    joining, extra = source.select_classes([settings.added]), {}
    if key.noise != "none":
        noise = load_or_make_noise(key, seed, source, source_test, settings, context)
        joining, extra = unlearnable(joining, noise), {"seconds_noise": noise.provenance["seconds"]}
    training = concatenate([data, joining]).sort()
    joined = concatenate([test, source_test.select_classes([settings.added])])
    if settings.compared not in data.classes:
        raise UsageError(
            f"class {settings.compared!r} is not in the data; compare with one of {', '.join(data.classes[:9])}"
        )
    result = fit(training, joined, settings, key, seed, context)
    curves = dict(zip(joined.classes, result.history.class_curves, strict=True))
    added, compared = curves[settings.added], curves[settings.compared]
    others = [curve[-1] for name, curve in curves.items() if name != settings.added]
    return {
        **measure_outcome(result, training, joined, context),
        "protected_accuracy": added[-1],
        "others_accuracy": sum(others) / len(others),
        "curve_added": [round(value, 4) for value in added],
        "curve_compared": [round(value, 4) for value in compared],
        **extra,
    }


def mapped_classes(key: MappedKey, seed: int, settings: TransferSettings, context: Context) -> dict[str, Any]:
    """Fig. 3b-c. Each class of the data gets the noise of the source's class that ``mapping`` names.

    Raises UsageError for a class of the data without one, StoreError for one that the source has not.
    """
    data, test = _open_both(settings, settings.data, settings.only, context)
    training, extra = data, {}
    if key.noise != "none":
        absent = next((name for name in data.classes if name not in settings.mapping), None)
        if absent is not None:
            raise UsageError(f"mapping has no class of the source for {absent!r}; add one")
        noise = load_or_make_noise(
            key, seed, *_open_both(settings, settings.source, settings.source_only, context), settings, context
        )
        training = unlearnable(data, rename_keys(noise, settings.mapping), key.mask(data, seed))
        extra = {"seconds_noise": noise.provenance["seconds"]}
    result = fit(training, test, settings, key, seed, context)
    return {**measure_outcome(result, training, test, context, key.names()), **extra}


def rename_keys(noise: Noise, mapping: dict[str, str]) -> Noise:
    """Class-wise noise for the keys of ``mapping``, each with the δ of the class that it names."""
    return replace(noise, delta=noise.for_batch(list(mapping.values())), keys=tuple(mapping))


def describe_inputs(key: CellKey, settings: TransferSettings, context: Context) -> str:
    """A text that changes with the data that a cell reads."""
    return " ".join(
        describe_data(settings.model_copy(update={"data": name}), context) for name in (settings.data, settings.source)
    )


def _open_both(
    settings: TransferSettings, name: str, only: list[str] | None, context: Context
) -> tuple[Examples, Examples]:
    """The train and the test part of some classes of the data set ``name``."""

    def open_one(split: Split) -> Examples:
        examples = open_split(settings.model_copy(update={"data": name}), split, context).sort()
        return examples if only is None else examples.select_classes(only)

    return open_one("train"), open_one("test")


ADDED_CLASS = Experiment(added_class, TransferSettings, AddedKey, describe_inputs)
MAPPED_CLASSES = Experiment(mapped_classes, TransferSettings, MappedKey, describe_inputs)
