"""What a recipe makes of the reports that the command wrote."""

from __future__ import annotations

import pytest

from faceshield.experiments.faces.command import visibility

FACE = {
    "ssim_face": 0.98, "linf_255": 8.0, "delta_e_mean": 2.0, "delta_e_p95": 3.0, "tint_mean": 1.0, "contrast_p95": 0.4,
    "flip_mean": 0.1,
}  # fmt: skip


def test_faces_are_averaged_and_the_worst_named():
    other = {**FACE, "ssim_face": 0.9, "linf_255": 7.0, "tint_mean": 2.0, "contrast_p95": 0.8, "flip_mean": 0.3}
    found = visibility([FACE, other])
    assert found == pytest.approx(
        {
            "ssim_face": 0.94,
            "ssim_face_min": 0.9,
            "linf_255": 8.0,
            "delta_e_mean": 2.0,
            "delta_e_p95": 3.0,
            "tint_mean": 1.5,
            "contrast_p95": 0.6,
            "flip_mean": 0.2,
        }
    )


def test_a_figure_that_was_not_measured_everywhere_is_left_out():
    found = visibility([FACE, {**FACE, "flip_mean": None}])
    assert "flip_mean" not in found
    assert found["tint_mean"] == 1.0
