import numpy as np
import pytest
import torch
from facenet_pytorch import extract_face
from skimage import data, transform

from faceshield.core.errors import PhotoError
from faceshield.core.types import Face
from faceshield.faces.align import (
    CANVAS,
    USUAL_BOX_112,
    align,
    align_150,
    align_box,
    canvas_matrix,
    face_from_box,
)
from faceshield.imaging.crop import DLIB_150, TEMPLATE_112

# a face in skimage's astronaut, points as a detector gave them, to a pixel
LANDMARKS = np.array([[207, 109], [245, 103], [230, 130], [217, 148], [247, 144]], np.float32)
FACE = Face(np.array([176, 62, 264, 180], np.float32), LANDMARKS, 0.99)


def test_canvas_holds_the_112_crop_in_its_middle():
    for size in (112, 128, 160):
        moved = canvas_matrix(FACE, size) - canvas_matrix(FACE, 112)
        np.testing.assert_allclose(moved[:, :2], 0)
        np.testing.assert_allclose(moved[:, 2], (size - 112) / 2, atol=1e-4)


def test_alignment_agrees_with_skimage():
    photo = data.astronaut()
    aligned = align(photo, FACE)
    fitted = transform.SimilarityTransform.from_estimate(LANDMARKS, TEMPLATE_112 + (CANVAS - 112) / 2)
    np.testing.assert_allclose(aligned.photo_to_crop, fitted.params[:2], rtol=1e-4, atol=1e-3)
    other = transform.warp(photo, fitted.inverse, output_shape=(CANVAS, CANVAS), order=1)
    np.testing.assert_allclose(aligned.image.permute(1, 2, 0).numpy(), other, atol=1e-3)
    assert aligned.image.dtype == torch.float32
    assert aligned.face is FACE


def test_chip_for_the_recogniser_puts_the_points_on_its_template():
    crop = align_150(data.astronaut(), FACE)
    points = LANDMARKS @ crop.photo_to_crop[:, :2].T + crop.photo_to_crop[:, 2]
    assert crop.image.shape == (3, 150, 150)
    assert np.abs(points - DLIB_150).mean() < 4


@pytest.mark.parametrize("box", [[176.4, 62.7, 264.3, 180.9], [-20, -10, 70, 90], [300, 250, 600, 530]])
def test_a_box_is_cut_out_as_facenet_does(box):
    """But for interpolation at the box's edge, where facenet's knows nothing of the pixels beyond."""
    face = align_box(data.astronaut(), Face(np.float32(box), LANDMARKS, 0.99))
    expected = extract_face(data.astronaut(), box, image_size=160, margin=0) / 255
    assert face.image.shape == expected.shape
    assert (face.image - expected).abs().mean() < 0.01
    low, high = np.clip(np.reshape(box, (2, 2)), 0, 512).astype(int)
    for corner, place in ((low, -0.5), (high, 159.5)):
        moved = face.photo_to_crop @ np.append(corner - 0.5, 1)
        np.testing.assert_allclose(moved, place, atol=1e-3)


def test_a_face_at_the_corner_is_black_where_the_photo_ends():
    photo = np.full((60, 60, 3), 255, np.uint8)
    aligned = align(photo, Face(FACE.box, LANDMARKS - (207, 109), 1.0))
    assert not aligned.image[:, :20, :20].any()
    torch.testing.assert_close(aligned.image[:, 80:100, 70:90], torch.ones(3, 20, 20))


def test_read_only_pixels_are_fine():
    photo = data.astronaut()
    photo.setflags(write=False)
    assert align(photo, FACE).image.max() > 0.5


def test_a_box_becomes_an_upright_face_that_fills_it():
    box = np.array([100, 50, 100 + 78, 50 + 105.5])
    face = face_from_box(box)
    matrix = canvas_matrix(face, 112)
    np.testing.assert_allclose(matrix @ [*box[:2], 1], USUAL_BOX_112[:2], atol=1e-2)
    np.testing.assert_allclose(matrix @ [*box[2:], 1], USUAL_BOX_112[2:], atol=1e-2)
    assert face.score == 1
    with pytest.raises(PhotoError, match="no area"):
        face_from_box((5, 5, 4, 9))


def test_coinciding_landmarks_are_refused():
    with pytest.raises(PhotoError, match="do not span a face"):
        align(data.astronaut(), Face(FACE.box, np.zeros((5, 2), np.float32), 1.0))
