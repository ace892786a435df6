import numpy as np
import pytest
import torch

from faceshield.core.types import Face
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.carry import build_turn, carry
from faceshield.faces.detector import overlap, select_clear
from faceshield.faces.mtcnn import MtcnnDetector
from faceshield.imaging.photo import load
from faceshield.models import weights, yunet


@pytest.fixture(scope="module")
def tool():
    return AnyRollDetector()


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_or_mirrored_photo_shows_the_same_face(tool, astronaut, quarter, mirrored):
    photo = astronaut[:, ::-1] if mirrored else astronaut
    (upright,) = tool.detect(photo)
    (turned,) = select_clear(tool.detect(np.rot90(photo, quarter)))
    expected = carry(upright, build_turn(quarter, *photo.shape[:2]))
    eyes = np.linalg.norm(upright.landmarks[1] - upright.landmarks[0])
    assert np.linalg.norm(turned.landmarks - expected.landmarks, axis=1).max() < 0.15 * eyes
    assert overlap(turned.box, expected.box) > 0.8


def test_an_upright_photo_has_nearly_the_points_that_mtcnn_alone_gives(tool, astronaut):
    (ours,), (theirs,) = tool.detect(astronaut), MtcnnDetector().detect(astronaut)
    eyes = np.linalg.norm(theirs.landmarks[1] - theirs.landmarks[0])
    assert np.abs(ours.landmarks - theirs.landmarks).max() < 0.1 * eyes


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 1), (19, 19), (21, 400)])
def test_tiny_and_thin_photos_do_not_crash(tool, size):
    assert tool.detect(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)) == []


def test_turning_a_face_is_what_numpy_does_to_its_pixels():
    picture = np.arange(12).reshape(3, 4)
    spot = Face(np.array([3, 1, 3, 1], np.float32), np.full((5, 2), (3, 1), np.float32), 1.0)
    for quarter in range(4):
        x, y = carry(spot, build_turn(quarter, 3, 4)).landmarks[0].astype(int)
        assert np.rot90(picture, quarter)[y, x] == picture[1, 3]


def test_the_group_and_the_book_cover(tool, shared):
    group = tool.detect(load(shared / "photos/group.jpg").rgb8())
    assert len(select_clear(group)) == len(group) == 6
    assert [face.size for face in group] == sorted((face.size for face in group), reverse=True)
    dogs = select_clear(
        tool.detect(load(shared / "odd/groups_dlib__dogs.jpg").rgb8())
    )  # a man on a book that lies on its side
    assert [overlap(face.box, np.array([64, 462, 107, 496], np.float32)) > 0.6 for face in dogs] == [True]


def test_yunet_is_what_is_registered_and_sees_nothing_in_grey():
    assert weights.find_file("yunet").is_file()
    with torch.no_grad():
        seen = yunet.load()(torch.full((1, 3, 64, 96), 0.5))
    assert seen.points.shape == (1, (8 * 12 + 4 * 6 + 2 * 3), 5, 2)
    assert seen.scores.max() < 0.3
