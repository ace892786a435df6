"""Drawn faces of nobody, for smoke runs and tests; classes are distinguishable. They are never used for a result."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from faceshield.core.errors import UsageError
from faceshield.core.rng import derive_seed
from faceshield.data.examples import Examples


def synthesize_people(people: int | None, photos: int | None, seed: int, size: int = 128, prefix: str = "") -> Examples:
    """``people`` classes of ``photos`` drawings each: features fixed a person, pose, light and background varied.

    ``prefix`` opens the names of the people and their ids: sets that are brought together need names of their own.
    images (people · photos, 3, size, size) uint8 RGB. Raises UsageError where a number is None: a recipe lacks it.
    """
    if people is None or photos is None:
        raise UsageError("fabricated people need classes and photos; add them to the settings")
    images, ids = [], []
    for person in range(people):
        look = np.random.default_rng(derive_seed(seed, "person", person))
        skin, hair = look.integers(90, 230, 3), look.integers(20, 160, 3)
        shape = look.uniform(0.8, 1.2, 6)
        for photo in range(photos):
            images.append(_draw(skin, hair, shape, np.random.default_rng(derive_seed(seed, person, photo)), size))
            ids.append(f"{prefix}f{person:02d}/{photo:03d}")
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    labels = torch.arange(people).repeat_interleave(photos)
    return Examples(stacked, labels, tuple(ids), tuple(f"{prefix}f{person:02d}" for person in range(people)))


def _draw(skin: np.ndarray, hair: np.ndarray, shape: np.ndarray, pose: np.random.Generator, size: int) -> np.ndarray:
    canvas = np.full((size, size, 3), pose.integers(0, 255, 3), np.uint8)
    scale, middle = size / 128, size / 2 + pose.normal(0, 2, 2)
    light = pose.uniform(0.8, 1.2)

    def ellipse(x: float, y: float, a: float, b: float, colour: np.ndarray) -> None:
        centre = (round(middle[0] + x * scale), round(middle[1] + y * scale))
        axes = (max(1, round(a * scale)), max(1, round(b * scale)))
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, tuple(int(v) for v in np.clip(colour * light, 0, 255)), -1)

    ellipse(0, -8, 50 * shape[0], 58 * shape[1], hair)
    ellipse(0, 4, 42 * shape[0], 52 * shape[1], skin)
    for side in (-1, 1):
        ellipse(side * 18 * shape[2], -10, 7 * shape[3], 4, np.array([240, 240, 240]))
        ellipse(side * 18 * shape[2], -10, 3, 3, hair * 0.5)
    ellipse(0, 10, 4 * shape[4], 10, skin * 0.85)
    ellipse(0, 32, 15 * shape[5], 5, np.array([170, 60, 70]))
    noise = pose.normal(0, 6, canvas.shape)
    return np.asarray(np.clip(canvas + noise, 0, 255), np.uint8)
