import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from faceshield.core.errors import PhotoError, UnprotectedError, UsageError
from faceshield.core.types import Face
from faceshield.faces.align import align_150
from faceshield.faces.mtcnn import MtcnnDetector
from faceshield.faces.pick import Place, Several, choose, embed_faces, find_most_alike, parse_choice
from faceshield.models import resnet29

SHARED = Path(os.environ.get("FACESHIELD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
LFW = SHARED / "data/lfw"
needs_lfw = pytest.mark.skipif(not LFW.is_dir(), reason="the LFW photos are not here")


def face(x, y, side, score=0.99):
    box = np.array([x, y, x + side, y + side], np.float32)
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Face(box, points * side + (np.float32(x), np.float32(y)), score)


FACES = [face(0, 0, 90), face(200, 0, 60), face(400, 0, 30)]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("largest", "largest"),
        (" All ", "all"),
        ("1", 1),
        ("12", 12),
        ("10,20,30,40", Place(10, 20, 30, 40)),
        ("1.5, -2, 3, 4", Place(1.5, -2, 3, 4)),
        ("1+3", Several((1, 3))),
        ("2 + 10,20,30,40", Several((2, Place(10, 20, 30, 40)))),
    ],
)
def test_choices_are_read(text, meaning):
    assert parse_choice(text) == meaning
    assert type(parse_choice(text)) is type(meaning)


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "first", "1.5", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1,2,3,-4", "a,b,c,d", "1+", "+", "1+all", "2+0"],
)
def test_other_words_are_refused_with_what_would_do(text):
    with pytest.raises(UsageError, match="use largest, all, a number from 1, or a box"):
        parse_choice(text)


@pytest.mark.parametrize("text", ["nan,0,1,1", "0,0,inf,1"])
def test_boxes_without_end_are_refused(text):
    with pytest.raises(UsageError):
        parse_choice(text)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text):
    try:
        choice = parse_choice(text)
    except UsageError as error:
        refusal = str(error)
    else:
        refusal = None
    if refusal is not None:
        assert repr(text) in refusal
    elif isinstance(choice, Place):
        assert np.isfinite(choice).all()
        assert min(choice.width, choice.height) > 0
    elif isinstance(choice, Several):
        assert len(choice.each) > 1
    else:
        assert choice in ("largest", "all") or choice >= 1


def test_largest_all_and_number():
    assert choose(FACES, "largest") == FACES[:1]
    assert choose(FACES, "all") == FACES
    assert choose(FACES, 3) == FACES[2:]


def test_largest_passes_over_doubtful_faces():
    doubtful = face(0, 0, 200, score=0.8)
    assert choose([doubtful, *FACES], "largest") == FACES[:1]
    assert choose([doubtful], "largest") == [doubtful]


def test_a_number_too_high_says_how_many_there_are():
    with pytest.raises(UnprotectedError, match=r"^face 3 was asked for, 2 were found$"):
        choose(FACES[:2], 3)
    with pytest.raises(UnprotectedError, match=r"^face 2 was asked for, 1 was found$"):
        choose(FACES[:1], 2)


@pytest.mark.parametrize("choice", ["largest", "all", 1])
def test_no_face_at_all(choice):
    with pytest.raises(UnprotectedError, match="no face was found"):
        choose([], choice)


def test_a_place_takes_the_face_found_there():
    assert choose(FACES, Place(195, -5, 70, 70)) == [FACES[1]]


def test_several_are_each_chosen_and_none_twice():
    assert choose(FACES, Several((3, 1))) == [FACES[2], FACES[0]]
    assert choose(FACES, Several((2, Place(195, -5, 70, 70), 1))) == [FACES[1], FACES[0]]
    with pytest.raises(UnprotectedError, match="face 4 was asked for"):
        choose(FACES, Several((1, 4)))


def test_a_place_without_a_face_is_taken_at_its_word():
    (made,) = choose(FACES, Place(600, 100, 50, 60))
    np.testing.assert_array_equal(made.box, [600, 100, 650, 160])
    assert made.score == 1


def test_a_place_outside_the_photo_is_refused():
    with pytest.raises(UnprotectedError, match=r"box 600,0,50,50 lies outside the photo of 100x80 pixels"):
        choose(FACES, Place(600, 0, 50, 50), rgb=np.zeros((80, 100, 3), np.uint8))


class OneLook:
    """A detector that finds nothing at first and one face when it looks closely."""

    def __init__(self, seen):
        self.seen = seen

    def detect(self, rgb):
        return []

    def look(self, rgb, box):
        return self.seen


def test_a_place_is_looked_at_closely_when_nothing_was_found_there():
    rgb = np.zeros((300, 300, 3), np.uint8)
    seen = face(110, 110, 70)
    assert choose([], Place(100, 100, 100, 100), rgb, OneLook(seen)) == [seen]
    (made,) = choose([], Place(100, 100, 100, 100), rgb, OneLook(None))
    np.testing.assert_array_equal(made.box, [100, 100, 200, 200])


class Brightness:
    """Stands in for the network: an embedding is the crop's mean brightness in each colour."""

    def embed(self, images, flip=False):
        return torch.nn.functional.pad(images.mean(dim=(2, 3)), (0, 125))


def test_most_like_takes_the_closest_and_refuses_other_people():
    rgb = np.zeros((100, 500, 3), np.uint8)
    rgb[:, 180:300] = (255, 0, 0)
    red = torch.nn.functional.pad(torch.tensor([1.0, 0, 0]), (0, 125))
    closest, distance = find_most_alike(rgb, [face(20, 20, 60), face(210, 20, 60)], red, Brightness())
    assert closest.box[0] == 210
    assert distance < 0.4
    with pytest.raises(UnprotectedError, match=r"nobody .* looks like ME\.jpg: closest distance 1\.00, limit 0\.60"):
        find_most_alike(rgb, [face(20, 20, 60)], red, Brightness(), "ME.jpg")
    with pytest.raises(UnprotectedError, match=r"could look like ME\.jpg"):
        find_most_alike(rgb, [], red, Brightness(), "ME.jpg")


def test_embedding_no_faces_gives_no_rows():
    assert embed_faces(np.zeros((9, 9, 3), np.uint8), [], resnet29.load()).shape == (0, 128)


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # see test_mtcnn
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_like_finds_a_person_in_another_picture():
    detector, network, photo = MtcnnDetector(), resnet29.load(), data.astronaut()
    reference = embed_faces(photo, detector.detect(photo), network)[0]
    darker = (np.ascontiguousarray(photo[:300, ::-1]) * 0.7).astype(np.uint8)
    _, distance = find_most_alike(darker, detector.detect(darker), reference, network)
    assert distance < 0.3
    with pytest.raises(PhotoError):
        embed_faces(photo, [Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)], network)


def lfw_pairs(count):
    """The first ``count`` same and ``count`` different pairs of the official list, as (left, right, same)."""
    lines = [line.split() for line in (LFW / "pairs.txt").read_text().splitlines()[1:]]
    same = [((n, a), (n, b), True) for n, a, b in (line for line in lines if len(line) == 3)]
    other = [((n, a), (m, b), False) for n, a, m, b in (line for line in lines if len(line) == 4)]
    return same[:count] + other[:count]


@pytest.mark.slow
@needs_lfw
@pytest.mark.usefixtures("one_thread")
def test_lfw_pairs_are_separated_by_the_match_distance():
    detector, network, pairs, places = MtcnnDetector(), resnet29.load(), lfw_pairs(20), {}
    for name, number in {end for left, right, _ in pairs for end in (left, right)}:
        with Image.open(LFW / "images" / name / f"{name}_{int(number):04d}.jpg") as image:
            rgb = np.asarray(image.convert("RGB"))
        centre = np.array([rgb.shape[1], rgb.shape[0]]) / 2
        middle = min(detector.detect(rgb), key=lambda f: np.abs(f.box.reshape(2, 2).mean(0) - centre).sum())
        places[name, number] = network.embed(align_150(rgb, middle).image[None], flip=True)[0]
    right_calls = sum((float((places[a] - places[b]).norm()) < resnet29.MATCH_DISTANCE) == same for a, b, same in pairs)
    assert right_calls >= 38
