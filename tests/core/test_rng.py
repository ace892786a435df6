"""Seeds: the same words give the same numbers, on every machine and in every release."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.rng import derive_seed, generator


@pytest.mark.parametrize(
    ("parts", "seed"),
    [
        ((), 8203414616412130826),
        (("me",), 1414805832062376414),
        ((0, "delta"), 5871555803049875035),
        (("é", 1.5, None), 2371131752016384752),
    ],
)
def test_seeds_never_change(parts, seed):
    """Whoever changes these numbers changes everybody's noise."""
    assert derive_seed(*parts) == seed


@given(st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_a_seed_is_the_first_63_bits_of_the_hash(parts):
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode(errors="surrogatepass")).hexdigest()
    assert derive_seed(*parts) == int(digest[:16], 16) // 2 < 2**63


def test_parts_do_not_run_into_each_other():
    assert len({derive_seed("ab", "c"), derive_seed("a", "bc"), derive_seed("abc"), derive_seed("a", "b", "c")}) == 4


def test_seeds_do_not_depend_on_the_process():
    code = "from faceshield.core.rng import derive_seed; print(derive_seed('me', 3))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == derive_seed("me", 3)


def test_generators_are_apart_from_torchs_own():
    state = torch.get_rng_state()
    first = torch.rand(5, generator=generator("me"))
    assert torch.get_rng_state().equal(state)
    assert torch.rand(5, generator=generator("me")).equal(first)
    assert not torch.rand(5, generator=generator("you")).equal(first)
    torch.testing.assert_close(
        first, torch.tensor([0.265134, 0.893069, 0.380408, 0.309787, 0.663345]), rtol=0, atol=1e-5
    )
