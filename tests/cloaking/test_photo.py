"""One photo through the command: what changed, how much, where, and what the report says of it."""

from __future__ import annotations

import io
import struct
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import estimate_transform, warp

from faceshield.faces.any_roll import AnyRollDetector
from faceshield.imaging.crop import TEMPLATE_112
from faceshield.noise import vault

LUMA = np.array([0.299, 0.587, 0.114])


def inside(region, change):
    y0, x0, y1, x1 = region
    return change[y0:y1, x0:x1]


def outside(regions, change):
    """``change`` with the regions emptied."""
    rest = change.copy()
    for region in regions:
        inside(region, rest)[:] = 0
    return rest


@pytest.fixture
def cloaked(cli, put, pixels, report, me, portrait, tmp_path):
    """Cloak one picture and give (before, after, its report)."""

    def cloak(name, *options, array=portrait, code=0, **save):
        source = put(tmp_path / "in" / name, array, **save)
        cli("cloak", source, "-o", tmp_path / "out", *options, code=code)
        (photo,) = report(tmp_path / "out")["photos"]
        return pixels(source), pixels(tmp_path / "out" / photo["output"]), photo

    return cloak


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_lossless_formats_change_by_at_most_epsilon_and_only_in_the_region(name, cloaked, portrait, put, tmp_path):
    array = portrait[..., 1] if name == "a.gif" else portrait
    before, after, photo = cloaked(name, array=array)
    change = after - before
    assert np.abs(change).max() == 8
    regions = [face["region"] for face in photo["faces"]]
    assert not outside(regions, change).any()
    assert np.mean(inside(regions[0], change) != 0) > 0.5
    assert photo["lossless"] is True
    assert photo["written_linf_255"] == 8
    assert photo["resaved_linf_255"] == 0


def test_the_change_is_the_persons_noise_laid_on_their_landmarks(cloaked, me, portrait):
    before, after, _ = cloaked("a.png")
    (face,) = AnyRollDetector().detect(portrait)
    to_canvas = estimate_transform("similarity", face.landmarks, TEMPLATE_112 + 8)
    found = warp(((after - before) @ LUMA).astype(np.float64), to_canvas.inverse, output_shape=(128, 128))
    delta = me.delta.permute(1, 2, 0).numpy() @ LUMA
    middle = np.s_[12:-12, 12:-12]
    assert np.corrcoef(found[middle].ravel(), delta[middle].ravel())[0, 1] > 0.7
    assert abs(np.corrcoef(found[middle].ravel(), delta[:, ::-1][middle].ravel())[0, 1]) < 0.1


def test_report_figures_agree_with_scikit_image(cloaked):
    before, after, photo = cloaked("a.png")
    (face,) = photo["faces"]
    a, b = (inside(face["region"], picture).astype(np.uint8) for picture in (before, after))
    assert face["linf_255"] == 8
    assert face["psnr"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=0.01)
    ssim = structural_similarity(
        a @ LUMA, b @ LUMA, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert face["ssim_face"] == pytest.approx(ssim, abs=2e-4)
    difference = deltaE_ciede2000(rgb2lab(a), rgb2lab(b))[(a != b).any(-1)]
    assert face["delta_e_mean"] == pytest.approx(difference.mean(), abs=1e-3)
    assert face["delta_e_p95"] == pytest.approx(np.percentile(difference, 95), abs=1e-3)
    size = max(face["box"][2] - face["box"][0], face["box"][3] - face["box"][1])
    sigma = size / 25
    smooth = [gaussian_filter(rgb2lab(picture), (sigma, sigma, 0), mode="reflect") for picture in (a, b)]
    assert face["tint_mean"] == pytest.approx(deltaE_ciede2000(*smooth)[(a != b).any(-1)].mean(), rel=0.03)
    assert 0 < face["contrast_p95"] < 8
    assert (face["flip_mean"] is None) == (find_spec("flip_evaluator") is None)


def test_report_fields(cloaked, report, tmp_path, me, hashes):
    _, _, photo = cloaked("a.png")
    whole = report(tmp_path / "out")
    assert photo["source"] == str(tmp_path / "in/a.png")
    assert photo["output"] == "a.png"
    assert photo["status"] == "cloaked"
    assert photo["identity"] == "me"
    assert photo["epsilon"] == pytest.approx(8 / 255)
    assert photo["faces_seen"] == 1
    assert photo["sha256_input"] == hashes(tmp_path / "in")["a.png"]
    assert photo["sha256_output"] == hashes(tmp_path / "out")["a.png"]
    x0, y0, x1, y1 = photo["faces"][0]["box"]
    top, left, bottom, right = photo["faces"][0]["region"]
    assert left < (x0 + x1) / 2 < right
    assert top < (y0 + y1) / 2 < bottom
    assert photo["faces"][0]["score"] > 0.99
    assert whole["options"]["identity"] == "me"
    assert whole["identity"]["kind"] == "private"
    assert set(whole["versions"]) == {"faceshield", "torch", "python"}
    assert "does not hide a face" in whole["about"]
    text = (tmp_path / "out/faceshield.json").read_text()
    assert me.secret not in text
    assert "secret" not in text
    assert "slot" not in text


@pytest.mark.parametrize(
    ("name", "save"), [("a.jpg", {"quality": 92, "subsampling": 0}), ("b.jpg", {"quality": 75, "subsampling": 2})]
)
def test_jpeg_keeps_its_tables_and_stays_near_its_own_resaved_error(name, save, cloaked, tmp_path):
    before, after, photo = cloaked(name, **save)
    assert photo["lossless"] is False
    assert photo["faces"][0]["linf_255"] <= 8
    assert photo["written_linf_255"] == np.abs(inside(photo["faces"][0]["region"], after - before)).max()
    assert photo["written_linf_255"] <= 8 + photo["resaved_linf_255"] + 24
    with Image.open(tmp_path / "in" / name) as a, Image.open(tmp_path / "out" / name) as b:
        assert a.quantization == b.quantization
        assert a.size == b.size
    face = inside(photo["faces"][0]["region"], after - before)
    assert np.abs(face).mean() > 1.5, "the noise did not survive the encoder"
    assert np.abs(outside([photo["faces"][0]["region"]], after - before)).mean() < 1
    with Image.open(tmp_path / "in" / name) as picture:
        again, tables = io.BytesIO(), picture.quantization
        Image.fromarray(before.astype(np.uint8)).save(again, "JPEG", qtables=tables, subsampling=save["subsampling"])
    with Image.open(again) as picture:
        resaved = np.asarray(picture).astype(int) - before
    assert photo["resaved_linf_255"] == np.abs(inside(photo["faces"][0]["region"], resaved)).max()


def test_grey_stays_grey(cloaked, portrait):
    before, after, _ = cloaked("a.png", array=portrait[..., 1])
    assert after.ndim == 2
    assert 0 < np.abs(after - before).max() <= 8


def test_alpha_is_untouched(cloaked, portrait):
    alpha = np.arange(portrait[..., :1].size, dtype=np.uint8).reshape(*portrait.shape[:2], 1)
    before, after, photo = cloaked("a.png", array=np.dstack([portrait, alpha]))
    np.testing.assert_array_equal(before[..., 3], after[..., 3])
    assert np.abs(after - before).max() == 8
    assert photo["lossless"] is True


def test_sixteen_bits_keep_their_depth_and_the_bound(cli, me, portrait, report, tmp_path):
    deep = portrait.astype(np.uint16) * 257 - (portrait > 128) * np.uint16(100)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in/a.png"), deep)
    cli("cloak", tmp_path / "in", "-o", tmp_path / "out")
    after = cv2.imread(str(tmp_path / "out/a.png"), cv2.IMREAD_UNCHANGED)
    assert after.dtype == np.uint16
    change = after.astype(np.int64) - deep
    assert 0 < np.abs(change).max() <= 8 * 257
    (photo,) = report(tmp_path / "out")["photos"]
    assert photo["faces"][0]["linf_255"] <= 8


@pytest.mark.parametrize(
    ("format", "kind", "suffix"), [("png", "PNG", ".png"), ("jpeg", "JPEG", ".jpg"), ("webp", "WEBP", ".webp")]
)
def test_other_formats(format, kind, suffix, cloaked, tmp_path):
    _, _, photo = cloaked("a.bmp", "--format", format)
    assert photo["output"] == f"a{suffix}"
    with Image.open(tmp_path / "out" / photo["output"]) as picture:
        assert picture.format == kind
    assert any("BMP" in change for change in photo["changes"])


def test_epsilon_is_the_users(cli, keep, put, pixels, portrait, report, tmp_path):
    source = put(tmp_path / "a.png", portrait)
    cli("cloak", source, "-o", tmp_path / "out", "--epsilon", "4/255", "--identity", "soft", "--fast")
    assert np.abs(pixels(tmp_path / "out/a.png") - pixels(source)).max() == 4
    assert report(tmp_path / "out")["options"]["epsilon"] == pytest.approx(4 / 255)
    assert vault.load("soft").epsilon == pytest.approx(4 / 255)


def test_saturated_pictures_keep_the_bound(cloaked, portrait):
    """Contrast up until much of the face is black or white: δ is cut there, never wrapped around."""
    hard = np.clip((portrait.astype(int) - 110) * 3 + 110, 0, 255).astype(np.uint8)
    assert np.mean((hard == 0) | (hard == 255)) > 0.3
    before, after, _ = cloaked("a.png", array=hard)
    assert np.abs(after - before).max() <= 8


def with_orientation(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif.tobytes()


def turned(upright, number):
    """The raster that EXIF orientation ``number`` brings back to ``upright``, written out from the EXIF standard.

    1 as is · 2 mirrored · 3 half turn · 4 flipped · 5–8 with rows and columns exchanged.
    """
    flat = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: upright.swapaxes(0, 1)[::-1],
        7: upright.swapaxes(0, 1)[::-1, ::-1],
        8: upright.swapaxes(0, 1)[:, ::-1],
    }
    return np.ascontiguousarray(flat[number])


@pytest.mark.parametrize("number", range(1, 9))
def test_all_orientations_are_cloaked_upright_and_written_as_they_were(number, cloaked, portrait, tmp_path):
    before, after, photo = cloaked("a.png", array=turned(portrait, number), exif=with_orientation(number))
    assert before.shape == after.shape
    with Image.open(tmp_path / "out/a.png") as picture:
        assert picture.getexif().get(0x0112, 1) == number
    change = after - before
    upright = turned(change, {6: 8, 8: 6}.get(number, number))
    assert upright.shape == portrait.shape
    (region,) = (face["region"] for face in photo["faces"])
    assert not outside([region], upright).any()
    assert np.abs(upright).max() == 8
    # the same place in the upright picture, however it is stored: the astronaut's face
    x0, y0, x1, y1 = photo["faces"][0]["box"]
    assert (x0 + x1) / 2 == pytest.approx(110, abs=6)
    assert (y0 + y1) / 2 == pytest.approx(118, abs=6)


def thumbnail_exif(thumbnail):
    """EXIF whose second directory holds ``thumbnail``, as cameras write it."""
    first = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 26)
    place = 26 + 2 + 36 + 4
    entries = (0x0103, 3, 1, 6), (0x0201, 4, 1, place), (0x0202, 4, 1, len(thumbnail))
    second = struct.pack("<H", 3) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail


def pictures_in(data):
    """Offsets of everything in ``data`` but its start that decodes as a picture."""
    found = []
    for mark in (b"\xff\xd8\xff", b"\x89PNG\r\n"):
        place = data.find(mark, 1)
        while place > 0:
            try:
                with Image.open(io.BytesIO(data[place:])) as picture:
                    picture.load()
                found.append(place)
            except OSError:
                pass
            place = data.find(mark, place + 1)
    return found


@pytest.mark.parametrize("metadata", ["keep", "no-location", "none"])
def test_no_thumbnail_of_the_clean_face_gets_out(metadata, cli, me, put, portrait, report, tmp_path):
    small = io.BytesIO()
    Image.fromarray(portrait[::2, ::2]).save(small, "JPEG", quality=70)
    exif = thumbnail_exif(small.getvalue())
    source = put(tmp_path / "a.jpg", portrait, exif=exif, quality=90)
    assert pictures_in(source.read_bytes()), "the test's own thumbnail cannot be found"
    cli("cloak", source, "-o", tmp_path / "out", "--metadata", metadata)
    data = (tmp_path / "out/a.jpg").read_bytes()
    assert pictures_in(data) == []
    assert small.getvalue()[100:400] not in data
    assert "EXIF thumbnail" in report(tmp_path / "out")["photos"][0]["stripped"]


def personal_exif():
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x013B] = "Somebody"
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 1.5), 3: "E", 4: (11.0, 34.0, 2.5)}
    return exif.tobytes()


@pytest.mark.parametrize(
    ("metadata", "maker", "artist", "place"),
    [("keep", "Maker", "Somebody", True), ("no-location", "Maker", None, False), ("none", None, None, False)],
)
def test_metadata_as_asked(metadata, maker, artist, place, cli, me, put, portrait, tmp_path):
    source = put(tmp_path / "a.jpg", portrait, exif=personal_exif())
    result = cli("cloak", source, "-o", tmp_path / "out", "--metadata", metadata)
    with Image.open(tmp_path / "out/a.jpg") as picture:
        exif = picture.getexif()
        assert exif.get(0x010F) == maker
        assert exif.get(0x013B) == artist
        assert bool(exif.get_ifd(0x8825)) is place
    assert ("GPS" in result.stdout) is (metadata != "none")
