"""Face verification by features of a classifier that was trained on unlearnable faces (paper §4.5, Fig. 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from faceshield.data.canvas import crop_canvas
from faceshield.data.examples import HELD_OUT, Examples
from faceshield.data.pairs import PairSet, read_pairs, sample_pairs
from faceshield.data.unlearnable import unlearnable
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.evaluation.roc import Scores, roc
from faceshield.evaluation.verification import score_pairs, verify_pairs
from faceshield.experiments.engine.context import MADE_HERE, Context
from faceshield.experiments.engine.experiment import Experiment, Source, describe_sources
from faceshield.experiments.faces.identities import (
    HandedKey,
    IdentitySettings,
    assign_noise,
    list_training_options,
    read_people,
    synthesize_faces,
)
from faceshield.experiments.faces.lfw import align_photos
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.recognition import build_network
from faceshield.models.resnet import ResNet
from faceshield.noise.base import Forward
from faceshield.noise.surrogate import BANK
from faceshield.training.attack import AUGMENTS
from faceshield.training.loop import build_seeded, train

METRICS = ("auc", "eer", "accuracy_mean", "tar_at_far_1e-1", "tar_at_far_1e-2", "tar_at_far_1e-3")


class VerificationSettings(IdentitySettings):
    """``lfw`` holds ``pairs.txt`` and ``images/``: setting full is tested there.

    Setting partial is tested on ``pairs`` of each kind of clean held-out photos of each group, in ``folds``.
    """

    lfw: Source
    pairs: int
    folds: int = 2
    replicates: int = 1000


@dataclass(frozen=True)
class Probe:
    """Clean photos of people and pairs of them: images (n, 3, S, S) uint8 · found (n,) bool: where there is a face.

    ``name`` opens its metrics' names; "" where there is one group only.
    """

    name: str
    images: Tensor
    ids: tuple[str, ...]
    found: np.ndarray[Any, np.dtype[np.bool_]]
    pairs: PairSet

    def scores(self, forward: Forward, device: torch.device) -> Scores:
        """(P,) cosines of the pairs' unit features, each photo averaged with its mirror image."""
        features = combine(embed_pairs(self.images.to(device), forward, batch=128))
        return score_pairs(features, self.found, self.ids, self.pairs, "cosine")


class VerificationKey(HandedKey):
    """``setting`` partial: the last ``protect`` people carry noise; pairs of clean held-out photos, of protected and of
    other people apart. full: everybody carries noise; LFW's pairs.
    """

    setting: Literal["partial", "full"]


def verification(key: VerificationKey, seed: int, settings: VerificationSettings, context: Context) -> dict[str, Any]:
    """One cell.

    Metrics are auc, eer, accuracy_mean and tar_at_far_…, for setting partial after protected_ and others_. A network
    says something of faces before it is trained, and so do raw pixels: auc_untrained (the same network, the same
    pairs) and auc_pixels are the floor, and auc_above_untrained is what training has added.
    """
    people = read_people(settings, context)
    held = people.hold_out(HELD_OUT, seed=0)
    full = key.setting == "full"
    training, names = (people, people.classes) if full else (people.select(~held), people.classes[-settings.protect :])
    probes = [_read_lfw(settings, context)] if full else _sample_probes(people.select(held), names, settings)
    if key.noise != "none":
        noise = assign_noise(key, seed, training, names, settings, context)
        labels = torch.tensor([people.classes.index(name) for name in names])
        training = unlearnable(training, noise, torch.isin(training.labels, labels))
    network = build_seeded(lambda: build_network(key.model, len(people.classes), settings.width, settings.head), seed)
    context.runtime.place(network.eval())
    forward, device = _build_forward(network, context), context.runtime.device
    floors = [(probe.scores(forward, device), probe.scores(_flatten_pixels, device)) for probe in probes]
    train(
        network, training, context.runtime, epochs=settings.epochs, seed=seed, lr=settings.lr,
        augment=AUGMENTS[settings.augment], on_epoch=context.epochs(settings.epochs),
        **list_training_options(key.model, settings),
    )  # fmt: skip
    metrics: dict[str, Any] = {"training_photos": len(training)}
    for probe, (untrained, pixels) in zip(probes, floors, strict=True):
        measured = verify_pairs(
            probe.scores(forward, device), probe.pairs, replicates=settings.replicates, seed=seed
        ).metrics()
        chosen = {
            name: measured[name] for word in METRICS for name in (word, f"{word}_ci") if measured.get(name) is not None
        }
        chosen["auc_untrained"] = roc(untrained, probe.pairs.same).auc
        chosen["auc_pixels"] = roc(pixels, probe.pairs.same).auc
        chosen["auc_above_untrained"] = chosen["auc"] - chosen["auc_untrained"]
        chosen |= {"pairs": len(probe.pairs), "photos_without_a_face": int((~probe.found).sum())}
        metrics |= {f"{probe.name}{name}": value for name, value in chosen.items()}
    return metrics


def _build_forward(network: ResNet | InceptionResnetV1, context: Context) -> Forward:
    def forward(batch: Tensor) -> Tensor:
        with context.runtime.autocast():
            return network.features(batch.contiguous(memory_format=context.runtime.memory_format)).float()

    return forward


def _flatten_pixels(batch: Tensor) -> Tensor:
    """Pixels about their mean as features: what takes no network at all."""
    return (batch - batch.mean((1, 2, 3), keepdim=True)).flatten(1)


def _sample_probes(clean: Examples, protected: Sequence[str], settings: VerificationSettings) -> list[Probe]:
    """The protected people's pairs, and everybody else's."""
    chosen = torch.tensor([name in protected for name in clean.classes])[clean.labels]
    return [
        _sample_probe(name, clean.select(mask), settings)
        for name, mask in (("protected_", chosen), ("others_", ~chosen))
    ]


def _sample_probe(name: str, data: Examples, settings: VerificationSettings) -> Probe:
    who = [data.classes[label] for label in data.labels.tolist()]
    pairs = sample_pairs(data.ids, who, same=settings.pairs, different=settings.pairs, folds=settings.folds)
    return Probe(name, data.images, data.ids, np.ones(len(data), np.bool_), pairs)


def _read_lfw(settings: VerificationSettings, context: Context) -> Probe:
    """LFW's official pairs, aligned like the people the network is trained on; the crops are kept."""
    if settings.lfw in MADE_HERE:
        return _sample_probe("", synthesize_faces(settings, settings.classes, seed=2), settings)
    source = context.source(settings.lfw)
    pairs = read_pairs(source / "pairs.txt")
    pairs.require(source / "images")
    crops = align_photos(settings.lfw, context)
    row = {id: number for number, id in enumerate(crops.ids)}
    ids = pairs.ids()
    found = np.array([id in row for id in ids], np.bool_)
    side = settings.size
    images = torch.zeros(len(ids), 3, side, side, dtype=torch.uint8)
    images[torch.from_numpy(found)] = crop_canvas(crops.images[[row[id] for id in ids if id in row]], side)
    return Probe("", images, ids, found, pairs)


EXPERIMENT = Experiment(verification, VerificationSettings, VerificationKey, describe_sources, weights=(BANK,))
