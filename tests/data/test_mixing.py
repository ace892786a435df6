"""Mixup and CutMix: a picture that shows its own label must, once mixed, show its mixed label."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from faceshield.core.errors import UsageError
from faceshield.data.mixing import cutmix, mixup

MIXES = pytest.mark.parametrize("mix", [mixup, cutmix])


def labelled(count=60, height=10, width=7, seed=0):
    """Pictures whose three channels are the one-hot label all over."""
    labels = torch.randint(0, 3, (count,), generator=torch.Generator().manual_seed(seed))
    return F.one_hot(labels, 3).float()[:, :, None, None].expand(-1, -1, height, width), labels


@MIXES
@given(seed=st.integers(0, 10**6), alpha=st.floats(0.05, 5))
def test_labels_are_mixed_as_pictures_are(mix, seed, alpha):
    images, labels = labelled()
    mixed, soft = mix(images, labels, 3, torch.Generator().manual_seed(seed), alpha=alpha)
    assert mixed.shape == images.shape
    assert soft.shape == (60, 3)
    torch.testing.assert_close(mixed.mean(dim=(2, 3)), soft, rtol=0, atol=1e-5)
    torch.testing.assert_close(soft.sum(1), torch.ones(60))
    assert float(soft.min()) >= 0


@MIXES
@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_shares_are_beta(mix, alpha):
    """Labels of their own show λ: Mixup's as it is, CutMix's from the boxes that no edge has cut."""
    count = 1500
    images = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 64, 64)
    mixed, soft = mix(images, torch.arange(count), count, torch.Generator().manual_seed(0), alpha=alpha)
    own = soft.diagonal()
    if mix is mixup:
        shown = own[(own > 0) & (own < 1)].double().numpy()
        assert stats.kstest(shown, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    else:
        kept = (mixed[:, 0] == images[:, 0]).float().mean(dim=(1, 2))
        torch.testing.assert_close(kept, own)
        assert 0.5 < float(own.mean()) < 0.8  # the edges cut boxes: more than half is kept


def test_cutmix_pastes_one_box_of_one_other_picture():
    count = 200
    images = torch.arange(count, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 12, 9)
    mixed, _ = cutmix(images, torch.zeros(count).long(), 1, torch.Generator().manual_seed(1))
    for i, picture in enumerate(mixed):
        foreign = picture[0] != i
        if foreign.any():
            rows, columns = foreign.any(1).nonzero()[:, 0], foreign.any(0).nonzero()[:, 0]
            assert bool(foreign[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all())
            assert len(picture[:, foreign].unique()) == 1


@MIXES
def test_repeatable_and_blind_to_torchs_own_generator(mix):
    images, labels = labelled()
    torch.manual_seed(0)
    first = mix(images, labels, 3, torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    again = mix(images, labels, 3, torch.Generator().manual_seed(3))
    assert first[0].equal(again[0])
    assert first[1].equal(again[1])


@MIXES
def test_alpha_must_be_positive(mix):
    images, labels = labelled(4)
    for alpha in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="must be above 0"):
            partial(mix, alpha=alpha)(images, labels, 3, torch.Generator())
