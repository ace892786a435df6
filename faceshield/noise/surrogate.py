"""The shipped surrogate f′ and the bank of ready-made identity noises, both made by recipes/faces/bank.yaml."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from faceshield.core.errors import StoreError
from faceshield.models.resnet import ResNet, resnet18
from faceshield.models.weights import load

SURROGATE = "surrogate_rn18"
BANK = "identity_bank"


@dataclass(frozen=True)
class Bank:
    """Class-wise noises for people nobody knows yet: delta (K, 3, S, S) float32 in [−ε, ε]."""

    delta: Tensor
    epsilon: float


def load_surrogate() -> ResNet:
    """RN-18, one output for each bank slot, frozen and in eval mode. Raises StoreError if its file is damaged."""
    tensors, fields = load(SURROGATE)
    try:
        model = resnet18(int(fields["classes"]), width=int(fields["width"]), stem="stride2")
        model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (KeyError, RuntimeError) as error:
        raise StoreError(f"weights {SURROGATE}: do not fit this version of faceshield ({error})") from None
    return model.eval().requires_grad_(False)


def load_bank() -> Bank:
    """The bank's noises. They are stored as whole levels of 255 (int8), the form in which they are used."""
    tensors, fields = load(BANK)
    levels = tensors.get("delta")
    if levels is None or levels.dtype != torch.int8 or "epsilon" not in fields:
        raise StoreError(f"weights {BANK}: do not fit this version of faceshield; install the matching file")
    return Bank(levels.float() / 255, float(fields["epsilon"]))
