"""One process of a training under torchrun, of which one may be killed: see test_torchrun.

    torchrun --nproc-per-node 2 tests/training/torchrun_job.py CHECKPOINT RESULT [RANK BATCH]

Process RANK ends as by kill -9 while batch number BATCH is made. Each process writes the network it is left with to
RESULT.RANK, and from which epoch on it has trained.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from faceshield.core.store import write_tensors
from faceshield.data.sources import open_data
from faceshield.training.loop import build_seeded, train
from faceshield.training.runtime import Runtime

RANK = int(os.environ["RANK"])
EPOCHS, BATCH = 6, 50
_batches = 0


def augment(images, rng):
    """Flip some; the process that is to be killed is killed here."""
    global _batches
    _batches += 1
    if [str(RANK), str(_batches)] == sys.argv[3:]:
        os.kill(os.getpid(), signal.SIGKILL)
    flipped = torch.rand(len(images), generator=rng) < 0.5
    return torch.where(flipped[:, None, None, None], images.flip(-1), images)


def build():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )  # fmt: skip


def main():
    torch.set_num_threads(1)
    checkpoint, result = map(Path, sys.argv[1:3])
    epochs = []
    model = build_seeded(build, 0)
    history = train(
        model, open_data("digits", "train", 8, 30), Runtime.best("cpu", "float32"), epochs=EPOCHS, seed=1, batch=BATCH,
        augment=augment, checkpoint=checkpoint, on_epoch=lambda epoch, loss: epochs.append(epoch),
    )  # fmt: skip
    told = {"first": epochs[0], "losses": history.train_loss}
    write_tensors(result.with_suffix(f".{RANK}"), model.state_dict(), told)


if __name__ == "__main__":
    main()
