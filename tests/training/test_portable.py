"""Narrow networks train right on processors without AVX512, where oneDNN would write outside its memory.

They run in a process that is told to be such a processor: a heap that is damaged ends it, at once, much later or never.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from faceshield.models.resnet import resnet18
from faceshield.training.runtime import Runtime

OLDER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}

GRADIENTS = """
import copy, sys, torch
from torch import nn
from faceshield.models.zoo import build
from faceshield.training.runtime import Runtime

torch.set_num_threads(1)
for case in sys.argv[1:]:
    torch.manual_seed(0)
    name, inputs, outputs = case.split(",")
    inputs, outputs = int(inputs), int(outputs)
    if name == "convolution":
        model = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
    else:
        model, inputs = build(name, outputs, width=inputs).eval(), 3
    exact = copy.deepcopy(model).double()
    runtime = Runtime.best(precision="float32")
    placed = runtime.place(model)
    for step in range(20):
        batch = torch.randn(16, inputs, 32, 32)
        for network in (placed, exact):
            network.zero_grad()
        runtime.forward(placed, batch).square().mean().backward()
        exact(batch.double()).square().mean().backward()
        for ours, true in zip(placed.parameters(), exact.parameters(), strict=True):
            torch.testing.assert_close(ours.grad.double(), true.grad, rtol=0, atol=5e-3 * float(true.grad.abs().max()))
    print("right", case, runtime.dtype, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "cases",
    [
        [f"convolution,{inputs},{outputs}" for inputs, outputs in ((4, 4), (4, 8), (3, 8), (3, 16), (7, 8), (8, 16))],
        ["resnet18,2,3", "resnet18,4,3"],
    ],
    ids=["convolution", "resnet18"],
)
def test_gradients_of_narrow_networks_without_avx512(cases):
    child = subprocess.run(
        [sys.executable, "-c", GRADIENTS, *cases],
        env={**os.environ, **OLDER},
        capture_output=True,
        text=True,
        timeout=300,
    )
    right = [f"right {case} torch.float32" for case in cases]
    assert (child.returncode, child.stdout.splitlines()) == (0, right), child.stderr


def test_only_networks_with_the_unsafe_layer_leave_channels_last():
    runtime = Runtime(torch.device("cpu"), torch.float32)
    narrow, wide = resnet18(3, width=4, stem="stride2"), resnet18(3, width=8, stem="stride2")
    assert runtime.layout(narrow) == torch.contiguous_format
    assert runtime.layout(wide) == torch.channels_last
    assert runtime.layout(nn.Conv2d(16, 16, 1, stride=2, groups=4)) == torch.contiguous_format
    assert runtime.layout(nn.Conv2d(4, 8, 3, stride=2)) == torch.channels_last
    assert runtime.place(narrow).state_dict()["stem.0.weight"].is_contiguous()
    assert Runtime(torch.device("cuda"), torch.float32).layout(narrow) == torch.channels_last
