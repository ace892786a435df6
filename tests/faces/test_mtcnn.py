import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from faceshield.core.errors import PhotoError
from faceshield.faces.detector import CONFIDENT, overlap, select_clear
from faceshield.faces.mtcnn import MtcnnDetector

SHARED = Path(os.environ.get("FACESHIELD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
needs_photos = pytest.mark.skipif(not (SHARED / "data/photos").is_dir(), reason="the shared photos are not here")


def pixels(path):
    with Image.open(SHARED / "data" / path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Many small layers: on busy cores two threads wait for each other, ten times as long as one takes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def detector():
    return MtcnnDetector()


@pytest.fixture(scope="module")
def astronaut():
    return data.astronaut()


@pytest.mark.slow
def test_importing_faces_loads_no_network():
    code = "import sys, faceshield.faces.mtcnn as m; m.MtcnnDetector(); sys.exit('facenet_pytorch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_astronaut_has_one_confident_face(detector, astronaut):
    (face,) = detector.detect(astronaut)
    assert face.score > CONFIDENT
    assert overlap(face.box, np.array([176, 62, 264, 180])) > 0.6
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
    assert face.box.dtype == face.landmarks.dtype == np.float32


def test_the_same_photo_gives_the_same_face(astronaut):
    one, two = (MtcnnDetector().detect(astronaut)[0] for _ in range(2))
    assert np.array_equal(one.landmarks, two.landmarks)
    assert one.score == two.score


def test_no_face_is_an_empty_list(detector):
    assert detector.detect(data.coffee()) == []
    assert detector.detect(np.full((300, 300, 3), 200, np.uint8)) == []


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3000, 1), (19, 19), (20, 20), (21, 400), (25, 2500)])
def test_tiny_and_thin_photos_do_not_crash(detector, size):
    rng = np.random.default_rng(0)
    assert detector.detect(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_holds_no_clear_face(detector, seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    faces = detector.detect(cv2.resize(coarse, (240, 200), interpolation=cv2.INTER_CUBIC))
    assert not select_clear(faces)


@pytest.mark.parametrize("edge", [np.s_[:120, 180:], np.s_[100:, :230]])
def test_a_face_cut_by_the_border_does_not_crash(detector, astronaut, edge):
    for face in detector.detect(astronaut[edge]):
        assert np.isfinite(face.landmarks).all()


def test_read_only_and_turned_pixels_are_fine(detector, astronaut):
    turned = np.rot90(astronaut)
    assert all(face.score < CONFIDENT for face in detector.detect(turned))
    flipped = cv2.resize(astronaut, (1500, 1500))[:, ::-1]
    flipped.setflags(write=False)
    assert len(detector.detect(flipped)) == 1


def test_a_mirrored_photo_has_mirrored_landmarks(detector, astronaut):
    (face,), (mirrored,) = detector.detect(astronaut), detector.detect(np.ascontiguousarray(astronaut[:, ::-1]))
    back = (astronaut.shape[1] - 1 - mirrored.landmarks[:, 0])[[1, 0, 2, 4, 3]]
    assert abs(np.mean(back - face.landmarks[:, 0])) < 1.0
    assert np.abs(back - face.landmarks[:, 0]).max() < 3.0


@pytest.mark.parametrize("factor", [0.5, 3])
def test_landmarks_do_not_depend_on_the_size_of_the_photo(detector, astronaut, factor):
    (face,) = detector.detect(astronaut)
    kind = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    (scaled,) = detector.detect(cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=kind))
    back = (scaled.landmarks + 0.5) / factor - 0.5
    eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
    assert np.abs(back - face.landmarks).max() < 0.1 * eyes


def test_small_faces_of_a_large_photo_are_found_and_large_photos_are_reduced(detector, astronaut):
    """A 12-megapixel photo with 41-pixel faces; beyond 16 megapixels the smallest face grows."""
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(90, 160, (30, 40, 3), dtype=np.uint8), (4000, 3000))
    small = cv2.resize(astronaut, (180, 180), interpolation=cv2.INTER_AREA)
    corners = [(100, 200), (1500, 1900), (2700, 3700)]
    for y, x in corners:
        photo[y : y + 180, x : x + 180] = small
    faces = [face for face in detector.detect(photo) if face.score > CONFIDENT]
    assert len(faces) == 3
    assert all(35 < face.size < 50 for face in faces)
    found = sorted(
        (round(float(f.box[1]) - 62 * 180 / 512, -2), round(float(f.box[0]) - 176 * 180 / 512, -2)) for f in faces
    )
    assert found == corners
    assert 20 / detector._choose_reduction(3000, 4000) == 40
    assert 20 / detector._choose_reduction(4000, 8000) == pytest.approx(40 * 2**0.5)
    assert detector._choose_reduction(700, 1000) == 1
    assert MtcnnDetector(min_face=20)._choose_reduction(3000, 4000) == 1


def test_look_finds_the_face_in_a_loose_box(detector, astronaut):
    (face,) = detector.detect(astronaut)
    seen = detector.look(astronaut, np.array([140, 20, 300, 220], np.float32))
    assert seen is not None
    assert overlap(seen.box, face.box) > 0.7
    assert detector.look(astronaut, np.array([0, 400, 60, 470], np.float32)) is None
    with pytest.raises(PhotoError, match="no area"):
        detector.look(astronaut, np.array([9, 9, 9, 20], np.float32))


@needs_photos
def test_group_photo_has_six_confident_faces_largest_first(detector):
    faces = detector.detect(pixels("photos/group.jpg"))
    assert len(faces) == 6
    assert min(face.score for face in faces) > CONFIDENT
    assert [face.size for face in faces] == sorted((face.size for face in faces), reverse=True)


@needs_photos
@pytest.mark.parametrize("letter", "abcd")
def test_portraits_have_one_confident_face(detector, letter):
    faces = detector.detect(pixels(f"photos/portrait_{letter}.jpg"))
    assert [face.score > CONFIDENT for face in faces] == [True]


@needs_photos
def test_dogs_are_not_confident_faces(detector):
    faces = detector.detect(pixels("odd/groups_dlib__dogs.jpg"))
    assert all(face.score < CONFIDENT for face in faces)


@needs_photos
def test_a_partial_face_is_found(detector):
    face = detector.detect(pixels("odd/face_recognition_tests__partial_face.jpg"))[0]
    assert face.score > CONFIDENT
