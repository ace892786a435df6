"""What the tests of experiments share."""

from __future__ import annotations

import pytest
import torch

from faceshield.experiments.engine.context import Context
from faceshield.training.runtime import Runtime


@pytest.fixture
def context(tmp_path):
    """No data, caches of its own, float32 on the CPU, and nobody listening."""
    return Context(tmp_path, tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), lambda text: None)
