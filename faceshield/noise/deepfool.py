"""DeepFool (Moosavi-Dezfooli et al., CVPR 2016) for a batch: about the shortest step over a classifier's boundary."""

from __future__ import annotations

import torch
from torch import Tensor

from faceshield.noise.base import Forward


def deepfool(
    images: Tensor,
    labels: Tensor,
    forward: Forward,
    *,
    steps: int = 50,
    candidates: int = 10,
    overshoot: float = 0.02,
) -> Tensor:
    """Perturbations r (N, 3, H, W), about as small in L2 as possible, after which images + r are misclassified.

    images (N, 3, H, W) RGB in [0, 1]; labels (N,) int64. An image that is misclassified already gets r = 0.

    Each of at most ``steps`` steps takes the logits f as linear. It finds the nearest boundary to one of the
    ``candidates`` − 1 most likely other classes k and crosses it: r grows by |f_k − f_y| / ‖w‖² · w, where
    w = ∇f_k − ∇f_y. The next point is images + (1 + ``overshoot``) · r, clipped to [0, 1]. Images are independent; one
    that is misclassified takes no further step.
    """
    with torch.no_grad():
        logits = forward(images)
    others = logits.scatter(1, labels[:, None], -torch.inf).topk(min(candidates, logits.shape[1]) - 1).indices
    total = torch.zeros_like(images)
    tried = images.clone()
    active = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        x = tried[active].requires_grad_(True)
        logits = forward(x)
        still = logits.argmax(1) == labels[active]
        if not still.any():
            break
        gap = logits.gather(1, others[active]) - logits.gather(1, labels[active, None])  # (n, candidates − 1)
        normals = torch.stack([torch.autograd.grad(g.sum(), x, retain_graph=True)[0] for g in gap.unbind(1)], 1)
        length = normals.flatten(2).norm(dim=2).clamp_min(1e-8)
        distance, nearest = (gap.detach().abs() / length).min(1)
        row = torch.arange(len(active), device=images.device)
        # 1e-4, as in the paper's own code: the point must not lie on the boundary itself
        size = ((distance + 1e-4) / length[row, nearest]).view(-1, 1, 1, 1)
        move = size * normals[row, nearest]
        active, move = active[still], move[still]
        total[active] += move
        tried[active] = (images[active] + (1 + overshoot) * total[active]).clamp(0, 1)
    return tried - images
