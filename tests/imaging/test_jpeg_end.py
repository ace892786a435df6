"""A JPEG that lacks its end marker is whole; one that lacks anything else is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from photo_samples import camera_exif, noise, saved, smooth
from skimage import data as pictures

from faceshield.core.errors import PhotoError
from faceshield.imaging.jpeg_end import MISSING_END
from faceshield.imaging.photo import decode, encode

PORTRAIT = pictures.astronaut()[:120, 150:300]
KINDS: dict[str, tuple[np.ndarray, dict[str, Any]]] = {
    "baseline": (PORTRAIT, {}),
    "progressive": (PORTRAIT, {"progressive": True}),
    "restarts": (PORTRAIT, {"restart_marker_rows": 1}),
    "restarts progressive": (PORTRAIT, {"restart_marker_blocks": 7, "progressive": True}),
    "grey": (PORTRAIT[..., 1], {}),
    "4:4:4": (noise(40, 40), {"subsampling": 0, "quality": 95}),
    "exif": (smooth(), {"exif": camera_exif(6)}),
}
FILES = {name: saved(array, "JPEG", **options) for name, (array, options) in KINDS.items()}
ANY = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def is_whole(data: bytes) -> bool:
    try:
        photo = decode(data, Path("face.jpg"))
    except PhotoError:
        return False
    return MISSING_END in photo.details["changes"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [1, 2])
def test_only_the_end_marker_is_missing(name: str, cut: int) -> None:
    whole, cut_off = (decode(data, Path("face.jpg")) for data in (FILES[name], FILES[name][:-cut]))
    np.testing.assert_array_equal(whole.pixels, cut_off.pixels)
    assert MISSING_END not in whole.details["changes"]
    encoded = encode(cut_off, cut_off.pixels)
    assert MISSING_END in encoded.changes
    assert encoded.data.endswith(b"\xff\xd9")


@pytest.mark.parametrize("name", FILES)
@ANY
@example(keep=-3)
@example(keep=-4)
@example(keep=-20)
@given(keep=st.integers(1, 10**6))
def test_anything_else_that_is_missing_is_missed(name: str, keep: int) -> None:
    data = FILES[name]
    assert not is_whole(data[: keep if keep < 0 else keep % (len(data) - 2)])


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_where_a_part_ends(name: str) -> None:
    """Before each restart, and before and behind each scan's head: where a cut leaves no half of anything."""
    data = FILES[name]
    places = [place for place in range(2, len(data) - 2) if data[place] == 0xFF and data[place + 1] != 0]
    assert len(places) > 5
    for place in places:
        assert not is_whole(data[:place])
        assert not is_whole(data[: place + 2])


@pytest.mark.parametrize("name", FILES)
def test_zeros_behind_the_picture(name: str) -> None:
    data = FILES[name]
    assert is_whole(data[:-2] + bytes(4096))
    assert not is_whole(data[: len(data) * 3 // 4] + bytes(4096)), "zeros are no rows"


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_with_something_behind_it_is_no_case_for_this(name: str) -> None:
    for rest in (bytes(50), b"a video", b"\xff\xd8\xff\xe0 another"):
        assert MISSING_END not in decode(FILES[name] + rest, Path("face.jpg")).details["changes"]


def test_a_cut_off_file_says_so() -> None:
    with pytest.raises(PhotoError, match=r"face\.jpg: is cut off: rows .* copy it again"):
        decode(FILES["baseline"][:-40], Path("face.jpg"))
