"""§B: what noise costs, as a share of the time that one standard training takes, on the same device in one process."""

from __future__ import annotations

from typing import Any

from faceshield.experiments.classify import checked_settings
from faceshield.experiments.fitted import Training, fitted, opened
from faceshield.experiments.noises import noise_of
from faceshield.experiments.recipe import Key
from faceshield.experiments.run import Context

PAPER_EPOCHS = 60  # of the standard training that §B compares with


def cost(key: Key, seed: int, settings: dict[str, Any], context: Context) -> dict[str, Any]:
    """One cell. ``key``: noise, form, setting. The clean training is timed first, then the noise; neither is reused.

    ``cost_share`` is noise ÷ this training, ``cost_share_60_epochs`` noise ÷ a training of 60 epochs at the same pace,
    the paper's number of them.
    """
    own = checked_settings(settings)
    data, test = opened(own, "train", context).sorted(), opened(own, "test", context)
    training = fitted(Training(data, test, own, seed), context).history.seconds
    told = noise_of(key, seed, data, test, own, context, fresh=True).provenance
    seconds = told["seconds"]
    return {
        "cost_share": seconds / training,
        "cost_share_60_epochs": seconds / (training / own.epochs * PAPER_EPOCHS),
        "seconds_noise": seconds,
        "seconds_train": round(training, 4),
        "rounds": len(told["errors"]),
        "error_final": told["errors"][-1],
        "steps_taken": told["steps_taken"],
    }
