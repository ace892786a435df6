"""Anonymous strangers as embeddings: the crowd that a search looks through, and places among faces to be sent to.

Made by recipes/faces/strangers.py from Labeled Faces in the Wild; see weights/strangers.md for what they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.models.weights import load

STRANGERS = "strangers"


@dataclass(frozen=True)
class Strangers:
    """crowd (n, D) float32 raw ResNet-29 outputs, mean of each chip and its mirror image · people (n,) int64, equal for
    one person · targets (m, D): other people, one photo each, so that no mask is measured against its own target.

    ``recogniser`` is the checksum of the weights that made them.
    """

    crowd: Tensor
    people: Tensor
    targets: Tensor
    recogniser: str

    def without(self, own: Tensor, limit: float) -> Strangers:
        """These strangers less the people with a photo closer than ``limit`` to ``own`` (D,), the person searched for.

        A person who is known to the public may stand in the crowd, and finding them there is no false match.
        """
        same = self.people[(self.crowd - own).norm(dim=1) < limit]
        keep = ~torch.isin(self.people, same)
        far = (self.targets - own).norm(dim=1) >= limit
        return Strangers(self.crowd[keep], self.people[keep], self.targets[far], self.recogniser)


def load_strangers() -> Strangers:
    """The strangers that come with the tool. Raises StoreError where their file is absent, damaged or another kind."""
    tensors, fields = load(STRANGERS)
    try:
        crowd, people, targets = (tensors[name] for name in ("crowd", "people", "targets"))
        recogniser = str(fields["recogniser"])
    except KeyError as error:
        raise StoreError(f"weights {STRANGERS}: have no {error}; install the matching file") from None
    if crowd.dim() != 2 or targets.shape[1:] != crowd.shape[1:] or len(people) != len(crowd):
        raise StoreError(f"weights {STRANGERS}: do not fit this version of faceshield; install the matching file")
    return Strangers(crowd.float(), people.long(), targets.float(), recogniser)
