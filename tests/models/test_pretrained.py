"""The pretrained recognisers: their published networks' own outputs, gradients for pixels, and other files refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceshield.core.errors import StoreError, UsageError
from faceshield.imaging.crop import TEMPLATE_112
from faceshield.models import pretrained, weights
from faceshield.models.embedder import GOLDEN, make_golden_input
from faceshield.models.pretrained import PRETRAINED, load

pytestmark = pytest.mark.parametrize("name", PRETRAINED)


@pytest.fixture(scope="module")
def networks():
    """Each is loaded once."""
    loaded = {}
    return lambda name: loaded[name] if name in loaded else loaded.setdefault(name, load(name))


def test_the_shipped_half_precision_is_near_the_published_networks_output(networks, name):
    """The file's golden embedding was compared with onnxruntime's when it was converted."""
    entry = PRETRAINED[name]
    golden = weights.load(entry.file)[0][GOLDEN]
    found = networks(name).embed(make_golden_input(entry.spec.size))[0]
    assert found.shape == (networks(name).width,)
    assert (found - golden).norm() < 3e-3  # a match is a distance of 0.5 and more


def test_embed_is_forward_in_any_batch_and_averages_the_mirror(networks, name):
    network, size = networks(name), PRETRAINED[name].spec.size
    images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
    alone = network(images)
    torch.testing.assert_close(network.embed(images, batch=2), alone, rtol=0, atol=1e-5)
    both = (alone + network(images.flip(-1))) / 2
    torch.testing.assert_close(network.embed(images, flip=True), both, rtol=0, atol=1e-5)
    assert network.embed(images[:0]).shape == (0, network.width)


def test_images_get_gradients_and_weights_do_not(networks, name):
    network, size = networks(name), PRETRAINED[name].spec.size
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    first, second = network(images)
    (first - second).norm().backward()
    assert images.grad is not None
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_gradient_is_the_slope(networks, name):
    """Along one direction, by a difference in double precision: mask makers walk along it."""
    size = PRETRAINED[name].spec.size
    network = load(name).double()
    image = make_golden_input(size).double() * 0.5 + 0.25
    image.requires_grad_(True)
    place = network(torch.rand(image.shape, generator=torch.Generator().manual_seed(1), dtype=image.dtype))
    (gradient,) = torch.autograd.grad((network(image) - place).norm(), image)
    step = 1e-6 * gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = ((network(image + sign * step) - place).norm() for sign in (1, -1))
    assert float((ahead - behind) / 2e-6) == pytest.approx(float(gradient.norm()), rel=1e-3)


def test_those_trained_by_angle_have_length_1(networks, name):
    if name == pretrained.RESNET29:
        return
    size = PRETRAINED[name].spec.size
    lengths = networks(name).embed(torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(2))).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(2))


def test_their_colours_are_told_apart(networks, name):
    """Red faces and blue ones are other inputs to each: none of them reads grey alone."""
    image = make_golden_input(PRETRAINED[name].spec.size)
    assert (networks(name).embed(image) - networks(name).embed(image.flip(1))).norm() > 0.01


def test_other_weights_are_refused(name):
    entry = PRETRAINED[name]
    tensors = dict(weights.load(entry.file)[0])
    tensors["fc.weight" if "fc.weight" in tensors else "layers.0.conv.weight"] = torch.zeros(2, 2)
    with pytest.raises(StoreError, match=r"found \(2, 2\); restore the weights file"):
        entry.build(tensors)
    with pytest.raises(StoreError, match="found absent"):
        entry.build({})


def test_the_card_says_where_it_is_from(name):
    entry = weights.read_registry()[PRETRAINED[name].file]
    card = weights.find_file(PRETRAINED[name].file).with_suffix(".md").read_text(encoding="utf-8")
    assert "## Limits" in card
    assert "licence" in card
    assert entry.licence.split(";")[0].lower() in card.lower()


def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(UsageError, match=f"'arcface' is unknown; use .*{name}"):
        load("arcface")


def test_crops_show_the_face_where_the_template_says(name):
    spec = PRETRAINED[name].spec
    points = TEMPLATE_112 * 2 + 30
    low = points.min(0)
    box = np.add([low, low], [(-20, -40), (150, 140)])
    way = spec.find_matrix(points, box)
    carried = points @ way[:, :2].T + way[:, 2]
    assert (carried > 0).all()
    assert (carried < spec.size).all()
