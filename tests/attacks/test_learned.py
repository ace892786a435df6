"""Counter-measures that learn: the projection against plain algebra, purifier and probe on noise they can see."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from faceshield.attacks.base import Pairs
from faceshield.attacks.dvae import disentangle
from faceshield.attacks.finetune import FineTuned
from faceshield.attacks.frozen import find_nearest, fit_probe
from faceshield.attacks.project import fit_linear, project_out, remove_span
from faceshield.attacks.purify import Bridge, fit_purifier, purify_examples, walk_bridge
from faceshield.attacks.table import FAST
from faceshield.attacks.transforms import STRONG
from faceshield.core.rng import generator
from faceshield.data.examples import Examples


def waves(count, size, seed):
    """(count, 3, size, size) uint8: smooth pictures."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 160 + 40
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear").to(torch.uint8)


@pytest.fixture
def marked():
    """80 smooth pictures of 4 classes, each class with a noise of its own; the noises (4, 3, 16, 16)."""
    noise = (torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1)) - 0.5).sign() * 8
    labels = torch.arange(80) % 4
    images = (waves(80, 16, 2).float() + noise[labels]).clamp(0, 255).to(torch.uint8)
    return Examples(images, labels, tuple(map(str, range(80))), tuple("abcd")), noise


def test_what_is_projected_out_is_gone_and_the_rest_stays(marked):
    data, _ = marked
    weights = torch.randn(3, 768, generator=torch.Generator().manual_seed(5))
    flat = data.images.flatten(1).double().numpy() / 255
    mean = flat.mean(0)
    basis = np.linalg.svd(weights.double().numpy(), full_matrices=False)[2]
    expected = mean + (flat - mean) @ (np.eye(768) - basis.T @ basis)
    ours = remove_span(data.images, weights).flatten(1).numpy()
    np.testing.assert_allclose(ours, expected.clip(0, 1) * 255, atol=0.51)


def test_projection_finds_class_wise_noise(marked):
    data, noise = marked
    weights = fit_linear(data.images, data.labels, 4, generator(0))
    along = torch.nn.functional.cosine_similarity(weights, noise.flatten(1) - noise.flatten(1).mean(0))
    assert float(along.min()) > 0.3
    left = project_out(data, Pairs(data.images[:1], data.images[:1]), generator(0)).images.float()

    def spread(images):
        """How far the classes' mean pictures lie apart."""
        return float(torch.stack([images[data.labels == label].mean(0) for label in range(4)]).std(0).mean())

    assert spread(left) < 0.6 * spread(data.images.float())


@pytest.mark.slow
def test_a_purifier_takes_off_the_noise_it_was_shown():
    noise = (torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(3)) - 0.5).sign() * 8
    clean = waves(60, 32, 4)
    cloaked = (clean.float() + noise).clamp(0, 255).to(torch.uint8)
    network = fit_purifier(Pairs(clean[:50], cloaked[:50]), generator(1), steps=200)
    with torch.no_grad():
        left = network(cloaked[50:].float() / 255) * 255 - clean[50:]
    assert float(left.abs().mean()) < 0.8 * float((cloaked[50:].float() - clean[50:]).abs().mean())
    assert not network.training


def test_purified_examples_keep_labels_and_ids(monkeypatch, marked):
    data, _ = marked
    from faceshield.attacks import purify

    monkeypatch.setattr(purify, "fit_purifier", partial(fit_purifier, steps=2))
    out = purify_examples(data, Pairs(data.images, data.images), generator(0))
    assert out.ids == data.ids
    assert out.labels.equal(data.labels)
    assert out.images.dtype == torch.uint8
    again = purify_examples(data, Pairs(data.images, data.images), generator(0))
    assert out.images.equal(again.images)


@pytest.mark.parametrize("take_off", [partial(walk_bridge, steps=2), partial(disentangle, steps=1)])
def test_what_is_purified_otherwise_keeps_labels_and_ids(take_off, marked):
    data, _ = marked
    out = take_off(data, Pairs(data.images, data.images), generator(0))
    assert (out.ids, out.images.dtype) == (data.ids, torch.uint8)
    assert out.labels.equal(data.labels)
    assert take_off(data, Pairs(data.images, data.images), generator(0)).images.equal(out.images)


def test_a_bridge_leads_from_the_noisy_picture_to_the_guess():
    clean, noisy = waves(4, 16, 1).float() / 255, waves(4, 16, 2).float() / 255
    bridge, ends = Bridge(steps=5), []
    for time in (0.0, 0.5, 1.0):
        at = bridge.draw(clean, noisy, torch.full((1, 1, 1, 1), time), generator(0))
        ends.append(at)
        straight = (1 - time) * clean + time * noisy
        assert float((at - straight).std()) == pytest.approx(bridge.spread * (time * (1 - time)) ** 0.5, rel=0.1)
    assert ends[0].equal(clean)
    assert ends[2].equal(noisy)
    told = []

    def guess(images, planes):
        assert images.equal(noisy)
        told.append(planes)
        return clean

    assert bridge.walk(guess, noisy, generator(0)).equal(clean)
    assert [round(float(planes[0, 3, 0, 0]), 4) for planes in told] == [1.0, 0.8, 0.6, 0.4, 0.2]
    for planes in told:
        time = float(planes[0, 3, 0, 0])
        rest = planes[:, :3] - ((1 - time) * clean + time * noisy)
        assert float(rest.std()) == pytest.approx(bridge.spread * (time * (1 - time)) ** 0.5, abs=0.002)


@pytest.mark.slow
def test_a_bridge_takes_off_the_noise_it_was_shown():
    noise = (torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(3)) - 0.5).sign() * 8
    clean = waves(60, 16, 4)
    cloaked = (clean.float() + noise).clamp(0, 255).to(torch.uint8)
    data = Examples(cloaked, torch.zeros(60, dtype=torch.long), tuple(map(str, range(60))), ("a",))
    out = walk_bridge(data, Pairs(clean[:50], cloaked[:50]), generator(1), steps=300).images
    left, before = ((images[50:].float() - clean[50:]).abs().mean() for images in (out, cloaked))
    assert left < 0.8 * before


@pytest.mark.slow
def test_an_autoencoder_finds_the_noise_of_a_class(marked):
    data, noise = marked
    left = disentangle(data, Pairs(data.images[:1], data.images[:1]), generator(0), steps=200).images.float()
    taken = data.images.float() - left
    for label in range(4):
        mean = taken[data.labels == label].mean(0)
        assert float(torch.nn.functional.cosine_similarity(mean.flatten(), noise[label].flatten(), dim=0)) > 0.3


def test_the_nearest_photo_and_the_probe_name_who_it_is():
    centres = torch.tensor([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    labels = torch.arange(60) % 3
    features = centres[labels] + torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    queries = centres + 0.2
    assert find_nearest(features, labels, queries).tolist() == [0, 1, 2]
    assert fit_probe(features, labels)(queries).tolist() == [0, 1, 2]
    assert fit_probe(features, labels + 4)(queries).tolist() == [4, 5, 6]


@pytest.mark.parametrize("people", [2, 5])
def test_fine_tuning_starts_from_the_probe_and_moves_every_layer(people):
    rng = torch.Generator().manual_seed(1)
    labels = torch.arange(40) % people
    images = (torch.rand(40, 3, 8, 8, generator=rng) + labels.view(-1, 1, 1, 1)) / (people + 1)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 6)).requires_grad_(False)
    with torch.no_grad():
        learned = fit_probe(network(images), labels)
        tuned = FineTuned(network, learned)
        assert tuned(images).argmax(1).equal(learned(network(images)))
    logits = tuned(images)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert logits.shape == (40, people)
    assert all(parameter.grad is not None for parameter in tuned.parameters())


def test_strong_augmentation_and_the_adversary_stay_in_range():
    images = waves(6, 32, 1)
    changed = STRONG(images, generator(2))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert STRONG(images, generator(2)).equal(changed)
    assert float((changed.float() - images).abs().mean()) > 5
    worse = FAST(lambda x: x.flatten(1)[:, :3], images.float() / 255, torch.zeros(6, dtype=torch.long), generator(3))
    assert float((worse - images.float() / 255).abs().max()) <= 8 / 255 + 1e-6
