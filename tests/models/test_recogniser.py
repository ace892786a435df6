"""Inception-ResNet-v1 against facenet-pytorch's own class, the angular margin against its formula written out."""

from __future__ import annotations

import math

import pytest
import torch
from facenet_pytorch import InceptionResnetV1 as Facenet
from facenet_pytorch import fixed_image_standardization
from hypothesis import given
from hypothesis import strategies as st

from faceshield.core.errors import UsageError
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.margin import CosineHead, add_margin

LABELS = torch.tensor([0, 2, 1, 2])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return InceptionResnetV1(3).eval()


def test_it_computes_what_facenet_does_on_its_standardised_pixels(network):
    reference = Facenet(classify=True, num_classes=3).eval()
    reference.load_state_dict(
        {**network.trunk.state_dict(), "logits.weight": network.head.weight, "logits.bias": network.head.bias}
    )
    pixels = torch.randint(0, 256, (2, 3, 80, 80), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(pixels / 255), reference(fixed_image_standardization(pixels.float())))
        reference.classify = False
        embedding = torch.nn.functional.normalize(network.features(pixels / 255))
        torch.testing.assert_close(embedding, reference(fixed_image_standardization(pixels.float())))


def test_small_pictures_work_down_to_75_pixels_and_smaller_ones_are_refused(network):
    with torch.no_grad():
        assert network.features(torch.zeros(1, 3, 75, 75)).shape == (1, 512)
    with pytest.raises(UsageError, match="64×74 pixels are too small"):
        network(torch.zeros(1, 3, 74, 64))
    with pytest.raises(UsageError, match="head 'cosine' is unknown; use linear or margin"):
        InceptionResnetV1(3, head="cosine")


def test_cosine_head_is_the_scaled_cosine():
    head = CosineHead(5, 3, scale=10)
    features = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = head(features)
        for row, feature in zip(logits, features, strict=True):
            for value, centre in zip(row, head.centres, strict=True):
                angle = torch.dot(feature, centre) / feature.norm() / centre.norm()
                assert float(value) == pytest.approx(10 * float(angle), abs=1e-5)


@given(
    st.lists(st.floats(-0.999, 0.999), min_size=12, max_size=12), st.sampled_from([0.0, 0.2, 0.5, 1.2]),
    st.sampled_from([1.0, 30.0, 64.0]),
)  # fmt: skip
def test_margin_adds_to_the_own_angle_alone(cosines, margin, scale):
    table = torch.tensor(cosines, dtype=torch.float64).view(4, 3)
    out = add_margin(table * scale, LABELS, scale=scale, margin=margin)
    for row, label, cosine in zip(out, LABELS, table, strict=True):
        expected = cosine * scale
        angle = math.acos(float(cosine[label]))
        if angle + margin < math.pi:
            expected[label] = scale * math.cos(angle + margin)
        else:
            expected[label] = scale * (float(cosine[label]) - margin * math.sin(margin))
        torch.testing.assert_close(row, expected, rtol=0, atol=1e-5 * scale)


def test_margin_makes_every_angle_harder_and_keeps_their_order():
    cosine = torch.linspace(-1, 1, 501, dtype=torch.float64)
    harder = add_margin(cosine[:, None] * 64, torch.zeros(501, dtype=torch.long))[:, 0] / 64
    assert (harder <= cosine + 1e-5).all()
    assert (harder.diff() >= 0).all()


def test_gradient_is_finite_where_the_angle_is_zero_or_straight():
    logits = torch.tensor([[64.0, 0.0], [-64.0, 0.0]], requires_grad=True)
    add_margin(logits, torch.tensor([0, 0])).sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("margin", [-0.1, math.pi / 2, float("nan")])
def test_no_angle_is_no_margin(margin):
    with pytest.raises(UsageError, match=f"margin {margin} is an angle"):
        add_margin(torch.zeros(1, 2), torch.tensor([0]), margin=margin)
    with pytest.raises(UsageError, match="scale 0 of the cosines"):
        CosineHead(2, 2, scale=0)
