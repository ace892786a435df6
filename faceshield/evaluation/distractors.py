"""Distractors: embeddings of people who are not searched for, which fill a search gallery and give masks a target.

Made by recipes/faces/distractors.py from Labeled Faces in the Wild; weights/strangers.md describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.core.rng import derive_seed
from faceshield.data.pairs import parse_person
from faceshield.models.weights import load

DISTRACTORS = "strangers"
SAME = 0.55
"""A photo whose median distance from a person's photos is below this is taken for one of that person.

Measured on the four people of the selfie recipes, 100 photos each. Nine of ten of a person's photos lie at 0.4 to 0.55
from the others. The nearest of 5,000 distractors lie at 0.57 to 0.62, except at 0.48 for two of the four, who are among
the distractors themselves.
"""
TARGETS = 500  # this many people are targets of masks, and no part of the gallery


@dataclass(frozen=True)
class Distractors:
    """Raw ResNet-29 outputs, each the mean of an aligned crop's and its mirror image's.

    Attributes:
        crowd: (n, D) float32, the gallery's photos.
        people: (n,) int64, the person of each, equal for one person.
        targets: (m, D) float32, one photo each of other people, so that no mask is measured against its own target.
        recogniser: Checksum of the weights that made them.
    """

    crowd: Tensor
    people: Tensor
    targets: Tensor
    recogniser: str

    def without(self, features: Tensor) -> Distractors:
        """These distractors without the person searched for, whose photos have ``features`` (K, D), none of them NaN.

        A public figure may be among the distractors, and finding them there is no false match. :data:`SAME` decides who
        is that person. It is stricter than the limit of a match: people who only look alike stay, since a search must
        count them as false matches.
        """
        same = self.people[_median_distance(self.crowd, features) < SAME]
        keep = ~torch.isin(self.people, same)
        return Distractors(
            self.crowd[keep],
            self.people[keep],
            self.targets[_median_distance(self.targets, features) >= SAME],
            self.recogniser,
        )


def _median_distance(features: Tensor, person: Tensor) -> Tensor:
    """(n,): the median distance of each of ``features`` (n, D) from ``person`` (K, D)."""
    return torch.cdist(features, person).median(1).values


def draw_order(ids: Sequence[str]) -> tuple[list[int], Tensor]:
    """The distractors' order, as indices into ``ids`` (NAME/NAME_0001.jpg), and their people (n,) int64 in it.

    Both are drawn by hash, so that no order tells who is who. People below :data:`TARGETS` are the targets; a number
    in :class:`Distractors` is one of the others' less :data:`TARGETS`.
    """
    order = sorted(range(len(ids)), key=lambda place: derive_seed("stranger", ids[place]))
    names = sorted({parse_person(id) for id in ids}, key=lambda name: derive_seed("person", name))
    number = {name: place for place, name in enumerate(names)}
    return order, torch.tensor([number[parse_person(ids[place])] for place in order])


def load_distractors() -> Distractors:
    """The distractors that come with the tool. Raises StoreError where their file is absent, damaged or other."""
    tensors, fields = load(DISTRACTORS)
    try:
        crowd, people, targets = (tensors[name] for name in ("crowd", "people", "targets"))
        recogniser = str(fields["recogniser"])
    except KeyError as error:
        raise StoreError(f"weights {DISTRACTORS}: have no {error}; install the matching file") from None
    if crowd.dim() != 2 or targets.shape[1:] != crowd.shape[1:] or len(people) != len(crowd):
        raise StoreError(f"weights {DISTRACTORS}: do not fit this version of faceshield; install the matching file")
    return Distractors(crowd.float(), people.long(), targets.float(), recogniser)
