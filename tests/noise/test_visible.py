"""OPS and CUDA, which are there to be compared with: what they do to pictures, and that no ε is promised for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from noise_samples import pictures, shuffled

from faceshield.core.errors import UsageError
from faceshield.data.unlearnable import unlearnable
from faceshield.noise.registry import build_method


def test_ops_sets_one_pixel_of_a_class_to_one_colour_that_is_rare_and_even():
    data = pictures().sort()
    noise = build_method("ops", "class", epsilon=1.0).generate(shuffled(data), seed=0)
    made = unlearnable(data, noise).images
    changed = (noise.delta != 0).any(1)
    assert changed.flatten(1).sum(1).tolist() == [1, 1, 1]
    for label in range(3):
        y, x = changed[label].nonzero()[0].tolist()
        own = made[data.labels == label]
        assert len(own[:, :, y, x].unique(dim=0)) == 1
        assert set(own[0, :, y, x].tolist()) <= {0, 255}
        scores = np.zeros((8, 8, 8))
        clean = data.images[data.labels == label].double().numpy() / 255
        for colour in range(8):
            target = np.array([colour & 1, colour >> 1 & 1, colour >> 2 & 1])[:, None, None]
            distance = np.abs(clean - target).sum(1)
            scores[colour] = distance.mean(0) / (distance.var(0) + 1e-6)
        colour = sum(int(v == 255) << c for c, v in enumerate(own[0, :, y, x].tolist()))
        assert scores[colour, y, x] == pytest.approx(scores.max(), rel=1e-4)
    rest = ~changed[data.labels][:, None].expand_as(made)
    assert made[rest].equal(data.images[rest])


def test_ops_gives_no_two_classes_the_same_pixel_and_colour():
    data = pictures(classes=3)
    same = data.__class__(data.images, torch.zeros(24, dtype=torch.long), data.ids, data.classes)
    halves = same.__class__(data.images, torch.arange(24) // 12, data.ids, data.classes)
    noise = build_method("ops", "class", epsilon=1.0).generate(halves, seed=0)
    assert not noise.delta[0].equal(noise.delta[1])
    assert (noise.delta[2] == 0).all()  # nobody is of that class


def test_cuda_filters_a_classs_pictures():
    from scipy.ndimage import correlate

    data = pictures().sort()
    noise = build_method("cuda", "sample", epsilon=1.0).generate(shuffled(data), seed=0)
    made = unlearnable(data, noise).images
    filters = np.array(noise.provenance["filters"])
    assert (filters[:, 1, 1] == 1).all()
    assert filters.min() >= 0
    assert np.delete(filters.reshape(3, 9), 4, 1).max() <= 0.3
    for number in range(6):
        x = data.images[number].numpy() / 255
        kernel = filters[data.labels[number]]
        blurred = np.stack([correlate(plane, kernel, mode="constant") for plane in x])
        np.testing.assert_allclose(made[number], blurred / blurred.max() * 255, atol=0.51)
    assert build_method("cuda", "sample", epsilon=1.0).generate(data, seed=0).delta.equal(noise.delta)


@pytest.mark.parametrize(("name", "form"), [("ops", "class"), ("cuda", "sample")])
def test_neither_is_made_where_an_epsilon_is_promised(name, form):
    with pytest.raises(UsageError, match=rf"{name} keeps no epsilon of 8/255.*visible on faces"):
        build_method(name, form)
    with pytest.raises(UsageError, match="only"):
        build_method(name, "sample" if form == "class" else "class", epsilon=1.0)


def test_the_command_refuses_them_in_one_line(cli, tmp_path):
    out = tmp_path / "n.safetensors"
    text = cli("noise", "generate", "digits", "-o", out, "--method", "ops", "--limit", "5", code=2).stderr
    assert "visible on faces" in text
    assert len(text.strip().splitlines()) == 1
    assert not out.exists()
