"""Carry pixels between a photo and a face crop: fit a similarity, resample once, and its exact adjoint.

Convention
----------
* A point is (x, y), an image is (…, H, W), a size is (H, W). Pixel centres are at whole numbers, so an
  image covers x in [−½, W − ½] and y in [−½, H − ½].
* A matrix is (2, 3) and maps source (x, y, 1) to destination (x, y). Every function takes the forward
  matrix; only the resampling inside looks backwards.
* Images are float in any unit, or uint8 which is read as value / 255. Colour order is kept as it comes.
* A destination pixel whose centre falls outside the source is exactly 0.

Shrinking is antialiased. All weights are ≥ 0 and sum to 1 inside the source, so a constant stays that
constant and nothing overshoots.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from faceshield.core.errors import PhotoError

Matrix = NDArray[np.float32]

# A shrunk source is first reduced (triangle filter) to this many times the target scale, then sampled
# bilinearly. At 1 the two filters blur twice and a δ keeps 0.75 correlation with itself; at 1.5 it keeps 0.9.
OVERSAMPLE = 1.5


def fit_similarity(points: ArrayLike, template: ArrayLike) -> Matrix:
    """The rotation, uniform scale and shift, without reflection, that best maps points to template.

    ``points`` and ``template`` (K, 2) are x, y in pixels, K ≥ 2; returns (2, 3) float32. Least squares
    (Umeyama 1991), which in the plane is one division: a similarity multiplies by a complex number.
    Raises PhotoError when all points coincide or nothing but their mirror image would fit.
    """
    source, target = (np.asarray(p, np.float64) @ (1, 1j) for p in (points, template))
    centred = source - source.mean()
    spread = float(np.vdot(centred, centred).real)
    turn = complex(np.vdot(centred, target - target.mean())) / spread if spread > 1e-9 else 0j
    if not abs(turn) > 1e-9:
        raise PhotoError(
            f"landmarks {np.asarray(points).round(1).tolist()} do not span a face; choose it by a box instead"
        )
    shift = target.mean() - turn * source.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float32)


def fit_box(box: ArrayLike, template_box: ArrayLike) -> Matrix:
    """The upright similarity that lays ``box`` on ``template_box``: centre on centre, equal area.

    Both are x0, y0, x1, y1 in pixels. Returns (2, 3) float32; raises PhotoError for a box without area.
    """
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    left, top, right, bottom = np.asarray(template_box, np.float64)
    if not (x1 > x0 and y1 > y0):
        raise PhotoError(f"box x {x0:g}–{x1:g}, y {y0:g}–{y1:g} has no area; its width and height must be > 0")
    scale = math.sqrt((right - left) * (bottom - top) / ((x1 - x0) * (y1 - y0)))
    shift_x = (left + right) / 2 - scale * (x0 + x1) / 2
    shift_y = (top + bottom) / 2 - scale * (y0 + y1) / 2
    return np.array([[scale, 0, shift_x], [0, scale, shift_y]], np.float32)


def stretch(box: ArrayLike, size: int) -> Matrix:
    """The (2, 3) float32 map of ``box`` (x0, y0, x1, y1 in pixel edges) onto a square of ``size`` pixels, not turned.

    Its proportions are lost, unlike with :func:`fit_box`. Raises PhotoError for a box without area.
    """
    low, high = np.asarray(box, np.float64).reshape(2, 2)
    if not (high > low).all():
        raise PhotoError(f"box {low[0]:g},{low[1]:g} to {high[0]:g},{high[1]:g} has no area; its sides must be > 0")
    scale = size / (high - low)
    return np.hstack((np.diag(scale), ((0.5 - low) * scale - 0.5)[:, None])).astype(np.float32)


def invert(matrix: ArrayLike) -> Matrix:
    """The (2, 3) float32 map from destination back to source. Raises PhotoError if there is none."""
    return _invert(matrix).astype(np.float32)


def scale_of(matrix: ArrayLike) -> float:
    """Destination pixels per source pixel (the root of the area ratio); below 1 the warp shrinks."""
    return math.sqrt(abs(float(np.linalg.det(np.asarray(matrix, np.float64)[:, :2]))))


def shift(matrix: ArrayLike, x: float, y: float) -> Matrix:
    """The same map with (x, y) pixels added to every destination point."""
    moved = np.array(matrix, np.float32)
    moved[:, 2] += (x, y)
    return moved


def from_rgb(rgb: NDArray[np.uint8]) -> Tensor:
    """(1, 3, H, W) uint8 of ``rgb`` (H, W, 3), sharing its memory where torch can (not if read-only or flipped)."""
    return torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)[None]


def warp(image: Tensor, matrix: ArrayLike, size: tuple[int, int]) -> Tensor:
    """Resample ``image`` (N, 3, H, W) through the source-to-destination ``matrix`` into (N, 3, *size).

    Only the part of the source that is seen is touched, so a crop from a large photo is cheap. Linear in
    ``image`` and differentiable; keeps its dtype and device (float32 in [0, 1] for uint8).
    """
    back = _invert(matrix)
    scale = 1 / scale_of(back)
    # the reducing filter below reaches 1/scale source pixels, the bilinear one 1/scale more
    x0, y0, x1, y1 = _seen(back, size, _size(image), margin=2 + 2 / scale)
    part = image[..., y0:y1, x0:x1]
    if not part.is_floating_point():
        part = part.float() / 255
    if 0 in part.shape or 0 in size:
        return part.new_zeros(*image.shape[:-2], *size)
    grid = _positions(back, size, part, (x0, y0))
    inside = (grid.abs().amax(dim=-1) <= 1).to(part)
    if scale * OVERSAMPLE < 1:
        reduced = [max(1, round(side * scale * OVERSAMPLE)) for side in _size(part)]
        part = functional.interpolate(part, reduced, mode="bilinear", align_corners=False, antialias=True)
    grid = grid.expand(len(part), -1, -1, -1)
    return inside * functional.grid_sample(part, grid, "bilinear", "border", align_corners=False)


def warp_adjoint(cotangent: Tensor, matrix: ArrayLike, source_size: tuple[int, int]) -> Tensor:
    """The transpose of :func:`warp`: (N, 3, h, w) in the destination back to (N, 3, *source_size).

    ⟨warp(x), y⟩ = ⟨x, warp_adjoint(y)⟩ for all x and y: what a gradient needs, not the inverse warp.
    """
    source = cotangent.new_zeros(*cotangent.shape[:2], *source_size)
    pull = torch.func.vjp(lambda image: warp(image, matrix, _size(cotangent)), source)[1]
    (carried,) = pull(cotangent)
    assert isinstance(carried, Tensor)
    return carried


def unwarp(delta: Tensor, photo_to_crop: ArrayLike, photo_size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """Carry δ from a face canvas into photo pixels: (patch (3, h, w), (y0, x0)).

    ``delta`` (3, S, S) in any unit; ``photo_to_crop`` (2, 3) maps photo to canvas. The patch is the part of
    the canvas' bounding box inside the photo, its corner at photo row y0, column x0. It is exactly 0 where
    the canvas does not reach, and never larger in magnitude than ``delta`` but for float rounding (so
    project last). A canvas wholly outside the photo gives an empty patch at (0, 0).
    """
    x0, y0, x1, y1 = _seen(_invert(photo_to_crop), _size(delta), photo_size)
    to_patch = shift(invert(photo_to_crop), -x0, -y0)
    return warp(delta[None], to_patch, (y1 - y0, x1 - x0))[0], (y0, x0)


def _size(image: Tensor) -> tuple[int, int]:
    return image.shape[-2], image.shape[-1]


def _invert(matrix: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(matrix, np.float64)
    if not (np.isfinite(matrix).all() and scale_of(matrix) > 1e-9):
        raise PhotoError(f"face transform {matrix.tolist()} has no inverse; choose the face by a box instead")
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack((linear, -linear @ matrix[:, 2:]))


def _seen(
    back: NDArray[np.float64], size: tuple[int, int], bounds: tuple[int, int], margin: float = 0
) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 (half-open) of what an image of ``size`` covers within ``bounds`` after ``back``; else 0s."""
    bottom, right = size[0] - 0.5, size[1] - 0.5
    corners = back @ np.array([[-0.5, right, -0.5, right], [-0.5, -0.5, bottom, bottom], [1, 1, 1, 1]])
    low, high = corners.min(axis=1) - margin, corners.max(axis=1) + margin
    x0, y0 = max(0, math.ceil(low[0])), max(0, math.ceil(low[1]))
    x1, y1 = min(bounds[1], math.floor(high[0]) + 1), min(bounds[0], math.floor(high[1]) + 1)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else (0, 0, 0, 0)


def _positions(back: NDArray[np.float64], size: tuple[int, int], part: Tensor, corner: tuple[int, int]) -> Tensor:
    """(h, w, 2): each destination pixel's x, y in ``part``: −1 is its left or top edge, 1 its right or bottom."""
    rows, columns = np.arange(size[0]), np.arange(size[1])
    grid = part.new_empty(*size, 2)
    for axis in (0, 1):  # x, y
        half = part.shape[-1 - axis] / 2
        along = (back[axis, 0] * columns + back[axis, 2] - corner[axis] + 0.5) / half - 1
        down = back[axis, 1] / half * rows
        grid[..., axis] = torch.from_numpy(along).to(part) + torch.from_numpy(down).to(part)[:, None]
    return grid
