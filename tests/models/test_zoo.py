"""Each network against torchvision's own, weight for weight; names and widths that no network has."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from faceshield.core.errors import UsageError
from faceshield.models.classifier import normalize
from faceshield.models.densenet import densenet121
from faceshield.models.zoo import NETWORKS, build


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def theirs(name):
    """torchvision's network without its classifier: (N, 3, H, W) normalised pixels to pooled features."""
    if name == "densenet121":
        dense = torchvision.models.densenet121(num_classes=1)
        return nn.Sequential(dense.features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    if name == "vgg11":
        layers = torchvision.models.vgg11_bn(num_classes=1).features
        for module in layers.modules():
            if isinstance(module, nn.Conv2d):
                module.bias = None  # the batch norm behind takes it away
        return nn.Sequential(layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    residual = getattr(torchvision.models, name)(num_classes=1)
    residual.fc = nn.Identity()
    return residual


@pytest.mark.parametrize(
    ("name", "width"), [("resnet18", 512), ("resnet50", 2048), ("vgg11", 512), ("densenet121", 1024)]
)
def test_the_full_network_computes_what_torchvisions_does(name, width):
    torch.manual_seed(0)
    reference = theirs(name)
    # torchvision's VGG starts with the small stem whatever the picture
    ours = build(name, 10, stem="cifar" if name == "vgg11" else "imagenet")
    assert count(ours) == count(reference) + width * 10 + 10
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        reference.train()(normalize(x))  # batch statistics that are not the initial ones
        stored = reference.state_dict().values()
        own = ours.state_dict()
        body = [key for key in own if not key.startswith("head.")]
        ours.load_state_dict({**own, **dict(zip(body, stored, strict=True))})
        features = ours.eval().features(x)
        torch.testing.assert_close(features, reference.eval()(normalize(x)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ours(x), ours.head(features))
    assert features.shape == (2, width)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_small_stem_differs_from_the_large_one_in_its_first_convolution_only(name):
    small, large = (build(name, 4, width=8, stem=stem) for stem in ("cifar", "imagenet"))
    assert count(large) - count(small) == 3 * 8 * (7 * 7 - 3 * 3)
    assert count(build(name, 4, width=8, stem="stride2")) == count(small)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("stem", "size", "stride"), [("cifar", 32, 1), ("stride2", 64, 2), ("imagenet", 128, 4)])
def test_stems_bring_every_size_to_the_same_grid(name, stem, size, stride):
    model = build(name, 3, width=4, stem=stem).eval()
    with torch.no_grad():
        out = model.stem(torch.zeros(1, 3, size, size))
        assert out.shape == (1, 4, size // stride, size // stride)
        assert model(torch.rand(2, 3, size, size + 2 * stride)).shape == (2, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_takes_part(name):
    model = build(name, 3, width=4)
    model(torch.rand(4, 3, 32, 32)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert torch.isfinite(torch.cat([parameter.grad.flatten() for parameter in model.parameters()])).all()


@settings(max_examples=15)
@given(name=st.sampled_from(list(NETWORKS)), half=st.integers(1, 6), classes=st.integers(1, 5))
def test_any_even_width_gives_one_logit_a_class(name, half, classes):
    model = build(name, classes, width=2 * half).eval()
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert model(x).shape == (1, classes)
        assert model.features(x).shape == (1, model.head.in_features)


def test_growth_is_half_the_width():
    model = densenet121(2, width=12)
    assert model.blocks[0].conv2.out_channels == 6


def test_normalize_centres_the_pixel_range():
    assert normalize(torch.tensor([0.0, 0.5, 0.75, 1.0])).tolist() == [-2, 0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet81", 10), "model 'resnet81' is unknown; did you mean resnet18"),
        (("densnet", 10), "did you mean densenet121"),
        (("x", 10), "model 'x' is unknown; use resnet18, resnet50, vgg11, densenet121"),
        (("resnet18", 0), "0 classes"),
    ],
)
def test_names_and_classes_that_are_none(arguments, message):
    with pytest.raises(UsageError, match=message):
        build(*arguments)


@pytest.mark.parametrize("width", [0, -2, 1, 7])
def test_widths_that_are_none(width):
    with pytest.raises(UsageError, match=f"width {width} must be an even number"):
        build("resnet18", 10, width=width)


def test_a_stem_that_is_none():
    with pytest.raises(UsageError, match="stem 'large' is unknown; use cifar, stride2, imagenet"):
        build("resnet18", 10, stem="large")
