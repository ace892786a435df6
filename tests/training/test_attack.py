"""The collector's classifier, and the framing of its pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from faceshield.data.canvas import crop_canvas
from faceshield.data.synthetic import synthesize_people
from faceshield.training.attack import AUGMENTS, attack
from faceshield.training.runtime import Runtime

RUNTIME = Runtime(torch.device("cpu"), torch.float32)


SETTINGS = {"width": 8, "epochs": 40, "lr": 0.1}


@pytest.fixture(scope="module")
def people():
    return synthesize_people(4, 16, seed=4, size=32)


def test_it_learns_who_is_who_and_counts_them(people):
    held = people.hold_out(0.25, seed=0)
    metrics = attack(people.select(~held), people.select(held), [3], 0, RUNTIME, **SETTINGS)
    assert metrics["others_accuracy"] > 0.6
    confusion = torch.tensor(metrics["confusion"])
    assert confusion.shape == (4, 4)
    assert confusion.sum(1).tolist() == [4, 4, 4, 4]
    assert metrics["protected_accuracy"] == confusion[3, 3] / 4
    assert metrics["others_accuracy"] == pytest.approx(float(confusion.diagonal()[:3].sum()) / 12)
    assert metrics["protected_accuracy_peak"] == pytest.approx(max(metrics["curve_protected"]), abs=1e-3)
    assert len(metrics["curve_protected"]) == len(metrics["curve_others"]) == SETTINGS["epochs"]
    assert (metrics["chance"], metrics["training_photos"], metrics["test_photos"]) == (0.25, 48, 16)


def test_it_repeats_itself(people):
    first, second = (attack(people, people, [0], 5, RUNTIME, **{**SETTINGS, "epochs": 1}) for _ in range(2))
    assert first == second


def test_flip_alone_never_shifts():
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    out = AUGMENTS["flip"](images, torch.Generator().manual_seed(1))
    mirrored = [bool(a.equal(b.flip(-1))) for a, b in zip(out, images, strict=True)]
    kept = [bool(a.equal(b)) for a, b in zip(out, images, strict=True)]
    assert all(a or b for a, b in zip(mirrored, kept, strict=True))
    assert any(mirrored)
    assert any(kept)


def test_framed_is_the_middle_resized():
    images = torch.randint(0, 256, (600, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    out = crop_canvas(images, 20, margin=4)
    middle = images[..., 4:28, 4:28].float()
    theirs = F.interpolate(middle, (20, 20), mode="bilinear", antialias=True, align_corners=False)
    assert out.dtype == torch.uint8
    assert (out.float() - theirs).abs().max() <= 0.5 + 1e-4
    assert crop_canvas(images, 24, margin=4).equal(images[..., 4:28, 4:28])
