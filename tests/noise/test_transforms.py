"""The views: ranges, shapes, chance, and gradients against finite differences and against torch's own resize."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from faceshield.imaging.crop import TEMPLATE_112
from faceshield.imaging.warp import fit_similarity
from faceshield.noise.transforms import PlainCrop, Transforms, resize

STILL = Transforms(sizes=(112,), zoom=(1, 1), shift=0, rotate=0, flip=0, colour=0, grey=0, resample=0, jpeg=0)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    return torch.rand(5, 3, 128, 128, generator=seeded(9))


@pytest.mark.parametrize("size", [17, 40, 64, 80, 112, 128, 150, 200])
def test_resize_is_torchs_antialiased_one(images, size):
    theirs = F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
    torch.testing.assert_close(resize(images, size), theirs, rtol=0, atol=2e-6)


def test_resize_has_torchs_gradient(images):
    weights = torch.rand(5, 3, 48, 48, generator=seeded(1))
    gradients = []
    for way in (lambda x: resize(x, 48), lambda x: F.interpolate(x, (48, 48), mode="bilinear", antialias=True)):
        x = images.clone().requires_grad_(True)
        (way(x) * weights).sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients, rtol=0, atol=2e-6)


@pytest.mark.parametrize("seed", range(8))
def test_range_shape_and_repeatability(images, seed):
    views = Transforms()
    out = views(images, seeded(seed))
    assert out.shape[:2] == (5, 3)
    assert out.shape[2] == out.shape[3]
    assert out.shape[2] in views.sizes
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1
    assert out.isfinite().all()
    assert out.equal(views(images, seeded(seed)))
    other = views(images, seeded(seed + 100))
    assert out.shape != other.shape or not out.equal(other)


def test_all_sizes_are_drawn(images):
    generator = seeded()
    assert {Transforms()(images[:1], generator).shape[-1] for _ in range(40)} == {64, 80}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("zoom", (0.87, 1.13)),
        ("shift", 0.10),
        ("rotate", 14.0),
        ("flip", 0.5),
        ("colour", 0.3),
        ("grey", 0.5),
        ("resample", 0.5),
        ("jpeg", 0.5),
        ("landmarks", 2.0),
        ("band", 0.5),
    ],
)
def test_each_view_is_drawn_for_each_example(images, name, value):
    """The same picture in a batch comes out in at least two ways."""
    batch = images[:1].expand(16, -1, -1, -1)
    out = replace(STILL, **{name: value})(batch, seeded(2))
    assert len({tuple(picture.flatten()[::97].tolist()) for picture in out}) > 1


def test_without_any_view_it_is_the_middle_of_the_canvas(images):
    torch.testing.assert_close(STILL(images, seeded()), images[..., 8:-8, 8:-8], rtol=0, atol=1e-5)
    small = replace(STILL, sizes=(64,))(images, seeded())
    theirs = resize(images, 73)
    assert (small - theirs[..., 4:68, 4:68]).abs().mean() < 0.12, "not near the shrunk middle"


def test_flip_mirrors_and_grey_has_no_colour(images):
    mirrored = replace(STILL, flip=1.0)(images, seeded())
    torch.testing.assert_close(mirrored, images[..., 8:-8, 8:-8].flip(-1), rtol=0, atol=1e-5)
    grey = replace(STILL, grey=1.0)(images, seeded())
    luma = (images[..., 8:-8, 8:-8] * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(grey, luma.expand_as(grey), rtol=0, atol=1e-5)


def test_a_rotation_turns_about_the_middle_and_a_shift_stays_in_its_bound():
    """A dot's centre of mass after the view, against the angle and shift that could be drawn."""
    dot = torch.zeros(1, 3, 128, 128)
    dot[..., 60:68, 100:108] = 1
    grid = torch.arange(112.0)

    def middle(view):
        mass = view.sum(1)
        return (mass.sum(1) * grid).sum(1) / mass.sum((1, 2)), (mass.sum(2) * grid).sum(1) / mass.sum((1, 2))

    batch = dot.expand(64, -1, -1, -1)
    x, y = middle(replace(STILL, rotate=10.0)(batch, seeded()))
    radius = ((x - 55.5) ** 2 + (y - 55.5) ** 2).sqrt()
    torch.testing.assert_close(radius, torch.full_like(radius, 40.0), rtol=0, atol=0.3)
    angle = torch.rad2deg(torch.atan2(y - 55.5, x - 55.5))
    assert angle.abs().max() <= 10.1
    assert angle.min() < -5
    assert angle.max() > 5
    x, y = middle(replace(STILL, shift=0.08)(batch, seeded()))
    assert (x - 95.5).abs().max() <= 0.08 * 112 + 0.2
    assert (y - 55.5).abs().max() <= 0.08 * 112 + 0.2
    assert x.std() > 2


def test_jittered_landmarks_move_the_face_as_an_alignment_by_them_would():
    """Two dots after the view, against the template fitted to landmarks with errors of the same size."""
    sigma, n = 2.0, 400
    dots = torch.zeros(1, 3, 128, 128)
    dots[:, 0, 60:68, 92:100] = dots[:, 1, 60:68, 28:36] = 1
    view = replace(STILL, landmarks=sigma)(dots.expand(n, -1, -1, -1), seeded())
    grid = torch.arange(112.0)
    mass = view.sum((2, 3))
    x, y = (view.sum(2) * grid).sum(2) / mass, (view.sum(3) * grid).sum(2) / mass
    gap = torch.complex(x[:, 0] - x[:, 1], y[:, 0] - y[:, 1]) / 64
    middle = torch.complex(x[:, :2].mean(1), y[:, :2].mean(1))[:, None]
    ours = {
        "turn": gap.angle().std(),
        "scale": gap.abs().log().std(),
        "across": middle.real.std(),
        "down": middle.imag.std(),
    }
    errors = np.random.default_rng(0).normal(0, sigma, (n, 5, 2))
    fits = [fit_similarity(TEMPLATE_112 + error, TEMPLATE_112) for error in errors]
    turns = np.array([complex(fit[0, 0], fit[1, 0]) for fit in fits])
    centre = TEMPLATE_112.mean(0)
    moved = np.array([fit[:, :2] @ centre + fit[:, 2] - centre for fit in fits])
    theirs = {
        "turn": np.angle(turns).std(),
        "scale": np.log(np.abs(turns)).std(),
        "across": moved[:, 0].std(),
        "down": moved[:, 1].std(),
    }
    for name, value in ours.items():
        assert float(value) == pytest.approx(float(theirs[name]), rel=0.15), name
    assert theirs["across"] == pytest.approx(sigma / math.sqrt(5), rel=0.15), "the fit itself is understood"


def test_a_larger_copy_and_back_is_nearly_the_picture(images):
    """Halving loses what is fine; going up and coming back keeps most of it."""
    smooth = resize(resize(images, 56), 128)
    still = STILL(smooth, seeded())
    larger = replace(STILL, resample=1.0, scales=(1.9, 2.0))(smooth, seeded())
    smaller = replace(STILL, resample=1.0, scales=(0.5, 0.51))(smooth, seeded())
    assert (larger - still).abs().mean() < 0.5 * (smaller - still).abs().mean()


@pytest.mark.parametrize("seed", range(4))
def test_gradient_by_finite_differences(images, seed):
    """JPEG aside (its rounding passes gradients straight through) every view is differentiable."""
    views = replace(Transforms(), jpeg=0.0, landmarks=2.0, band=0.5, scales=(0.5, 2.0))
    x = (0.4 + 0.2 * images[:3]).requires_grad_(True)
    weights = torch.rand(3, 3, 112, 112, generator=seeded(seed))
    direction = torch.rand(x.shape, generator=seeded(seed + 50)) - 0.5

    def value(x):
        out = views(x, seeded(seed))
        return (out * weights[..., : out.shape[-1], : out.shape[-1]]).double().sum()

    (gradient,) = torch.autograd.grad(value(x), x)
    step = 0.05
    with torch.no_grad():
        slope = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    expected = (gradient.double() * direction).sum()
    assert float(slope) == pytest.approx(float(expected), rel=2e-3, abs=2e-3)
    assert gradient.abs().sum() > 1


def test_a_gradient_flows_to_every_example_through_jpeg_too(images):
    x = images.clone().requires_grad_(True)
    replace(Transforms(), jpeg=1.0, resample=1.0)(x, seeded()).sum().backward()
    assert x.grad.isfinite().all()
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()


def test_plain_crop(images):
    out = PlainCrop(frame=112, size=56)(images, seeded())
    theirs = F.interpolate(images[..., 8:120, 8:120], (56, 56), mode="bilinear", antialias=True)
    torch.testing.assert_close(out, theirs, rtol=0, atol=2e-6)
