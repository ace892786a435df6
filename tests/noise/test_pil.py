"""PIL: its loss and steps against derivatives written out in numpy, its surrogate against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from noise_samples import EPSILON, fresh, pictures, shuffled
from sklearn.linear_model import LogisticRegression

from faceshield.core.rng import generator
from faceshield.noise.pil import Linearization, linear_loss

WEIGHT = 0.1


def softmax(logits):
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def gradient(x, delta, labels, weights):
    """∂/∂δ of 0.9·CE(W(−δ), y) + 0.1·KL(softmax(W(x + δ)) ‖ uniform), for flat x and δ (n, D)."""
    easy = softmax(-delta @ weights.T)
    easy[np.arange(len(labels)), labels] -= 1
    seen = softmax((x + delta) @ weights.T)
    entropy = (seen * np.log(seen)).sum(1, keepdims=True)
    away = seen * (np.log(seen) - entropy)
    return (1 - WEIGHT) * -(easy @ weights) + WEIGHT * away @ weights


@pytest.fixture
def data():
    """Pictures that stay inside [0, 1] under any δ."""
    made = pictures(size=6).sort()
    return made.__class__(made.images.clamp(40, 210), made.labels, made.ids, made.classes)


def test_the_loss_has_the_derivative_that_algebra_gives(data):
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(3, 108, generator=rng, dtype=torch.float64)
    x = data.images.double() / 255
    delta = (torch.rand(x.shape, generator=rng, dtype=torch.float64) * 2 - 1) * EPSILON
    moved = (x + delta).requires_grad_()
    linear_loss(x, data.labels, weights, WEIGHT)(moved).sum().backward()
    flat = [part.flatten(1).numpy() for part in (x, delta)]
    np.testing.assert_allclose(
        moved.grad.flatten(1), gradient(*flat, data.labels.numpy(), weights.numpy()), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("form", ["class", "sample"])
def test_two_steps_are_signed_steps_down_that_loss(data, form):
    method = Linearization(form, steps=2, epochs=3)
    noise = method.generate(data, fresh(), seed=0)
    weights = method.fit_surrogate(data.images, data.labels, 3, generator(0, "pil")).double().numpy()
    x, labels = data.images.flatten(1).double().numpy() / 255, data.labels.numpy()
    delta = np.zeros((3 if form == "class" else len(x), x.shape[1]))
    for _ in range(2):
        each = gradient(x, delta[labels] if form == "class" else delta, labels, weights)
        if form == "class":
            each = np.stack([each[labels == label].sum(0) for label in range(3)])
        delta -= method.alpha * np.sign(each)
    assert (np.abs(noise.delta.flatten(1).numpy() - delta) < 1e-6).mean() > 0.999  # a sign at 0 may differ


def test_the_surrogate_is_about_as_good_as_scikit_learns(data):
    weights = Linearization(epochs=200, lr=0.1, augment=False).fit_surrogate(data.images, data.labels, 3, generator(0))
    flat = data.images.flatten(1).float() / 255
    theirs = LogisticRegression(fit_intercept=False, max_iter=500).fit(flat.numpy(), data.labels.numpy())
    ours = float(((flat @ weights.T).argmax(1) == data.labels).float().mean())
    assert ours >= theirs.score(flat.numpy(), data.labels.numpy()) - 0.05


@pytest.mark.parametrize("form", ["class", "sample"])
def test_noise_tells_the_class_and_pictures_no_more(form):
    data = pictures().sort()
    method = Linearization(form)
    noise = method.generate(shuffled(data), fresh(), seed=0)
    assert noise.delta.abs().max() <= EPSILON + 1e-7
    assert method.generate(data, fresh(), seed=0).delta.equal(noise.delta)
    own = noise.delta if form == "sample" else noise.delta[data.labels]
    weights = method.fit_surrogate(data.images, data.labels, 3, generator(0, "pil"))
    told = (-own.flatten(1) @ weights.T).argmax(1)
    assert told.equal(data.labels)
    x = data.images.flatten(1).float() / 255
    clean, noisy = (
        float((pictures @ weights.T).softmax(1).gather(1, data.labels[:, None]).mean())
        for pictures in (x, x + own.flatten(1))
    )
    assert noisy < clean
