"""A network whose parameters do not change for a while: in place, or as a copy that is quicker to run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval


@contextmanager
def freeze(model: nn.Module) -> Iterator[None]:
    """``model`` in eval mode with parameters that ask for no gradient; both are put back afterwards."""
    training = model.training
    asked = [parameter.requires_grad for parameter in model.parameters()]
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for parameter, wanted in zip(model.parameters(), asked, strict=True):
            parameter.requires_grad_(wanted)


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in eval mode, without gradients for its parameters, independent of ``model``.

    A batch norm in eval mode is an affine map of each channel, and so a part of the convolution before it, where only
    that one feeds it: the same values up to rounding, with one pass over the activations less, forward and backward. A
    network whose forward pass cannot be traced (it branches on values) is copied as it is.
    """
    still = copy.deepcopy(model).eval().requires_grad_(False)
    try:
        traced = fx.GraphModule(still, _Tracer().trace(still))
    except (fx.proxy.TraceError, TypeError):
        return still
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        norm, before = modules.get(str(node.target)), _input_of(node)
        conv = None if before is None else modules.get(str(before.target))
        if node.op != "call_module" or before is None or not isinstance(norm, _BatchNorm):
            continue
        if isinstance(conv, nn.Conv2d) and len(before.users) == 1:
            parent, _, name = str(before.target).rpartition(".")
            setattr(traced.get_submodule(parent), name, fuse_conv_bn_eval(conv, norm))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.recompile()
    return traced.requires_grad_(False)


class _Tracer(fx.Tracer):
    """Batch norms of every kind are kept whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def _input_of(node: fx.Node) -> fx.Node | None:
    first: Any = node.args[0] if node.args else None
    return first if isinstance(first, fx.Node) and first.op == "call_module" else None
