"""A photo that lies on its side or head, or is mirrored, without a tag that says so."""

from __future__ import annotations

import numpy as np
import pytest

from faceshield.cloaking.options import Options
from faceshield.cloaking.run import cloak


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_it_is_cloaked_and_nothing_beside_the_face_changes(tmp_path, astronaut, me, put, pixels, quarter, mirrored):
    photo = np.ascontiguousarray(np.rot90(astronaut[:, ::-1] if mirrored else astronaut, quarter))
    report = cloak(put(tmp_path / "photo.png", photo), tmp_path / "out", Options(identity="me"))
    assert [one.status for one in report.photos] == ["cloaked"]
    (face,) = report.photos[0].faces
    change = np.abs(pixels(tmp_path / "out" / "photo.png") - photo.astype(int))
    y0, x0, y1, x1 = face.region
    assert 0 < change[y0:y1, x0:x1].max() <= 8
    change[y0:y1, x0:x1] = 0
    assert not change.any()
    spot = np.zeros(astronaut.shape[:2], bool)
    spot[62:180, slice(248, 336) if mirrored else slice(176, 264)] = True  # the face, as it lies in the upright photo
    assert np.rot90(spot, quarter)[y0:y1, x0:x1].sum() > 0.95 * 118 * 88
