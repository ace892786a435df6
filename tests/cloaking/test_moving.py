"""Moving pictures through the command: every frame that shows the face, at its time, and the others as they were."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, features

from faceshield import Options, cloak
from faceshield.cloaking import check_frames as check_module
from faceshield.cloaking.detect import Finder
from faceshield.core.errors import UnprotectedError
from faceshield.core.types import Face

TIMES = [40, 120, 70, 200]
FORMATS = {
    "a.gif": {"disposal": 1},
    "a.png": {},
    "a.webp": {"lossless": True},
    "b.webp": {"quality": 90},
    "a.avif": {"quality": 90},
}
LOSSLESS = ("a.png", "a.webp")


@pytest.fixture(autouse=True)
def known_face(monkeypatch, portrait, detector):
    """The detector asked once: a frame shows the portrait, or is of one colour."""
    (face,) = detector.detect(portrait)

    def find(self, rgb, path):
        if rgb[60:160].reshape(-1, 3).std(axis=0).max() < 5:
            raise UnprotectedError(f"{path}: no face was found; choose it by --face X,Y,W,H")
        return [Face(face.box, face.landmarks, face.score)], 1

    monkeypatch.setattr(Finder, "find", find)


@pytest.fixture
def frames(portrait):
    """Four frames of one portrait in front of which something moves; the third shows nobody."""
    made = []
    for number in range(4):
        frame = portrait.copy()
        frame[200:, 20 * number : 20 * number + 30] = (200, 30, 30)
        if number == 2:
            frame[:] = (40, 60, 160)
        made.append(frame)
    return made


def save(path, frames, times=TIMES, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=times, **options)
    return path


def shown(path):
    """(frames (N, H, W, 3) int16, times, loop) as Pillow shows them."""
    with Image.open(path) as picture:
        found, times = [], []
        for number in range(picture.n_frames):
            picture.seek(number)
            picture.load()
            times.append(picture.info.get("duration", 0))
            found.append(np.asarray(picture.convert("RGB")).astype(np.int16))
        return np.stack(found), times, picture.info.get("loop")


@pytest.fixture
def moved(cli, me, report, frames, tmp_path):
    """Cloak a moving picture and give what is shown before and after, and its report."""

    def run(name, *options, code=0, array=None, **how):
        if name.endswith("avif") and not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        source = save(tmp_path / "in" / name, frames if array is None else array, **{**FORMATS.get(name, {}), **how})
        said = cli("cloak", source, "-o", tmp_path / "out", *options, code=code)
        (photo,) = report(tmp_path / "out")["photos"]
        after = shown(tmp_path / "out" / photo["output"]) if photo["output"] else None
        return shown(source), after, photo, said

    return run


@pytest.mark.parametrize("name", FORMATS)
def test_each_frame_that_shows_the_face_is_cloaked_and_time_stays(name, moved):
    (before, times, loop), (after, times_after, loop_after), photo, said = moved(name, loop=3)
    assert times_after == times == TIMES
    assert loop_after == loop
    assert loop_after == (None if name == "a.avif" else 3)
    assert after.shape == before.shape
    assert (photo["frames"], photo["frames_cloaked"]) == (4, 3)
    assert "note: the face was clear in 3 of 4 frames: the others are as they were" in said.stdout
    assert [face["frame"] for face in photo["faces"]] == [1, 2, 4]
    for face in photo["faces"]:
        y0, x0, y1, x1 = face["region"]
        change = after[face["frame"] - 1, y0:y1, x0:x1] - before[face["frame"] - 1, y0:y1, x0:x1]
        assert face["linf_255"] == 8
        assert np.abs(change).mean() > 1
    assert photo["lossless"] is (name in LOSSLESS)


@pytest.mark.parametrize("name", LOSSLESS)
def test_the_bound_holds_in_each_frame_and_nothing_else_changes(name, moved):
    (before, _, _), (after, _, _), photo, _ = moved(name)
    change = after - before
    assert [np.abs(frame).max() for frame in change] == [8, 8, 0, 8]
    for face in photo["faces"]:
        y0, x0, y1, x1 = face["region"]
        change[face["frame"] - 1, y0:y1, x0:x1] = 0
    assert not change.any()
    assert (photo["written_linf_255"], photo["resaved_linf_255"]) == (8, 0)
    assert not photo["changes"]
    assert not photo["stripped"]


@pytest.mark.parametrize("name", ["a.gif", "b.webp", "a.avif"])
def test_what_a_format_adds_by_itself_is_told(name, moved):
    (before, _, _), (after, _, _), photo, _ = moved(name)
    regions = [(face["frame"] - 1, *face["region"]) for face in photo["faces"]]
    worst = max(int(np.abs(after[n, y0:y1, x0:x1] - before[n, y0:y1, x0:x1]).max()) for n, y0, x0, y1, x1 in regions)
    assert photo["written_linf_255"] == worst > 8
    assert photo["resaved_linf_255"] is not None
    word = {"a.gif": "256 colours", "b.webp": "quality 90", "a.avif": "repeats for ever"}[name]
    assert any(word in change for change in photo["changes"])


def test_a_gif_keeps_the_noise_and_frames_of_few_colours(moved, tmp_path):
    (before, _, _), (after, _, _), photo, _ = moved("a.gif")
    np.testing.assert_array_equal(after[2], before[2])
    cli_png = (after - before)[0]
    y0, x0, y1, x1 = photo["faces"][0]["region"]
    part = cli_png[y0:y1, x0:x1].astype(float)
    exact = cloak(tmp_path / "in" / "a.gif", tmp_path / "exact", Options(format="png"))
    assert exact.photos[0].lossless
    wanted = (shown(tmp_path / "exact" / "a.png")[0][0] - before[0])[y0:y1, x0:x1]
    assert np.corrcoef(part.ravel(), wanted.ravel())[0, 1] > 0.5


@pytest.mark.parametrize(("name", "to"), [*itertools.product(["a.gif", "a.png", "b.webp"], ["png", "webp"])])
def test_into_another_format_that_moves(name, to, moved):
    (before, times, _), (after, times_after, _), photo, _ = moved(name, "--format", to)
    assert times_after == times
    assert photo["output"].endswith(to)
    assert photo["lossless"] is (name != "b.webp" or to == "png")
    if photo["lossless"]:
        assert np.abs(after - before).max() == 8


def test_jpeg_does_not_move(moved):
    _, after, _photo, said = moved("a.gif", "--format", "jpeg", code=4)
    assert after is None
    assert "a JPEG does not move; use another format or --frames first" in said.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_first_is_the_first_frame_as_a_still_picture(name, moved):
    (before, _, _), (after, _, _), photo, _ = moved(name, "--frames", "first")
    assert len(after) == 1
    assert photo["frames"] is None
    assert "3 further frame(s)" in photo["stripped"]
    if name in ("a.gif", *LOSSLESS):
        assert np.abs(after[0] - before[0]).max() == 8
    assert photo["output"] == ("a.png" if name == "a.gif" else name)


@pytest.mark.parametrize("against", ["search", "both"])
def test_masks_are_refused(against, cli, me, frames, tmp_path, monkeypatch):
    save(tmp_path / "in/a.png", frames)
    monkeypatch.setattr("faceshield.cloaking.strategy.Strategy.build_perturbation", lambda *_: me)
    said = cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--against", against, code=3).stderr
    assert "averaged away over the frames; use --frames first, or --against training" in said


def test_a_file_none_of_whose_frames_shows_a_face_is_unprotected(moved, frames):
    _, after, photo, said = moved("a.png", code=3, array=[frames[2], frames[2] // 2])
    assert after is None
    assert photo["status"] == "unprotected"
    assert "no face was found" in photo["reason"]
    assert "the first of 2 frames, none of which shows a clear face" in said.stderr


def test_the_first_noise_is_made_from_a_frame(cli, frames, report, tmp_path):
    save(tmp_path / "in/a.gif", [frames[2], *frames], [30, *TIMES])
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out", "--fast")
    (photo,) = report(tmp_path / "out")["photos"]
    assert (photo["frames"], photo["frames_cloaked"]) == (5, 3)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_see_through_frames_and_what_is_left_of_the_last_one(name, moved, frames):
    """Frames smaller than the picture, with holes: what is seen stays what was seen."""
    array = [np.dstack([frame, np.full(frame.shape[:2], 255, np.uint8)]) for frame in (*frames[:2], frames[3])]
    array[1][100:150, 10:60, 3] = 0
    array[2][150:200, 10:60, 3] = 0
    how = {"exact": True} if name == "a.webp" else {"disposal": 2}
    (before, _, _), (after, _, _), photo, _ = moved(name, array=array, times=[50, 60, 70], **how)
    assert photo["frames_cloaked"] == 3
    if name != "a.gif":
        assert np.abs(after - before).max() == 8


def test_an_apngs_still_picture_is_cloaked_as_well(moved, pixels):
    (before, _, loop), (after, times, loop_after), _photo, _ = moved(
        "a.png", default_image=True, times=TIMES[1:], loop=2
    )
    assert times == [0, *TIMES[1:]]
    assert loop == loop_after == 2
    assert [np.abs(frame).max() for frame in after - before] == [8, 8, 0, 8]


def test_times_that_are_no_whole_milliseconds(moved):
    (_, before, _), (_, after, _), _, _ = moved("a.png", times=[1000 / 30, 1000 / 24, 1001 / 60, 0])
    assert after == pytest.approx(before)


def test_grey_frames_stay_grey(moved, frames):
    _, (after, _, _), _, _ = moved("a.gif", array=[np.repeat(frame[..., 1:2], 3, axis=2) for frame in frames])
    assert np.ptp(after, axis=3).max() == 0


def test_frames_that_do_not_come_back_are_not_written(moved, monkeypatch):
    monkeypatch.setattr(check_module, "open_animation", lambda data, path: None)
    _, after, _, said = moved("a.png", code=4)
    assert after is None
    assert "its frames did not come back" in said.stderr
