"""About a hundred kinds of files that people have, cloaked: the face changes by ε, and nothing else is another."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from people_files import REFUSED, WRITTEN, Kind
from PIL import Image, ImageOps, features

from faceshield.cloaking.album import Item
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import IdentityNoise
from faceshield.cloaking.photo import cloak_one
from faceshield.cloaking.report import PhotoReport
from faceshield.core.errors import PhotoError
from faceshield.core.store import sha256
from faceshield.core.types import Face
from faceshield.imaging.photo import load


class KnownFace:
    """In place of a finder: the one face, where it is in the portrait, if the photo is the upright portrait."""

    def __init__(self, face: Face, portrait: np.ndarray, like: float) -> None:
        self.face, self.portrait, self.like = face, portrait, like

    def recall(self, path: Path, digest: str) -> None:
        return None

    def find(self, rgb: np.ndarray, path: Path) -> tuple[list[Face], int]:
        assert rgb.shape == self.portrait.shape
        grey = self.portrait @ np.array([0.299, 0.587, 0.114])
        y0, x0, y1, x1 = 5, 30, 75, 90
        off = np.abs(rgb.mean(axis=2) - grey)[y0:y1, x0:x1].mean()
        assert off < self.like + 12, f"{path}: is not the upright portrait ({off} levels off)"
        return [self.face], 1


@pytest.fixture(scope="module")
def face(portrait, detector):
    """The face of the halved portrait, found in the whole one."""
    (face,) = detector.detect(portrait)
    return Face((face.box + 0.5) / 2 - 0.5, (face.landmarks + 0.5) / 2 - 0.5, face.score)


@pytest.fixture(scope="module")
def half(portrait):
    """(128, 112, 3): a quarter of the time of the slow codecs."""
    return cv2.resize(portrait, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def needs(name: str) -> None:
    if "avif" in name and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    if "heic" in name:
        pytest.importorskip("pillow_heif")


def run(data: bytes, name: str, folder: Path, ready, finder) -> PhotoReport:
    source = folder / "in" / name
    source.parent.mkdir()
    (folder / "out").mkdir()
    source.write_bytes(data)
    item = Item(source, Path(name))
    return cloak_one(
        load(source), sha256(source), item, OutputNames(folder / "out"), IdentityNoise(ready), finder, Options()
    )


def shown(path: Path, deep: bool) -> np.ndarray:
    """(H, W, 4) float in levels of 255 as another program shows it: Pillow, OpenCV (16 bits) or pillow-heif."""
    data = path.read_bytes()
    if path.suffix == ".heic":
        import pillow_heif

        heif = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        array = np.asarray(heif)[: heif.size[1], : heif.size[0]]
    elif deep:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        array = array if array.ndim == 2 else array[..., [2, 1, 0, 3][: array.shape[2]]]
    else:
        with Image.open(io.BytesIO(data)) as picture:
            array = np.asarray(ImageOps.exif_transpose(picture).convert("RGBA"))
    white = np.iinfo(array.dtype).max
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.shape[2] == 3:
        array = np.dstack([array, np.full(array.shape[:2], white, array.dtype)])
    return array.astype(np.float64) / white * 255


def test_there_are_about_a_hundred() -> None:
    assert len(WRITTEN) + len(REFUSED) >= 98


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_comes_back_as_it_was_but_for_the_face(name: str, tmp_path: Path, half, ready, face) -> None:
    needs(name)
    kind: Kind = WRITTEN[name]
    report = run(kind.make(half), kind.name, tmp_path, ready, KnownFace(face, half, kind.like))
    source, written = tmp_path / "in" / kind.name, tmp_path / "out" / report.output

    was, came = load(source), load(written)
    for photo in (was, came):
        assert (photo.orientation, photo.grey, photo.alpha is not None) == (kind.orientation, kind.grey, kind.alpha)
        assert photo.pixels.dtype == (np.uint16 if kind.deep else np.uint8)
        assert photo.icc == kind.icc or "cmyk" in name

    if "xmp" in name or "without its end" in name:  # which Pillow by itself does not obey, or read
        before, after = (np.dstack([photo.pixels, np.full(photo.pixels.shape[:2], 255)]) for photo in (was, came))
    else:
        before, after = shown(source, kind.deep), shown(written, kind.deep)
    (y0, x0, y1, x1) = report.faces[0].region
    change = np.abs(after.astype(np.float64) - before)
    inside = change[y0:y1, x0:x1, :3].copy()
    change[y0:y1, x0:x1, :3] = 0
    assert report.lossless is kind.exact
    if kind.exact:
        assert change.max() == 0
        assert inside.max() <= 8 + 1e-6
        assert inside.max() >= (6 if kind.grey else 7)
    else:
        assert change[..., :3].mean() < 1.5, "no more than coding it again does"
        assert change[..., 3].max() <= 2
        assert report.written_linf_255 == pytest.approx(inside.max(), abs=0.51)
    assert inside.mean() > (0.5 if kind.exact else change[..., :3].mean())
    told = "; ".join((*report.stripped, *report.notices, *report.changes))
    assert kind.says in told
    assert "cannot be read" not in told


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_cloaked_says_why_in_a_line(name: str, tmp_path: Path, half, ready, face) -> None:
    needs(name)
    make, says = REFUSED[name]
    with pytest.raises(PhotoError, match=says) as caught:
        run(make(half), "a.jpg", tmp_path, ready, KnownFace(face, half, 4))
    assert str(caught.value).startswith(f"{tmp_path / 'in' / 'a.jpg'}: ")
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value), "a refusal ends with the fix"
    assert not any((tmp_path / "out").glob("*"))
