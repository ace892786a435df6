"""AUE: SimCLR's augmentation for both players."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from noise_samples import EPSILON, fresh, pictures, shuffled

from faceshield.core.errors import UsageError
from faceshield.noise.augmented import Augmented, Contrastive
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.registry import build_method

FAST = {"fit_steps": 3, "rounds": 3, "batch": 8, "stop_error": -1.0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_strength_only_a_mirror_is_left():
    images = torch.rand(40, 3, 12, 12, generator=seeded(1))
    out = Contrastive(0.0)(images, seeded())
    same = (out - images).abs().amax((1, 2, 3)) < 1e-5
    mirrored = (out - images.flip(3)).abs().amax((1, 2, 3)) < 1e-5
    assert (same ^ mirrored).all()
    assert 8 < same.sum() < 32


def test_crops_have_the_area_asked_for():
    """On a ramp the spread of what is left tells the crop's side, without colour changes."""
    ramp = torch.linspace(-1, 1, 64).expand(300, 3, 64, 64)
    views = Contrastive(1.0)
    across = views._crop(ramp, torch.rand(5, 300, generator=seeded()))
    down = views._crop(ramp.transpose(2, 3), torch.rand(5, 300, generator=seeded()))
    width, height = ((x[:, 0].amax((1, 2)) - x[:, 0].amin((1, 2))) / 2 for x in (across, down))
    area, ratio = width * height, width / height
    assert area.min() > 0.08
    assert area.max() <= 1.01
    assert area.mean() == pytest.approx(0.55, abs=0.05)
    assert ratio.min() > 0.7
    assert ratio.max() < 1.4


def test_colours_change_and_can_vanish():
    images = torch.rand(400, 3, 4, 4, generator=seeded(2))
    out = Contrastive(1.0)(images, seeded())
    assert out.min() >= 0
    assert out.max() <= 1
    grey = (out - out.mean(1, keepdim=True)).abs().amax((1, 2, 3)) < 1e-5
    assert 0.12 < grey.float().mean() < 0.28
    assert out.equal(Contrastive(1.0)(images, seeded()))


def test_a_turn_of_hue_leaves_lightness_and_greys_alone():
    images = torch.rand(6, 3, 5, 5, generator=seeded(3))
    turned = Contrastive()._turn_hue(images, torch.full((6,), 0.25))
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close((turned * weights).sum(1), (images * weights).sum(1), rtol=0, atol=1e-4)
    assert (turned - images).abs().max() > 0.1
    grey = images[:, :1].expand_as(images)
    torch.testing.assert_close(Contrastive()._turn_hue(grey, torch.full((6,), 0.25)), grey, rtol=0, atol=1e-3)


@pytest.mark.parametrize("form", ["class", "sample"])
def test_it_is_error_min_under_that_view(form):
    data = pictures()
    method = build_method("aue", form, strength=0.4, **FAST)
    noise = method.generate(data, fresh(), seed=0)
    plain = ErrorMin(**{field.name: getattr(method, field.name) for field in fields(ErrorMin)})
    assert plain.view == Contrastive(0.4)
    assert plain.generate(shuffled(data), fresh(), seed=0).delta.equal(noise.delta)
    assert not replace(method, view=None).generate(data, fresh(), seed=0).delta.equal(noise.delta)
    assert noise.delta.abs().max() <= EPSILON + 1e-7
    assert len(noise.delta) == (3 if form == "class" else len(data))
    assert noise.provenance["method"] == "aue"


def test_strength_has_limits():
    assert Augmented().view == Contrastive(0.6)
    with pytest.raises(UsageError, match=r"strength 1\.5 is out of range"):
        build_method("aue", strength=1.5)
