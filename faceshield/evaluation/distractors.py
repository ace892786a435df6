"""Anonymous strangers as embeddings: the crowd that a search looks through, and places among faces to be sent to.

Made by recipes/faces/strangers.py from Labeled Faces in the Wild; see weights/strangers.md for what they are.
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
"""The median distance from a person's photos below which a photo is taken for one of theirs: a person's own lie at 0.4
to 0.55 (nine of ten), of 5,000 strangers the nearest at 0.57 to 0.62, but for two whom the crowd held (0.48); recipes'
four selfie people, 100 photos each."""
TARGETS = 500  # the first people are no part of the crowd: masks send faces to them


@dataclass(frozen=True)
class Distractors:
    """crowd (n, D) float32 raw ResNet-29 outputs, mean of each chip and its mirror image · people (n,) int64, equal for
    one person · targets (m, D): other people, one photo each, so that no mask is measured against its own target.

    ``recogniser`` is the checksum of the weights that made them.
    """

    crowd: Tensor
    people: Tensor
    targets: Tensor
    recogniser: str

    def without(self, own: Tensor) -> Distractors:
        """These strangers less the people who are the person searched for, of photos ``own`` (K, D) without NaN.

        A person who is known to the public may stand in the crowd, and finding them there is no false match. They are
        known by :data:`SAME`, not by the limit of a match: who only looks like the person stays, or false matches would
        be counted where there are no likely ones left.
        """
        same = self.people[_median(self.crowd, own) < SAME]
        keep = ~torch.isin(self.people, same)
        return Distractors(
            self.crowd[keep], self.people[keep], self.targets[_median(self.targets, own) >= SAME], self.recogniser
        )


def _median(features: Tensor, own: Tensor) -> Tensor:
    """(n,): the median distance of each of ``features`` (n, D) from ``own`` (K, D)."""
    return torch.cdist(features, own).median(1).values


def draw_order(ids: Sequence[str]) -> tuple[list[int], Tensor]:
    """The order in which the strangers stand, as places in ``ids`` (NAME/NAME_0001.jpg), and people (n,) int64 in it.

    Both are drawn by hash: neither the names' order nor the files' tells who is who. People below :data:`TARGETS` are
    the targets; the others' number less that is the one in :class:`Distractors`.
    """
    order = sorted(range(len(ids)), key=lambda place: derive_seed("stranger", ids[place]))
    names = sorted({parse_person(id) for id in ids}, key=lambda name: derive_seed("person", name))
    number = {name: place for place, name in enumerate(names)}
    return order, torch.tensor([number[parse_person(ids[place])] for place in order])


def load_distractors() -> Distractors:
    """The strangers that come with the tool. Raises StoreError where their file is absent, damaged or another kind."""
    tensors, fields = load(DISTRACTORS)
    try:
        crowd, people, targets = (tensors[name] for name in ("crowd", "people", "targets"))
        recogniser = str(fields["recogniser"])
    except KeyError as error:
        raise StoreError(f"weights {DISTRACTORS}: have no {error}; install the matching file") from None
    if crowd.dim() != 2 or targets.shape[1:] != crowd.shape[1:] or len(people) != len(crowd):
        raise StoreError(f"weights {DISTRACTORS}: do not fit this version of faceshield; install the matching file")
    return Distractors(crowd.float(), people.long(), targets.float(), recogniser)
