"""What the tests of experiments share."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
import torch

from faceshield.data import synthetic
from faceshield.experiments.engine.context import Context
from faceshield.experiments.faces import bank, crops, identities
from faceshield.training.runtime import Runtime


@pytest.fixture(scope="session", autouse=True)
def _people_drawn_once() -> Iterator[None]:
    """Most smoke runs ask for the same fabricated people, who are the same bytes each time."""
    with pytest.MonkeyPatch.context() as patch:
        drawn = functools.cache(synthetic.synthesize_people)
        for module in (bank, crops, identities):
            patch.setattr(module, "synthesize_people", drawn)
        yield


@pytest.fixture
def context(tmp_path):
    """No data, caches of its own, float32 on the CPU, and nobody listening."""
    return Context(tmp_path, tmp_path / "work", Runtime(torch.device("cpu"), torch.float32), lambda text: None)
