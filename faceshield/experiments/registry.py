"""Which experiment runs the cells of which recipe, and whether the recipe's settings are the experiment's."""

from __future__ import annotations

from collections.abc import Callable

from faceshield.core.errors import UsageError
from faceshield.experiments.recipe import Recipe
from faceshield.experiments.run import Experiment
from faceshield.experiments.settings import checked, nearest


def experiment_of(recipe: Recipe) -> Experiment:
    """The experiment named in a recipe, its settings checked at every scale.

    Raises UsageError for an unknown experiment, or settings that it does not have, lacks, or has of another kind.
    """
    if recipe.experiment not in KNOWN:
        raise UsageError(
            f"experiment {recipe.experiment!r} is unknown; use {', '.join(KNOWN)}{nearest(recipe.experiment, KNOWN)}"
        )
    experiment = KNOWN[recipe.experiment]()
    for scale, own in recipe.scales.items():
        checked(experiment.settings, recipe.at(scale), f"recipe {recipe.id} at {scale}", own)
    return experiment


def _ablation() -> Experiment:
    from faceshield.experiments.ablation import ablation
    from faceshield.experiments.battery import data_of
    from faceshield.experiments.crops import CropsSettings

    return Experiment(ablation, CropsSettings, fingerprint=data_of)


def _added_class() -> Experiment:
    from faceshield.experiments.probe import probe_transfer
    from faceshield.experiments.transfer import TransferSettings, added_class, inputs_of

    return Experiment(added_class, TransferSettings, probe=probe_transfer, fingerprint=inputs_of)


def _backdoor() -> Experiment:
    from faceshield.experiments.backdoor import backdoor
    from faceshield.experiments.classify import ClassifySettings, inputs_of
    from faceshield.experiments.probe import probe

    return Experiment(backdoor, ClassifySettings, probe=probe, fingerprint=inputs_of)


def _bank() -> Experiment:
    from faceshield.experiments.bank import BankSettings, bank

    return Experiment(bank, BankSettings)


def _battery() -> Experiment:
    from faceshield.experiments.battery import BatterySettings, battery, data_of

    return Experiment(battery, BatterySettings, fingerprint=data_of)


def _classify() -> Experiment:
    from faceshield.experiments.classify import ClassifySettings, classify, inputs_of
    from faceshield.experiments.probe import probe

    return Experiment(classify, ClassifySettings, probe=probe, fingerprint=inputs_of)


def _cost() -> Experiment:
    from faceshield.experiments.classify import ClassifySettings, inputs_of
    from faceshield.experiments.cost import cost
    from faceshield.experiments.probe import probe_cost

    return Experiment(cost, ClassifySettings, probe=probe_cost, fingerprint=inputs_of)


def _crops() -> Experiment:
    from faceshield.experiments.crops import CropsSettings, crops

    return Experiment(crops, CropsSettings)


def _detection() -> Experiment:
    from faceshield.experiments.detection import DetectionSettings, data_of, detection

    return Experiment(detection, DetectionSettings, fingerprint=data_of)


def _lfw() -> Experiment:
    from faceshield.experiments.lfw import LfwSettings, data_of, lfw_pretrained

    return Experiment(lfw_pretrained, LfwSettings, fingerprint=data_of)


def _linkable() -> Experiment:
    from faceshield.experiments.battery import data_of
    from faceshield.experiments.linkable import LinkableSettings, linkable

    return Experiment(linkable, LinkableSettings, fingerprint=data_of)


def _recogniser() -> Experiment:
    from faceshield.experiments.recognisers import RecogniserSettings, recogniser

    return Experiment(recogniser, RecogniserSettings)


def _recognition() -> Experiment:
    from faceshield.experiments.identities import data_of
    from faceshield.experiments.recognition import RecognitionSettings, recognition

    return Experiment(recognition, RecognitionSettings, fingerprint=data_of)


def _search() -> Experiment:
    from faceshield.experiments.search import SearchSettings, data_of, search_cell

    return Experiment(search_cell, SearchSettings, fingerprint=data_of)


def _selfie() -> Experiment:
    from faceshield.experiments.selfie import SelfieSettings, selfie

    return Experiment(selfie, SelfieSettings)


def _surrogate() -> Experiment:
    from faceshield.experiments.surrogates import SurrogateSettings, surrogate

    return Experiment(surrogate, SurrogateSettings)


def _verification() -> Experiment:
    from faceshield.experiments.identities import data_of
    from faceshield.experiments.verification import VerificationSettings, verification

    return Experiment(verification, VerificationSettings, fingerprint=data_of)


def _mapped_classes() -> Experiment:
    from faceshield.experiments.probe import probe_transfer
    from faceshield.experiments.transfer import TransferSettings, inputs_of, mapped_classes

    return Experiment(mapped_classes, TransferSettings, probe=probe_transfer, fingerprint=inputs_of)


# each is imported when a recipe names it: one experiment's libraries are no other's business
KNOWN: dict[str, Callable[[], Experiment]] = {
    "ablation": _ablation,
    "added-class": _added_class,
    "backdoor": _backdoor,
    "bank": _bank,
    "battery": _battery,
    "classify": _classify,
    "cost": _cost,
    "crops": _crops,
    "detection": _detection,
    "recogniser": _recogniser,
    "recognition": _recognition,
    "search": _search,
    "selfie": _selfie,
    "surrogate": _surrogate,
    "lfw-pretrained": _lfw,
    "linkable": _linkable,
    "mapped-classes": _mapped_classes,
    "verification": _verification,
}
