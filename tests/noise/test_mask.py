"""Masks: the way from canvas to crop against the real one, similarity against finished files, ε whatever is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceshield.cloaking.perturbation import build_face_view
from faceshield.core.budget import Budget, split_colour
from faceshield.core.types import Face, Photo
from faceshield.evaluation.visibility import ssim
from faceshield.faces.align import align_150, align_box, fit_canvas
from faceshield.imaging.blend import blend
from faceshield.imaging.crop import DLIB_150, CropSpec
from faceshield.imaging.warp import from_rgb, warp
from faceshield.models import resnet29
from faceshield.noise.band import keep_pattern
from faceshield.noise.face_view import FaceView
from faceshield.noise.identity import correlation
from faceshield.noise.likeness import likeness
from faceshield.noise.mask import FeatureLoss, find_centre, mask
from faceshield.noise.photo_transforms import PhotoTransforms

EPSILON = 8 / 255
DLIB = CropSpec(DLIB_150, resnet29.CROP_SIZE)


@pytest.fixture(scope="module")
def face(portrait, detector):
    return detector.detect(portrait)[0]


@pytest.fixture(scope="module")
def face_view(portrait, face):
    return build_face_view(from_rgb(portrait).float() / 255, face)


@pytest.fixture(scope="module")
def network():
    return resnet29.load()


def noise(seed):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(3, 128, 128, generator=generator) * 2 - 1) * EPSILON


@pytest.mark.parametrize("grey", [False, True])
def test_a_picture_with_noise_is_the_one_that_is_written(portrait, face_view, face, grey):
    pixels = np.repeat(portrait[..., :1], 3, 2) if grey else portrait
    seen = replace(face_view, photo=from_rgb(pixels).float() / 255, grey=grey)
    written, _ = blend(Photo(pixels, Path("a.png"), "PNG", grey), [(noise(1), fit_canvas(face))], EPSILON)
    ours = seen.with_noise(noise(1))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(written.astype(float) - pixels).max() >= 3
    assert np.abs(ours - written).max() <= 1.001  # blend rounds towards the original


def test_the_crop_is_that_of_the_recogniser(portrait, face_view, face):
    torch.testing.assert_close(
        face_view.cut(face_view.photo, DLIB)[0], align_150(portrait, face).image, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("times", [1, 3])
def test_a_small_copy_shows_the_same_face(portrait, face, network, times):
    pixels = portrait.repeat(times, 0).repeat(times, 1)
    points = face.landmarks * times + (times - 1) / 2
    box = face.box.reshape(2, 2) * times
    whole = FaceView(from_rgb(pixels).float() / 255, _canvas(points), points.astype(np.float32), box)
    small = whole.crop_near(128, [DLIB], finest=1.5)
    assert small.photo.shape[-1] < whole.photo.shape[-1] or times == 1
    one, other = (network(one.cut(one.with_noise(noise(2)), DLIB)) for one in (whole, small))
    assert float((one - other).norm()) < 0.12  # a person's own photos lie at 0.3 to 0.5
    boxed = [seen.cut(seen.photo, CropSpec(None, 80)) for seen in (whole, small)]
    assert float((boxed[0] - boxed[1]).abs().mean()) < 0.01


@pytest.mark.parametrize("move", [(0, 0), (5, 11)])
def test_near_begins_where_the_codecs_blocks_do(portrait, face, move):
    """A codec that tells where its blocks begin: it darkens every sixteenth pixel."""

    def codec(photo):
        grid = torch.zeros_like(photo)
        grid[..., ::16, ::16] = 1
        return photo * (1 - grid)

    pixels = np.roll(portrait, move, axis=(0, 1))
    moved = replace(
        face, landmarks=face.landmarks + np.float32(move[::-1]), box=face.box + np.float32((move * 2)[::-1])
    )
    whole = replace(build_face_view(from_rgb(pixels).float() / 255, moved), codec=codec)
    small = whole.crop_near(128, [DLIB])
    assert small.photo.shape[-1] < whole.photo.shape[-1]
    one, other = (seen.cut(seen.codec(seen.photo), DLIB) for seen in (whole, small))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert whole.crop_near(128, [DLIB], finest=0.5).codec is None, "a smaller picture is not what is written"


def test_a_crop_without_a_template_is_the_box_stretched(portrait, face, face_view):
    ours = face_view.cut(face_view.photo, CropSpec(None, 160))[0]
    torch.testing.assert_close(ours, align_box(portrait, face).image, rtol=0, atol=1e-5)
    moved = np.zeros((5, 2), np.float32)
    moved[:2] = [[4, 0], [4, 0]]
    shifted = face_view.cut(face_view.photo.roll(4, -1), CropSpec(None, 160), moved)[0]
    torch.testing.assert_close(shifted, ours, rtol=0, atol=1e-5)


def _canvas(points):
    return fit_canvas(Face(np.zeros(4, np.float32), points.astype(np.float32), 1.0))


def test_likeness_is_the_similarity_of_finished_files(portrait):
    other = np.clip(portrait + np.random.default_rng(0).integers(-20, 21, portrait.shape), 0, 255).astype(np.uint8)
    ours = float(likeness(from_rgb(portrait).float() / 255, from_rgb(other).float() / 255))
    assert ours < 0.9
    assert ours == pytest.approx(ssim(portrait, other), abs=1e-4)
    assert float(likeness(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8))) == 1


def test_a_mask_carries_a_face_away_from_its_person_and_to_the_target(face_view, network, portrait, face):
    own = network.embed(align_150(portrait, face).image[None])
    target = torch.nn.functional.normalize(torch.randn(128, generator=torch.Generator().manual_seed(3)), dim=0)
    made = mask(
        face_view, [FeatureLoss(DLIB, network, own, target)], Budget(), torch.Generator().manual_seed(4), steps=12
    )
    assert made.abs().max() <= EPSILON + 1e-7
    assert not made.requires_grad
    masked = network.embed(face_view.cut(face_view.with_noise(made), DLIB))
    assert float((masked - own).norm()) > resnet29.MATCH_DISTANCE
    assert float((masked - target).norm()) < float((own - target).norm())


@pytest.mark.slow
def test_a_mask_is_against_all_its_losses_by_weight(face_view, network, portrait, face):
    own = network.embed(align_150(portrait, face).image[None])
    other = CropSpec(DLIB_150 / 2 - 0.25, 75)
    light = _brightness(face_view.cut(face_view.photo, other))
    made = [
        mask(
            face_view,
            [FeatureLoss(DLIB, network, own), FeatureLoss(other, _brightness, light, weight=weight)],
            Budget(),
            torch.Generator().manual_seed(4),
            steps=6,
        )
        for weight in (0.0, 30.0)
    ]
    away = [
        [float(torch.dist(net(face_view.cut(face_view.with_noise(delta), crop)), ref)) for delta in made]
        for net, crop, ref in ((network, DLIB, own), (_brightness, other, light))
    ]
    assert away[0][0] > away[0][1]
    assert away[1][0] < away[1][1]


@pytest.mark.slow
def test_a_stronger_pull_leads_nearer_to_the_target(face_view, network, portrait, face):
    own = network.embed(align_150(portrait, face).image[None])
    target = torch.nn.functional.normalize(torch.randn(128, generator=torch.Generator().manual_seed(3)), dim=0)
    left = []
    for pull in (0.0, 3.0):
        feature_loss = FeatureLoss(DLIB, network, own, target, pull=pull, away=2.0)
        made = mask(face_view, [feature_loss], Budget(), torch.Generator().manual_seed(4), steps=8)
        masked = network.embed(face_view.cut(face_view.with_noise(made), DLIB))
        left.append(float((masked - target).norm()))
    assert left[1] < left[0]


def _brightness(crops):
    """A network that costs nothing: means of 25 squares."""
    return torch.nn.functional.adaptive_avg_pool2d(crops, 5).flatten(1)


def _brightness_loss(face_view):
    return FeatureLoss(DLIB, _brightness, _brightness(face_view.cut(face_view.photo, DLIB)))


@settings(max_examples=12)
@given(levels=st.integers(1, 16), seed=st.integers(0, 99), asked=st.floats(0.5, 0.999))
def test_a_mask_that_begins_at_a_noise_stays_within_epsilon(face_view, levels, seed, asked):
    budget = Budget(levels / 255)
    first = budget.project(noise(seed) * 4)
    made = mask(
        face_view, [_brightness_loss(face_view)], budget,
        torch.Generator().manual_seed(seed), first=first, steps=2, ssim=asked,
    )  # fmt: skip
    assert made.abs().max() <= budget.epsilon * (1 + 1e-6)


def test_a_loss_of_the_pattern_keeps_it_in_the_mask(face_view):
    first = keep_pattern(noise(7)).sign() * EPSILON
    small = face_view.crop_near(128, [DLIB])
    plain = warp(small.photo, small.to_canvas, (128, 128))
    seen = []

    def pattern_loss(face, rng):
        seen.append(face.detach())
        return -((face - plain) * first).sum()

    made, alone = (
        mask(
            face_view, [_brightness_loss(face_view)], Budget(),
            torch.Generator().manual_seed(0), first=first, pattern_loss=loss, steps=20, ssim=0.9,
        )
        for loss in (pattern_loss, None)
    )  # fmt: skip
    assert len(seen) == 20
    assert float(made.abs().max()) <= Budget().epsilon + 1e-7
    assert correlation(made, first) > correlation(alone, first) + 0.2
    near = warp(small.with_noise(made), small.to_canvas, (128, 128))
    assert float(((near - plain) * first).sum()) > 0


@pytest.mark.parametrize("least", [0.98, 0.995])
def test_similarity_is_kept_on_the_picture(face_view, least):
    made = mask(
        face_view, [_brightness_loss(face_view)], Budget(16 / 255),
        torch.Generator().manual_seed(0), steps=3, ssim=least,
    )  # fmt: skip
    small = face_view.crop_near(128, [DLIB])
    assert made.abs().max() > 0
    assert float(likeness(small.photo, small.with_noise(made))) >= least - 1e-5


def test_the_bound_of_similarity_holds_for_a_noise_that_a_mask_begins_at(face_view):
    first = noise(7).sign() * 16 / 255  # less like the photo than any mask may be
    made = mask(
        face_view, [_brightness_loss(face_view)], Budget(16 / 255),
        torch.Generator().manual_seed(0), first=first, steps=3, ssim=0.97,
    )  # fmt: skip
    small = face_view.crop_near(128, [DLIB])
    assert float(likeness(small.photo, small.with_noise(first))) < 0.97
    assert float(made.abs().max()) > 1 / 255
    assert float(likeness(small.photo, small.with_noise(made))) >= 0.97 - 1e-5


def test_equal_generators_give_equal_masks_and_other_ones_others(face_view):
    first, second, third = (
        mask(face_view, [_brightness_loss(face_view)], Budget(), torch.Generator().manual_seed(seed), steps=3)
        for seed in (1, 1, 2)
    )
    assert first.equal(second)
    assert not first.equal(third)


def test_handling_changes_what_is_seen_and_passes_gradients(face_view):
    photo = face_view.photo.clone().requires_grad_(True)
    small = CropSpec(DLIB_150 / 2 - 0.25, 75)
    seen = [
        PhotoTransforms(jpeg=1, resample=1)(face_view, photo, [DLIB, small], torch.Generator().manual_seed(seed))
        for seed in (0, 1)
    ]
    crops = [first for first, _ in seen]
    half = torch.nn.functional.interpolate(crops[0], (75, 75), mode="bilinear", antialias=True)
    assert float((half - seen[0][1]).detach().abs().mean()) < 0.02, "both recognisers see one handling"
    assert float((crops[0] - crops[1]).detach().abs().mean()) > 0.002
    (gradient,) = torch.autograd.grad(crops[0].sum(), photo)
    assert float(gradient.abs().max()) > 0
    (still,) = PhotoTransforms(jitter=0, jpeg=0, resample=0)(
        face_view, face_view.photo, [DLIB], torch.Generator().manual_seed(0)
    )
    assert still.equal(face_view.cut(face_view.photo, DLIB))


def test_the_centre_lies_amid_the_features_and_is_as_long():
    features = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    centre = find_centre(features)
    assert float(centre.norm()) == pytest.approx(2)
    torch.testing.assert_close(centre / centre.norm(), torch.tensor([3.0, 1.0]) / 10**0.5)


def test_a_subset_of_the_losses_is_drawn_for_each_step_and_all_are_used(face_view):
    asked = []

    def watch(number):
        def embed(crops):
            asked.append(number)
            return _brightness(crops)

        return FeatureLoss(DLIB, embed, _brightness(face_view.cut(face_view.photo, DLIB)))

    losses = [watch(number) for number in range(4)]
    made = [mask(face_view, losses, Budget(), torch.Generator().manual_seed(1), steps=12, at_once=2) for _ in range(2)]
    assert made[0].equal(made[1]), "one seed, one mask"
    assert len(asked) == 2 * 12 * 2
    assert set(asked) == {0, 1, 2, 3}
    assert all(first != second for first, second in zip(asked[::2], asked[1::2], strict=True))


def test_a_mask_within_a_bound_on_colour_keeps_it(face_view):
    budget = Budget(EPSILON, chroma=1 / 255)
    made = mask(face_view, [_brightness_loss(face_view)], budget, torch.Generator().manual_seed(1), steps=6)
    assert made.abs().max() <= EPSILON + 1e-7
    _, cb, cr = split_colour(made)
    assert float(torch.stack([cb, cr]).abs().max()) <= 1.27 / 255
    assert float(made.mean(0).abs().mean()) > 2 / 255
