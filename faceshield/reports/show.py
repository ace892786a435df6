"""One page: original, cloaked, difference ×16, and for each face the figures and an enlargement."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from numpy.typing import NDArray

from faceshield.core.errors import UsageError
from faceshield.core.store import write_bytes
from faceshield.evaluation.tint import ON_CANVAS, measure_patches
from faceshield.evaluation.visibility import delta_e, linf_255, psnr, ssim
from faceshield.faces.align import CANVAS
from faceshield.imaging.blend import Region
from faceshield.imaging.photo import load

AMPLIFY = 16
WIDEST = 1100


@dataclass(frozen=True)
class Place:
    """One changed area: PNG data URIs at 100 % (or enlarged) and its measured figures, as in ``cloaking.report``.

    The size of the face in it, by which ``tint_mean`` and ``contrast_p95`` go, is estimated from the area's.
    """

    before: str
    after: str
    difference: str
    width: int
    linf_255: float
    psnr: float
    ssim: float
    delta_e_mean: float
    delta_e_p95: float
    tint_mean: float
    contrast_p95: float


def amplify_change(before: NDArray[Any], after: NDArray[Any], factor: int = AMPLIFY) -> NDArray[np.uint8]:
    """Mid grey plus ``factor`` times the change, as uint8 RGB; inputs (H, W, 3) of one dtype."""
    scale = factor * 255 / float(np.iinfo(before.dtype).max)
    change = after.astype(np.float32) - before.astype(np.float32)
    return np.asarray(np.clip(np.rint(128 + scale * change), 0, 255), np.uint8)


def write_page(original: Path, cloaked: Path, out: Path) -> None:
    """Write the page to ``out``. Raises UsageError where the two pictures differ in size, PhotoError if unreadable."""
    a, b = load(original), load(cloaked)
    if a.pixels.shape != b.pixels.shape:
        sizes = " and ".join(f"{photo.pixels.shape[1]}×{photo.pixels.shape[0]}" for photo in (a, b))
        raise UsageError(f"{cloaked}: is not a cloak of {original}: their sizes are {sizes}")
    before, after = (a.pixels, b.pixels) if a.pixels.dtype == b.pixels.dtype else (a.rgb8(), b.rgb8())
    shown = a.rgb8(), b.rgb8()
    whole = _build_place(Region(0, 0, *before.shape[:2]), before, after, shown, shrink=True)
    faces = [_build_place(region, before, after, shown, shrink=False) for region in find_changed_regions(before, after)]
    environment = Environment(loader=PackageLoader("faceshield.reports"), autoescape=select_autoescape())
    page = environment.get_template("show.html").render(
        name=original.name, cloaked=cloaked.name, whole=whole, faces=faces, amplify=AMPLIFY
    )
    write_bytes(out, page.encode(errors="backslashreplace"))


def find_changed_regions(before: NDArray[Any], after: NDArray[Any], least: int = 16) -> list[Region]:
    """Bounding rectangles of what changed by more than a codec's own error would (blocks apart are separate)."""
    change = np.abs(after.astype(np.int32) - before.astype(np.int32)).max(2).astype(np.float32)
    change *= 255 / float(np.iinfo(before.dtype).max)
    smooth = cv2.blur(change, (15, 15))
    mask = (smooth > max(0.75, 0.25 * float(smooth.max()))).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask, np.ones((9, 9), np.uint8)))
    boxes = [(y, x, y + h, x + w) for x, y, w, h, _ in stats[1:].tolist() if min(w, h) >= least]
    return [Region(*box) for box in sorted(boxes, key=lambda box: -(box[2] - box[0]) * (box[3] - box[1]))[:12]]


def _build_place(
    region: Region, before: NDArray[Any], after: NDArray[Any], shown: Sequence[NDArray[np.uint8]], shrink: bool
) -> Place:
    """``shown`` are ``before`` and ``after`` with 8 bits a colour."""
    a, b = region.of(before), region.of(after)
    zoom = min(1.0, WIDEST / a.shape[1]) if shrink else max(1, round(320 / a.shape[1]))
    pictures = [_encode_uri(picture, zoom) for picture in (*map(region.of, shown), amplify_change(a, b))]
    face = max(a.shape[:2]) * ON_CANVAS / CANVAS
    figures = linf_255(a, b), psnr(a, b), ssim(a, b), *delta_e(a, b), *measure_patches(a, b, face)
    return Place(pictures[0], pictures[1], pictures[2], round(a.shape[1] * zoom), *figures)


def _encode_uri(picture: NDArray[np.uint8], zoom: float) -> str:
    if zoom != 1:
        method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_NEAREST
        picture = np.asarray(cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=method), np.uint8)
    data = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
    return "data:image/png;base64," + base64.b64encode(data).decode()
