"""LSP: blocks that a linear classifier of another library separates without a mistake."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from noise_samples import EPSILON, pictures, shuffled
from sklearn.linear_model import LogisticRegression

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.noise.lsp import LinearlySeparable


@pytest.mark.parametrize("form", ["class", "sample"])
def test_noise_is_linearly_separable(form):
    data = pictures(classes=8, each=40, size=32)
    noise = LinearlySeparable(form).generate(data, seed=0)
    delta = noise.for_batch(data.ids if form == "sample" else [data.classes[i] for i in data.labels.tolist()])
    half = torch.arange(len(data)) < 160
    flat = delta.flatten(1).numpy() / EPSILON
    learned = LogisticRegression(max_iter=300).fit(flat[half], data.labels[half])
    assert learned.score(flat[~half], data.labels[~half]) == 1.0


@pytest.mark.parametrize("form", ["class", "sample"])
def test_blocks_are_of_one_value_inside_the_budget(form):
    data = pictures(size=12)
    noise = LinearlySeparable(form, Budget(4 / 255), block=8).generate(shuffled(data), seed=0)
    assert 0.9 * 4 / 255 < noise.delta.abs().max() <= 4 / 255 + 1e-7
    assert noise.delta.shape == (3 if form == "class" else 24, 3, 12, 12)
    for rows, columns in ((slice(0, 8), slice(0, 8)), (slice(8, 12), slice(0, 8)), (slice(8, 12), slice(8, 12))):
        block = noise.delta[:, :, rows, columns].flatten(2)
        assert (block == block[..., :1]).all()
    again = LinearlySeparable(form, Budget(4 / 255), block=8).generate(data, seed=0)
    assert again.delta.equal(noise.delta)
    assert again.keys == noise.keys
    assert not LinearlySeparable(form, Budget(4 / 255)).generate(data, seed=1).delta.equal(noise.delta)


def test_an_examples_noise_lies_about_its_classs():
    data = pictures(each=400, size=16)
    of_class = LinearlySeparable("class").generate(data, seed=0).delta
    own = LinearlySeparable().generate(data, seed=0).delta
    for label in range(3):
        mean = own[data.sort().labels == label].mean(0)
        np.testing.assert_allclose(mean.sign(), of_class[label].sign())
        assert own[data.sort().labels == label].std(0).min() > 0


def test_classes_have_vertices_of_their_own_or_there_is_an_error():
    data = pictures(classes=8, size=8)
    assert len(LinearlySeparable("class").generate(data, seed=0).delta.unique(dim=0)) == 8
    with pytest.raises(UsageError, match="3 blocks make 8 patterns, too few for 9 classes"):
        LinearlySeparable("class").generate(pictures(classes=9, size=8), seed=0)
