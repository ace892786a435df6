"""§B: what noise costs, as a share of the time that one standard training takes, on the same device in one process."""

from __future__ import annotations

from typing import Any

from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Experiment
from faceshield.experiments.paper.classify import ClassifySettings
from faceshield.experiments.paper.network import Training, describe_data, fit_network, open_split
from faceshield.experiments.paper.noises import NoiseKey, load_or_make_noise

PAPER_EPOCHS = 60  # of the standard training that §B compares with


def cost(key: NoiseKey, seed: int, settings: ClassifySettings, context: Context) -> dict[str, Any]:
    """One cell. The clean training is timed first, then the noise; neither is reused.

    ``cost_share`` is noise ÷ this training, ``cost_share_60_epochs`` noise ÷ a training of 60 epochs at the same pace,
    the paper's number of them.
    """
    data, test = open_split(settings, "train", context).sort(), open_split(settings, "test", context)
    training = fit_network(Training(data, test, settings, seed), context).history.seconds
    provenance = load_or_make_noise(key, seed, data, test, settings, context, fresh=True).provenance
    seconds = provenance["seconds"]
    return {
        "cost_share": seconds / training,
        "cost_share_60_epochs": seconds / (training / settings.epochs * PAPER_EPOCHS),
        "seconds_noise": seconds,
        "seconds_train": round(training, 4),
        "rounds": len(provenance["errors"]),
        "error_final": provenance["errors"][-1],
        "steps_taken": provenance["steps_taken"],
    }


def _describe_inputs(key: NoiseKey, settings: ClassifySettings, context: Context) -> str:
    return describe_data(settings, context)


EXPERIMENT = Experiment(cost, ClassifySettings, NoiseKey, _describe_inputs)
