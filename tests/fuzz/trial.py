"""One hostile file through ``cloak``, and what may come of it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from faceshield.cloaking import detect
from faceshield.cloaking.options import Options
from faceshield.cloaking.run import cloak
from faceshield.core.store import sha256
from faceshield.core.types import Face
from faceshield.evaluation.visibility import linf_255
from faceshield.imaging.photo import load

POINTS = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.55], [0.4, 0.7], [0.6, 0.7]], np.float32)


class MiddleDetector:
    """A face in the middle of every picture, found at once: it is the files that are on trial."""

    def __init__(self, device: str = "cpu") -> None:
        pass

    def detect(self, rgb: np.ndarray) -> list[Face]:
        side = min(rgb.shape[:2])
        corner = (np.array(rgb.shape[1::-1], np.float32) - side) / 2
        return [Face(np.concatenate([corner, corner + side]), corner + POINTS * side, 0.99)]

    def look(self, rgb: np.ndarray, box: np.ndarray) -> Face | None:
        return self.detect(rgb)[0]


def stub_detector() -> None:
    """Let ``cloak`` in this process use :class:`MiddleDetector`."""
    detect.AnyRollDetector = MiddleDetector  # type: ignore[assignment,misc]


def try_file(name: str, data: bytes, folder: Path) -> str:
    """Cloak ``data`` in ``folder``, whose identity "me" is in the vault: "cloaked", "unprotected" or "failed".

    Raises AssertionError where the outcome is none that is documented, or the output does not pass a check of its own.
    """
    source, out = folder / name, folder / "out"
    source.write_bytes(data)
    (report,) = cloak(source, out, Options(identity="me", jobs=1)).photos
    assert source.read_bytes() == data
    left = sorted(path.name for path in out.iterdir())
    if report.status != "cloaked":
        assert report.reason.startswith(f"{source}: "), report.reason
        assert len(report.reason.splitlines()) == 1, report.reason
        assert left == ["faceshield.json"], left
        return report.status
    written = (out / str(report.output)).read_bytes()
    assert left == sorted(["faceshield.json", str(report.output)]), left
    assert sha256(written) == report.sha256_output
    if not str(report.output).endswith((".heic", ".avif")):
        with Image.open(io.BytesIO(written)) as picture:
            picture.load()
    if report.frames is None and report.lossless:
        before, after = load(source), load(out / str(report.output))
        if before.pixels.dtype == after.pixels.dtype:
            assert linf_255(before.pixels, after.pixels) <= 8 + 1e-3
    return report.status
