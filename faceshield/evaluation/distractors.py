"""Distractors: embeddings of people who are not searched for, which fill a search gallery and give masks a target.

One file for each pretrained recogniser, all of the same photos in the same order. Made by recipes/faces/distractors.py
from Labeled Faces in the Wild; weights/distractors.md describes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.core.rng import derive_seed
from faceshield.data.pairs import parse_person
from faceshield.models.pretrained import PRETRAINED, RESNET29, name_recogniser_weights, pretrained
from faceshield.models.weights import load

SAME = 0.55
"""A photo whose median ResNet-29 distance from a person's photos is below this is taken for one of that person.

Measured on the four people of the selfie recipes, 100 photos each. Nine of ten of a person's photos lie at 0.4 to 0.55
from the others. The nearest of 5,000 distractors lie at 0.57 to 0.62, except at 0.48 for two of the four, who are among
the distractors themselves.
"""
CROWD = 4000  # photos in the gallery
TARGETS = 500  # this many people are targets of masks, and no part of the gallery


def name_distractors(recogniser: str) -> str:
    """The name among the weights of the distractors' embeddings by ``recogniser``, a name of ``models.pretrained``."""
    return f"distractors_{recogniser}"


def name_mask_weights() -> tuple[str, ...]:
    """The weights that decide what a mask becomes and who finds it: the recognisers', and their distractors."""
    return (*name_recogniser_weights(), *map(name_distractors, PRETRAINED))


@dataclass(frozen=True)
class Distractors:
    """A recogniser's embeddings, each the mean of an aligned crop's and its mirror image's.

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

    def find_same(self, features: Tensor) -> Tensor:
        """The numbers of the people who may be the person whose photos have ``features`` (K, D), none of them NaN.

        Of ResNet-29's distractors and features: :data:`SAME` is a distance of its.
        """
        same = _median_distance(self.crowd, features) < SAME
        people: Tensor = self.people[same].unique()
        return people

    def exclude(self, people: Tensor) -> Distractors:
        """These distractors without the photos of ``people``, numbers as in :attr:`people`.

        A public figure who is searched for may be among the distractors, and finding them there is no false match.
        :meth:`find_same` tells who, by a limit that is stricter than that of a match: people who only look alike stay,
        since a search must count them as false matches.
        """
        keep = ~torch.isin(self.people, people)
        return replace(self, crowd=self.crowd[keep], people=self.people[keep])


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


def load_distractors(recogniser: str = RESNET29) -> Distractors:
    """The distractors that come with the tool, as ``recogniser`` sees them.

    Raises UsageError for an unknown recogniser, StoreError where their file is absent, damaged or was made with other
    weights than the recogniser's.
    """
    entry, name = pretrained(recogniser), name_distractors(recogniser)
    tensors, fields = load(name)
    try:
        crowd, people, targets = (tensors[part] for part in ("crowd", "people", "targets"))
        made_by = str(fields["recogniser"])
    except KeyError as error:
        raise StoreError(f"weights {name}: have no {error}; install the matching file") from None
    if crowd.dim() != 2 or targets.shape[1:] != crowd.shape[1:] or len(people) != len(crowd):
        raise StoreError(f"weights {name}: do not fit this version of faceshield; install the matching file")
    if made_by != entry.sha256:
        raise StoreError(f"weights {name}: were made with other weights of {recogniser}; install the files that match")
    return Distractors(crowd.float(), people.long(), targets.float(), made_by)
