"""A person's private noise: from a secret, within ε, towards its slot, and nobody else's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from faceshield.core.errors import StoreError
from faceshield.data.synthetic import synthesize_people
from faceshield.noise.band import keep_pattern
from faceshield.noise.identity import bound_lightness, choose_class, correlation, draw_secret, fit_private_delta
from faceshield.noise.surrogate import average_surrogates, load_bank, load_surrogates
from faceshield.noise.transforms import PlainCrop, Transforms

EPSILON = 8 / 255


@pytest.fixture(scope="module")
def surrogates():
    return load_surrogates()


@pytest.fixture(scope="module")
def surrogate(surrogates):
    return average_surrogates(surrogates[:1], len(load_bank().delta))


@pytest.fixture(scope="module")
def crops():
    return synthesize_people(1, 6, seed=5).images


def make(crops, surrogate, secret="one", class_index=3, view=None, epsilon=EPSILON, **options):
    options = {"steps": 4, "batch": 4, **options}
    return fit_private_delta(
        crops, class_index, surrogate, bound_lightness(epsilon), view or Transforms(), secret, **options
    )


def test_the_same_secret_gives_the_same_bytes(crops, surrogate):
    first, second = make(crops, surrogate), make(crops, surrogate)
    assert first.shape == (3, 128, 128)
    assert first.dtype == torch.float32
    assert first.numpy().tobytes() == second.numpy().tobytes()


def test_another_secret_gives_an_unlike_noise(crops, surrogate):
    """They share the slot, and smooth noise has few degrees of freedom; over half of the variance is the secret's."""
    made = [make(crops, surrogate, secret) for secret in ("one", "two", "three")]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert correlation(made[a], made[b]) ** 2 < 0.5


@pytest.mark.parametrize("epsilon", [2 / 255, 8 / 255, 16 / 255])
def test_it_keeps_epsilon_and_uses_it(crops, surrogate, epsilon):
    delta = make(crops, surrogate, epsilon=epsilon)
    assert delta.abs().max() <= epsilon
    assert delta.pow(2).mean().sqrt() > epsilon / 4


def test_it_is_equal_in_all_channels_and_lies_in_its_pattern(crops, surrogate):
    delta = make(crops, surrogate, steps=12)
    assert delta[0].equal(delta[1])
    assert delta[0].equal(delta[2])
    inside = keep_pattern(delta)
    assert inside.pow(2).sum() > 0.8 * delta.pow(2).sum(), "clipping at the bound puts little elsewhere"
    torch.testing.assert_close(delta, delta.flip(-1), rtol=0, atol=1e-5)


def test_it_leads_the_surrogate_to_its_slot(crops, surrogate):
    view = PlainCrop()
    clean = crops.float() / 255

    def error(delta):
        with torch.no_grad():
            found = surrogate(view((clean + delta).clamp(0, 1), torch.Generator()))
        return float(F.nll_loss(found, torch.full((len(clean),), 3)))

    start = make(crops, surrogate, view=view, steps=0)
    end = make(crops, surrogate, view=view, steps=20)
    assert error(end) < error(start) - 0.5
    assert error(end) < error(torch.zeros(3, 128, 128)) - 0.5


def test_the_surrogate_gets_no_gradient_and_every_step_is_told(crops, surrogate, surrogates):
    told = []
    make(crops, surrogate, on_step=lambda *said: told.append(said))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(parameter.grad is None for parameter in surrogates[0].parameters())


def test_secrets_are_128_random_bits():
    made = {draw_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(bytes.fromhex(secret)) == 16 for secret in made)


def test_slots_are_spread_evenly():
    counts = Counter(choose_class(f"secret {number}", 10) for number in range(2000))
    assert sorted(counts) == list(range(10))
    assert max(counts.values()) < 260
    assert choose_class("a", 100) == choose_class("a", 100)


def test_correlation_is_pearsons():
    a, b = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.flatten(), b.flatten())[0, 1], abs=1e-6)
    assert correlation(a, a) == pytest.approx(1)
    assert correlation(a, 3 - 2 * a) == pytest.approx(-1)
    assert correlation(a, torch.ones_like(a)) == 0


def test_what_ships(surrogates):
    bank = load_bank()
    classes, channels, side, _ = bank.delta.shape
    assert (channels, side) == (3, 128)
    assert 0 < bank.delta.abs().max() <= bank.epsilon + 1e-6
    levels = bank.delta * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    assert len(surrogates) > 1
    for surrogate in surrogates:
        assert not surrogate.training
        assert not any(parameter.requires_grad for parameter in surrogate.parameters())
        with torch.no_grad():
            assert surrogate(torch.rand(2, 3, 80, 80)).shape[1] >= classes


def test_every_surrogate_finds_the_banks_noises(surrogates):
    """On faces unlike all that they saw, drawn ones, too, a noise of the bank leads each of them towards its slot."""
    bank = load_bank().delta[::5]
    faces = synthesize_people(2, 2, seed=9).images.float() / 255
    view = PlainCrop(size=80)
    for surrogate in surrogates:
        with torch.no_grad():
            logits = torch.stack([surrogate(view((faces + delta).clamp(0, 1), torch.Generator())) for delta in bank])
        own = logits.mean(1).softmax(1).log()[:, : 5 * len(bank) : 5]  # (noises, their slots)
        own = own - own.mean(0)  # how much more than under the other noises
        rank = (own > own.diagonal()[:, None]).sum(1).float()
        assert rank.mean() < len(bank) / 3  # by chance a half


def test_together_they_say_the_mean_of_their_log_probabilities():
    one, two = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[0.1, 0.6, 0.3]])
    agreed = average_surrogates([lambda _: one.log() + 5, lambda _: two.log()], 2)(torch.zeros(1))
    torch.testing.assert_close(agreed.exp(), (one * two).sqrt()[:, :2])


def test_files_of_another_form_are_refused(monkeypatch):
    monkeypatch.setattr("faceshield.noise.surrogate.load", lambda name: ({"x": torch.ones(1)}, {}))
    with pytest.raises(StoreError, match="do not fit this version"):
        load_bank()
    with pytest.raises(StoreError, match="do not fit this version"):
        load_surrogates()
