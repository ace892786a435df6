"""Residuals and what they tell: against scipy's filters, numpy's correlation, and noise that was put there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from faceshield.evaluation.residual import (
    FLOOR,
    RESIDUALS,
    average,
    chroma,
    correlate,
    detectability_roc,
    high_pass,
    linkability_roc,
    spectrum,
    wiener,
)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def theirs(planes, sigma):
    return gaussian_filter(planes.double().numpy(), (0, 0, sigma, sigma), mode="constant", truncate=6)


def test_residuals_are_scipys_away_from_the_border():
    images = drawn(2, 3, 96, 96)
    middle = (..., slice(44, 52), slice(44, 52))
    x = images.double().numpy()
    np.testing.assert_allclose(high_pass(images)[middle], (x - theirs(images, 6))[middle], atol=2e-5)
    rest = torch.from_numpy(x - theirs(images, 4))
    power = theirs(rest**2, 4)
    expected = rest.numpy() * FLOOR**2 / np.maximum(power, FLOOR**2)
    np.testing.assert_allclose(wiener(images)[middle], expected[middle], atol=2e-5)
    red, green, blue = x[:, 0], x[:, 1], x[:, 2]
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = torch.from_numpy(np.stack([(blue - luma) / 1.772, (red - luma) / 1.402], 1))
    wide = theirs(planes, 7)  # of 12 pixels the filter reaches beyond this picture
    assert np.corrcoef(chroma(images)[middle].flatten(), (planes.numpy() - wide)[middle].flatten())[0, 1] > 0.98


@pytest.mark.parametrize("name", RESIDUALS)
def test_what_is_even_leaves_nothing(name):
    even = drawn(2, 3, 1, 1).expand(-1, -1, 32, 32)
    assert RESIDUALS[name](even).abs().max() < 1e-6


def test_the_wiener_residual_keeps_faint_noise_and_drops_strong_structure():
    faint = (drawn(1, 3, 64, 64) - 0.5) * FLOOR
    kept = wiener(0.5 + faint)
    assert correlate(kept, faint)[0, 0] > 0.95
    assert wiener(0.5 + 40 * faint).abs().mean() < kept.abs().mean()


@given(st.integers(0, 99), st.integers(2, 7), st.integers(2, 5))
def test_correlations_and_links_are_numpys(seed, photos, owners):
    marks = drawn(photos * owners, 2, 4, 4, seed=seed)
    rows = marks.flatten(1).double().numpy()
    expected = np.corrcoef(rows)
    np.testing.assert_allclose(correlate(marks, marks), expected, atol=1e-5)
    who = torch.arange(owners).repeat(photos)
    left, right = np.triu_indices(len(who), 1)
    area = roc_auc_score(who.numpy()[left] == who.numpy()[right], expected[left, right])
    assert linkability_roc(marks, who).auc == pytest.approx(area, abs=1e-3)


def test_averaged_takes_one_owner_at_a_time():
    owners = torch.tensor([4, 2, 4, 2, 4, 4, 2, 4])
    marks = torch.arange(8.0).view(8, 1)
    means, who = average(marks, owners, 2)
    assert who.tolist() == [2, 4, 4]
    assert means[:, 0].tolist() == [2.0, 1.0, 4.5]


def test_noise_that_is_there_links_and_averaging_finds_fainter_noise():
    owners = torch.arange(6).repeat_interleave(20)
    noise = drawn(6, 3, 16, 16, seed=1) - 0.5
    background = drawn(120, 3, 16, 16, seed=2) - 0.5
    clear, faint = (linkability_roc(background + share * noise[owners], owners).auc for share in (1.0, 0.2))
    gathered = linkability_roc(*average(background + 0.2 * noise[owners], owners, 10)).auc
    assert clear > 0.99
    assert faint < gathered
    assert gathered > 0.9
    assert linkability_roc(background, owners).auc == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("cycles", [3, 5, 11, 30])
def test_a_wave_is_in_its_ring(cycles):
    size, rings = 64, 10
    wave = torch.sin(2 * math.pi * cycles * torch.arange(size) / size).expand(1, 2, size, size)
    rows = spectrum(wave + 1e-6 * drawn(1, 2, size, size), rings).view(2, rings)
    ring = math.floor(rings * math.log(cycles) / math.log(size / 2) - 1e-9)
    assert rows.argmax(1).tolist() == [ring, ring]


def test_white_noise_has_even_power_and_louder_noise_more():
    marks = torch.randn(40, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    rows = spectrum(marks, 6)
    assert rows.mean(0).std() < 0.3
    torch.testing.assert_close(spectrum(10 * marks, 6) - rows, torch.full_like(rows, math.log(100)), rtol=0, atol=1e-3)


def test_telling_apart_is_learned_on_the_known_rows_alone():
    features = drawn(200, 5, seed=4)
    truth = features[:, 2] > 0.5
    known = torch.arange(200) < 100
    assert detectability_roc(features, truth, known).auc > 0.97
    wrong = truth.clone()
    wrong[known] = ~truth[known]
    assert detectability_roc(features, wrong, known).auc < 0.03
    scaled = features * torch.tensor([1.0, 50.0, 1e-3, 7.0, 1.0]) + 3
    assert detectability_roc(scaled, truth, known).auc == pytest.approx(
        detectability_roc(features, truth, known).auc, abs=0.01
    )
