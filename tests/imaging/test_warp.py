import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage import transform

from faceshield.core.errors import PhotoError
from faceshield.imaging.warp import (
    fit_box,
    fit_similarity,
    invert,
    scale_of,
    shift,
    unwarp,
    warp,
    warp_adjoint,
)

EPSILON = 8 / 255


def similarity(scale, degrees, x, y):
    turn = scale * np.exp(1j * math.radians(degrees))
    return np.array([[turn.real, -turn.imag, x], [turn.imag, turn.real, y]])


def noise(side, seed=0):
    signs = torch.randint(0, 2, (3, side, side), generator=torch.Generator().manual_seed(seed))
    return (signs.float() * 2 - 1) * EPSILON


similarities = st.builds(
    similarity, st.floats(0.05, 20), st.floats(-180, 180), st.floats(-500, 500), st.floats(-500, 500)
)


# ---- fitting


@settings(deadline=None)
@given(similarities, st.integers(0, 2**31), st.floats(0, 3))
def test_fit_agrees_with_skimage(matrix, seed, jitter):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 100, (5, 2))
    target = points @ matrix[:, :2].T + matrix[:, 2] + rng.normal(0, jitter + 1e-6, (5, 2)) * scale_of(matrix)
    other = transform.estimate_transform("similarity", points, target)
    ours = fit_similarity(points, target)
    assert ours.dtype == np.float32
    assert ours.shape == (2, 3)
    np.testing.assert_allclose(ours, other.params[:2], rtol=1e-4, atol=1e-3 * max(1, scale_of(matrix)))


@pytest.mark.parametrize("points", [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_points_that_span_nothing_are_refused(points):
    with np.errstate(invalid="ignore"), pytest.raises(PhotoError, match="choose it by a box"):
        fit_similarity(points, np.arange(10.0).reshape(5, 2))


def test_a_mirrored_face_is_not_reflected():
    points = np.array([[0, 0], [10, 0], [5, 5], [1, 9], [9, 9]], float)
    matrix = fit_similarity(points, points * (-1, 1))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_box_is_laid_on_the_template_box():
    matrix = fit_box((100, 200, 140, 260), (17, 12, 95, 117))
    centre = matrix @ (120, 230, 1)
    np.testing.assert_allclose(centre, (56, 64.5), atol=1e-3)
    assert scale_of(matrix) ** 2 * 40 * 60 == pytest.approx(78 * 105, rel=1e-4)
    assert matrix[0, 1] == matrix[1, 0] == 0
    with pytest.raises(PhotoError, match="no area"):
        fit_box((5, 5, 5, 9), (0, 0, 1, 1))


@given(similarities)
def test_inverse_undoes(matrix):
    there_and_back = np.vstack((invert(matrix), [0, 0, 1])) @ np.vstack((matrix, [0, 0, 1]))
    np.testing.assert_allclose(there_and_back, np.eye(3), atol=2e-3)
    assert scale_of(matrix) * scale_of(invert(matrix)) == pytest.approx(1, rel=1e-4)


def test_flat_matrices_are_refused():
    for matrix in (np.zeros((2, 3)), np.full((2, 3), np.nan)):
        with pytest.raises(PhotoError, match="no inverse"):
            warp(torch.zeros(1, 3, 4, 4), matrix, (4, 4))


# ---- resampling


def test_identity_changes_nothing():
    image = torch.rand(2, 3, 9, 13)
    torch.testing.assert_close(warp(image, similarity(1, 0, 0, 0), (9, 13)), image, rtol=0, atol=1e-6)


def test_whole_pixel_shift_moves_pixels_and_is_black_outside():
    image = torch.rand(1, 3, 9, 13)
    moved = warp(image, similarity(1, 0, 4, -3), (9, 13))
    torch.testing.assert_close(moved[..., :6, 4:], image[..., 3:, :9], rtol=0, atol=1e-6)
    assert not moved[..., 6:, :].any()
    assert not moved[..., :4].any()


def test_enlarging_agrees_with_skimage():
    image = torch.rand(1, 3, 40, 50, dtype=torch.float64)
    matrix = similarity(1.7, 25, 12, -8)
    ours = warp(image, matrix, (80, 90))[0].permute(1, 2, 0).numpy()
    back = transform.AffineTransform(matrix=np.vstack((matrix, [0, 0, 1]))).inverse
    other = transform.warp(image[0].permute(1, 2, 0).numpy(), back, output_shape=(80, 90), order=1, mode="edge")
    inside = ours.any(axis=2)
    np.testing.assert_allclose(ours[inside], other[inside], atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.03, 6), st.floats(-180, 180), st.floats(-20, 60), st.floats(-20, 60))
def test_every_scale_keeps_a_smooth_picture_in_its_place(scale, degrees, x, y):
    """A wave of period 16, in destination pixels or the source's if larger: half a pixel of error would cost 0.2."""
    period = 16 * max(1, scale)
    matrix = similarity(scale, degrees, x, y)
    side = round(min(900, 90 / scale + 3))
    rows, columns = np.mgrid[:side, :side]
    u = matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]
    source = torch.tensor(np.cos(2 * np.pi * u / period)).expand(1, 3, -1, -1)
    ours = warp(source, matrix, (64, 64))[0, 0].numpy()
    expected = np.broadcast_to(np.cos(2 * np.pi * np.arange(64) / period), (64, 64))
    deep = warp(torch.ones_like(source), matrix, (66, 66))[0, 0, :64, :64].numpy() > 0
    for _ in range(3):  # away from the source's edge, where there is only half a wave to average
        deep = deep & np.roll(deep, 1, 0) & np.roll(deep, -1, 0) & np.roll(deep, 1, 1) & np.roll(deep, -1, 1)
    deep[:3] = deep[-3:] = deep[:, :3] = deep[:, -3:] = False
    assume(deep.any())
    assert np.abs(ours - expected)[deep].max() < 0.1


def test_bytes_are_read_as_shares_of_255():
    image = torch.randint(0, 256, (1, 3, 30, 20), dtype=torch.uint8)
    matrix = similarity(0.4, 10, 1, 2)
    assert torch.equal(warp(image, matrix, (16, 16)), warp(image.float() / 255, matrix, (16, 16)))


@pytest.mark.parametrize("scale", [0.2, 0.8, 1.0, 2.5])
def test_adjoint_is_the_transpose(scale):
    matrix = similarity(scale, 20, 3, -2)
    rng = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, 31, 37, generator=rng, dtype=torch.float64)
    y = torch.rand(2, 3, 24, 20, generator=rng, dtype=torch.float64)
    forward = (warp(x, matrix, (24, 20)) * y).sum()
    backward = (x * warp_adjoint(y, matrix, (31, 37))).sum()
    assert forward.item() == pytest.approx(backward.item(), rel=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.6])
def test_gradient_agrees_with_finite_differences(scale):
    matrix = similarity(scale, 15, 1, 1)
    image = torch.rand(1, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: warp(i, matrix, (4, 6)), image)


# ---- carrying δ into the photo


@pytest.mark.parametrize("face", [40, 90, 200, 700])
def test_a_constant_stays_constant_inside_and_zero_outside(face):
    to_canvas = similarity(100 / face, 12, 20, -10)
    patch, (y0, x0) = unwarp(torch.full((3, 128, 128), EPSILON), to_canvas, (2000, 2000))
    rows, columns = np.mgrid[: patch.shape[1], : patch.shape[2]]
    u, v = (to_canvas[i, 0] * (columns + x0) + to_canvas[i, 1] * (rows + y0) + to_canvas[i, 2] for i in (0, 1))
    inside = torch.tensor((u > -0.499) & (u < 127.499) & (v > -0.499) & (v < 127.499))
    outside = torch.tensor((u < -0.501) | (u > 127.501) | (v < -0.501) | (v > 127.501))
    assert inside.any()
    torch.testing.assert_close(patch[:, inside], torch.full_like(patch[:, inside], EPSILON))
    assert not patch[:, outside].any()


def test_a_checkerboard_averages_out_when_shrunk():
    rows, columns = torch.arange(128)[:, None], torch.arange(128)
    board = (((rows + columns) % 2 * 2 - 1) * EPSILON).expand(3, -1, -1)
    patch, _ = unwarp(board, similarity(3, 0, 10.3, 10.3), (200, 200))
    assert patch.abs().max() < 0.1 * EPSILON


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 6), st.floats(-180, 180), st.integers(0, 99))
def test_never_overshoots(scale, degrees, seed):
    patch, _ = unwarp(noise(64, seed), similarity(scale, degrees, 10, 20), (500, 500))
    assert patch.abs().max() <= EPSILON * (1 + 1e-6)


@pytest.mark.parametrize("face", [100, 250, 1000])
def test_there_and_back_keeps_delta(face):
    """The photo has more pixels than the canvas: what a recogniser crops again is what was put in."""
    rough = torch.nn.functional.avg_pool2d(
        torch.randn(1, 3, 132, 132, generator=torch.Generator().manual_seed(0)), 5, 1
    )
    delta = rough[0].sign() * EPSILON
    to_canvas = similarity(100 / face, 12, -60, -20)
    patch, (y0, x0) = unwarp(delta, to_canvas, (2400, 2400))
    photo = torch.zeros(1, 3, 2400, 2400)
    photo[0, :, y0 : y0 + patch.shape[1], x0 : x0 + patch.shape[2]] = patch
    back = warp(photo, to_canvas, (128, 128))[0, :, 4:-4, 4:-4]
    similar = torch.nn.functional.cosine_similarity(back.flatten(), delta[:, 4:-4, 4:-4].flatten(), dim=0)
    assert similar > 0.9


def test_a_face_partly_outside_the_photo_is_cut_like_the_photo():
    to_canvas = shift(similarity(0.5, 8, 0, 0), -100, -100)
    whole, (y0, x0) = unwarp(noise(128), to_canvas, (900, 900))
    part, corner = unwarp(noise(128), to_canvas, (y0 + 90, x0 + 70))
    assert corner == (y0, x0)
    torch.testing.assert_close(part, whole[:, :90, :70])
    moved = to_canvas @ np.array([[1, 0, x0 + 50], [0, 1, y0 + 30], [0, 0, 1]])  # the photo, cut there
    rest, corner = unwarp(noise(128), moved, (900, 900))
    assert corner == (0, 0)
    torch.testing.assert_close(rest, whole[:, 30:, 50:], atol=1e-5, rtol=0)


def test_a_face_wholly_outside_gives_an_empty_patch():
    patch, corner = unwarp(noise(16), similarity(1, 0, 500, 0), (100, 100))
    assert patch.shape == (3, 0, 0)
    assert corner == (0, 0)
