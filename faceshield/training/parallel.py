"""One step of SGD by several processes, each on its share of the batch, that is the step of one on the whole batch.

For that batch normalisation needs the whole batch's statistics. torch's own SyncBatchNorm runs on CUDA only; the one
here is written in sums over the processes, and so runs on every backend.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from faceshield.core.errors import UsageError
from faceshield.core.ranks import Ranks


class WholeBatchNorm(_BatchNorm):
    """``like``, of any dimension, with its own parameters and buffers; in train mode over all processes' rows."""

    def __init__(self, like: _BatchNorm, ranks: Ranks) -> None:
        super().__init__(like.num_features, like.eps, like.momentum, like.affine, like.track_running_stats)
        self.weight, self.bias = like.weight, like.bias
        for name, buffer in like.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.train(like.training)
        self.ranks = ranks

    def _check_input_dim(self, input: Tensor) -> None:
        """Any dimension: ``like`` was made for the right one."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, …) → (N, C, …). N may be 0 here, as long as some process has rows."""
        if not self.training:
            return super().forward(input)
        x, dims = input.float(), [0, *range(2, input.dim())]
        each = (-1, *[1] * (input.dim() - 2))
        rows = x.new_tensor([x.numel() // x.shape[1]])
        sums = self.ranks.sum(torch.cat([x.sum(dims), rows]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        centred = x - mean.view(each)  # before it is squared: float32 loses a small variance beside a large mean
        variance = self.ranks.sum(centred.square().sum(dims)) / count
        with torch.no_grad():
            batches, means, variances = self.num_batches_tracked, self.running_mean, self.running_var
            if self.momentum is None or batches is None or means is None or variances is None:
                raise UsageError(f"{self} keeps no moving averages; build the network with torch's default batch norms")
            batches.add_(1)
            means.lerp_(mean, self.momentum)
            variances.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return torch.addcmul(self.bias.view(each), centred, scale.view(each)).to(input.dtype)


def share_batches(model: nn.Module, ranks: Ranks) -> None:
    """Replace ``model``'s batch norms, in place, by :class:`WholeBatchNorm`; names, parameters and buffers stay."""
    for name, child in model.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, WholeBatchNorm):
            setattr(model, name, WholeBatchNorm(child, ranks))
        else:
            share_batches(child, ranks)


def descend(loss: Tensor, model: nn.Module, optimizer: Optimizer, ranks: Ranks, clip: float | None) -> None:
    """One step of ``optimizer`` down the sum of all processes' ``loss``.

    Where each one's loss is its rows' sum over the whole batch's size, that is the whole batch's mean, whatever the
    sizes of the shares. ``clip`` bounds the gradient's Euclidean length over all parameters; None leaves it.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if ranks.size > 1:
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        total = ranks.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, part in zip(gradients, total.split([one.numel() for one in gradients]), strict=True):
            gradient.copy_(part.view(gradient.shape))
    if clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
