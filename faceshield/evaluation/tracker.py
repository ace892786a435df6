"""A tracker that learns: each photo that it recognises joins its gallery, and is matched with from then on.

Static masks are measured against one search; such a tracker (DynTracker, arXiv 2501.06533) goes from photo to photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

from faceshield.evaluation.search import EXACT


def count_reached(start: Tensor, photos: Tensor, limit: float) -> Tensor:
    """(s,) int64: how many of ``photos`` a tracker reaches that knows one photo at first, for each of ``start``.

    start (s, D) and photos (n, D) are features, and two photos match where they are nearer than ``limit``. A tracker
    that starts with one of ``photos`` reaches that one too: the pair of equal rows counts.
    """
    links = (torch.cdist(photos, photos, compute_mode=EXACT) < limit).double()
    reached = torch.cdist(start, photos, compute_mode=EXACT) < limit
    while True:
        wider = reached | (reached.double() @ links > 0)
        if torch.equal(wider, reached):
            return reached.sum(1)
        reached = wider
