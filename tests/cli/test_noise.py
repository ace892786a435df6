"""faceshield noise: from a folder of pictures to a noise file to a folder of pictures, and all that is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from faceshield.core import store
from faceshield.data.sources import open_data
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.file import read_noise

TINY = ["--width", 2, "--rounds", 2]


@pytest.fixture
def tree(tmp_path, put):
    """Two classes of six 12×12 pictures in which there is nothing to learn, one of them JPEG."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog")):
        for number in range(6):
            pixels = rng.integers(0, 256, (12, 12, 3))
            suffix = "jpg" if (label, number) == (1, 5) else "png"
            put(tmp_path / f"data/{name}/{number}.{suffix}", pixels.astype(np.uint8))
    return tmp_path / "data"


@pytest.fixture
def made(cli, tree, tmp_path):
    """Class-wise noise for the tree."""
    cli("noise", "generate", tree, "-o", tmp_path / "noise.safetensors", *TINY)
    return tmp_path / "noise.safetensors"


def one_line(result):
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("faceshield: ")
    return line


@pytest.mark.parametrize(
    ("options", "form", "keys"),
    [
        (["--form", "sample", *TINY], "sample", 12),
        (["--form", "sample", "--setting", "fast", *TINY], "sample", 12),
        (["--method", "random"], "class", 2),
        (["--method", "error-max", "--form", "sample", "--width", 2, "--epochs", 1], "sample", 12),
        (["--method", "patch", "--patch", "4,6", *TINY], "class", 2),
        (["--method", "mix-either", *TINY], "sample", 12),
    ],
)
def test_noise_is_made_and_lies_within_epsilon_in_the_written_pictures(cli, tree, tmp_path, options, form, keys):
    out = tmp_path / "made/noise.safetensors"
    told = cli("noise", "generate", tree, "-o", out, "--epsilon", "4/255", *options).stdout
    assert told.startswith(f"{out}: {form}-wise ")
    assert [path.name for path in out.parent.iterdir()] == ["noise.safetensors"], "a checkpoint is left"
    noise = read_noise(out)
    assert (noise.form, len(noise.keys)) == (form, keys)
    cli("noise", "apply", tree, "--noise", out, "-o", tmp_path / "out")
    largest = []
    for path in sorted(path for path in tree.rglob("*.*") if path.is_file()):
        name = path.relative_to(tree).with_suffix(".png")
        with Image.open(path) as before, Image.open(tmp_path / "out" / name) as after:
            change = np.asarray(after).astype(int) - np.asarray(before).astype(int)
        largest.append(abs(change).max())
    assert len(largest) == 12
    assert 0 < max(largest) <= 4
    assert len([path for path in (tmp_path / "out").rglob("*") if path.is_file()]) == 12


def test_the_pictures_are_clean_plus_delta_rounded_once(cli, tree, made, tmp_path, pixels):
    noise = read_noise(made)
    cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "out")
    cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "positive", "--variant", "released-code")
    delta = noise.delta[noise.keys.index("cat")].permute(1, 2, 0).numpy() * 255
    clean = pixels(tree / "cat/3.png")
    assert (pixels(tmp_path / "out/cat/3.png") == np.clip(clean + np.rint(delta), 0, 255)).all()
    assert (pixels(tmp_path / "positive/cat/3.png") == np.clip(clean + np.floor(np.maximum(delta, 0)), 0, 255)).all()


def test_info_in_words_and_as_json(cli, made):
    told = cli("noise", "info", made).stdout
    for line in ("method       error-min", "form         class", "epsilon      8/255", "  seed         0"):
        assert line in told.splitlines()
    value = json.loads(cli("noise", "info", made, "--json").stdout)
    noise = read_noise(made)
    assert value["keys"] == ["cat", "dog"]
    assert value["linf_255"] == pytest.approx(float(noise.delta.abs().max()) * 255, abs=1e-3)
    assert value["provenance"]["model"] == "resnet18"
    assert value["provenance"]["errors"] == noise.provenance["errors"]


def test_the_released_codes_setting_makes_other_noise(cli, tree, made, tmp_path):
    out = tmp_path / "released.safetensors"
    cli("noise", "generate", tree, "-o", out, "--setting", "released-code", *TINY)
    assert not read_noise(out).delta.equal(read_noise(made).delta)
    assert read_noise(out).provenance["stop_error"] == 0.01
    assert read_noise(out).provenance["setting"] == "released-code"


def test_the_size_it_was_made_at_goes_with_it(cli, tree, tmp_path):
    cli("noise", "generate", tree, "-o", tmp_path / "n.safetensors", "--method", "random", "--size", 8, "--limit", 2)
    cli("noise", "apply", tree, "--noise", tmp_path / "n.safetensors", "-o", tmp_path / "out")
    written = sorted((tmp_path / "out").rglob("*.png"))
    assert len(written) == 4
    with Image.open(written[0]) as picture:
        assert picture.size == (8, 8)


def test_an_interrupted_run_goes_on_to_the_same_bytes(cli, tree, tmp_path, monkeypatch):
    run = ["noise", "generate", tree, "--form", "sample", "--width", 2, "--rounds", 3, "--epsilon", "0.1/255", "-o"]
    whole, out = tmp_path / "whole.safetensors", tmp_path / "n.safetensors"
    cli(*run, whole)
    real, rounds = ErrorMin.generate, []

    def killed(self, data, learner, *, seed, on_round):
        def stop(number, error, delta):
            on_round(number, error, delta)
            rounds.append(number)
            if number == 1 and len(rounds) == 2:
                raise KeyboardInterrupt

        return real(self, data, learner, seed=seed, on_round=stop)

    monkeypatch.setattr(ErrorMin, "generate", killed)
    assert "interrupted" in cli(*run, out, code=130).stderr
    checkpoint = tmp_path / "n.checkpoint.safetensors"
    assert checkpoint.is_file()
    assert not out.exists()
    assert "go on with --resume, or delete it" in one_line(cli(*run, out, code=2))
    cli(*run, out, "--resume")
    assert rounds == [0, 1, 2]
    assert out.read_bytes() == whole.read_bytes()
    assert not checkpoint.exists()


# ---- refusals: one line, a documented exit code, nothing half-written


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "error-minimising"], "noise method 'error-minimising' is unknown; did you mean 'error-min'?"),
        (["--epsilon", "8"], "did you mean 8/255?"),
        (["--epsilon", "much"], "epsilon 'much' is not a number"),
        (["--setting", "quick"], "setting 'quick' is unknown"),
        (["--model", "resnet81"], "did you mean resnet18?"),
        (["--method", "eq5-adam"], "form 'sample' only"),
        (["--method", "patch"], "needs its size"),
        (["--method", "patch", "--patch", "16"], "patch '16' is not a size"),
        (["--method", "patch", "--patch", "20,20"], "does not fit"),
        (["--method", "random", "--rounds", 3], "setting 'rounds' is unknown"),
        (["--device", "abacus"], "device 'abacus' is not there"),
        (["--size", 0], "size 0 is no picture size"),
        (["--limit", 0], "limit 0 leaves no pictures"),
    ],
)
def test_options_that_cannot_be(cli, tree, tmp_path, options, words):
    out = tmp_path / "below/noise.safetensors"
    assert words in one_line(cli("noise", "generate", tree, "-o", out, "--width", 2, *options, code=2))
    assert not out.parent.exists()


def test_a_form_that_is_none(cli, tree, tmp_path):
    refused = cli("noise", "generate", tree, "-o", tmp_path / "n.safetensors", "--form", "both", code=2)
    assert "'both' is not one of 'sample', 'class'" in refused.stderr


def test_labels_missing(cli, tmp_path, put):
    for number in range(3):
        put(tmp_path / f"flat/{number}.png", np.zeros((8, 8, 3), np.uint8))
    refused = cli("noise", "generate", tmp_path / "flat", "-o", tmp_path / "n.safetensors", code=2)
    assert "expected one folder a person (or class) with pictures in it" in one_line(refused)


def test_a_folder_without_classes(cli, tmp_path):
    (tmp_path / "empty").mkdir()
    refused = cli("noise", "generate", tmp_path / "empty", "-o", tmp_path / "n.safetensors", code=2)
    assert "has no folders" in one_line(refused)
    (tmp_path / "empty/cat").mkdir()
    refused = cli("noise", "generate", tmp_path / "empty", "-o", tmp_path / "n.safetensors", code=2)
    assert "its folders hold no pictures" in one_line(refused)
    refused = cli("noise", "generate", tmp_path / "nowhere", "-o", tmp_path / "n.safetensors", code=2)
    assert "nowhere: is not there" in one_line(refused)


def test_pictures_of_two_sizes(cli, tree, tmp_path, put):
    put(tree / "cat/7.png", np.zeros((9, 12, 3), np.uint8))
    refused = one_line(cli("noise", "generate", tree, "-o", tmp_path / "n.safetensors", code=2))
    assert "cat/7.png: is 12×9, others differ; pass a size" in refused


def test_a_file_that_is_there_is_kept(cli, tree, made, tmp_path):
    before = made.read_bytes()
    assert "exists already" in one_line(cli("noise", "generate", tree, "-o", made, code=2))
    assert made.read_bytes() == before
    wrong = one_line(cli("noise", "generate", tree, "-o", tmp_path / "noise.npy", code=2))
    assert "name it noise.safetensors" in wrong
    assert "exists already" in one_line(cli("noise", "apply", tree, "--noise", made, "-o", tree, code=2))


def test_noise_of_another_data_set(cli, tree, made, tmp_path):
    other = one_line(cli("noise", "apply", "digits", "--noise", made, "-o", tmp_path / "out", code=5))
    assert "was made for other data, it has no δ for the class '0'" in other
    own = tmp_path / "own.safetensors"
    cli("noise", "generate", tree, "-o", own, "--method", "random", "--form", "sample")
    with Image.open(tree / "cat/0.png") as picture:
        pixels = 255 - np.asarray(picture)
    Image.fromarray(pixels).save(tree / "cat/0.png")
    other = one_line(cli("noise", "apply", tree, "--noise", own, "-o", tmp_path / "out", code=5))
    assert "other pictures of the same names" in other
    assert not (tmp_path / "out").exists()


def test_noise_of_another_size(cli, tree, made, tmp_path):
    refused = cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "out", "--size", 8, code=2)
    assert "the noise is 3×12×12, the pictures are 3×8×8" in one_line(refused)
    assert not (tmp_path / "out").exists()


def test_a_variant_that_is_none(cli, tree, made, tmp_path):
    refused = cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "out", "--variant", "new", code=2)
    assert "variant 'new' is unknown" in one_line(refused)


def test_a_noise_file_that_is_cut_off(cli, tree, made, tmp_path):
    made.write_bytes(made.read_bytes()[:-100])
    refused = one_line(cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "out", code=5))
    assert "is not a whole safetensors file" in refused
    assert one_line(cli("noise", "info", made, code=5)) == refused
    assert not (tmp_path / "out").exists()
    assert "no such file" in one_line(cli("noise", "info", tmp_path / "nothing", code=5))


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_full_disk_while_the_noise_is_written(cli, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(store.os, "fsync", full)
    refused = cli("noise", "generate", tree, "-o", tmp_path / "n.safetensors", "--method", "random", code=5)
    assert "cannot be written (No space left on device)" in one_line(refused)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_full_disk_while_the_pictures_are_written(cli, tree, made, tmp_path, monkeypatch):
    monkeypatch.setattr(Image.Image, "save", full)
    refused = cli("noise", "apply", tree, "--noise", made, "-o", tmp_path / "out", code=5)
    assert "cannot be written (No space left on device)" in one_line(refused)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "noise.safetensors"]


def test_digits_need_no_data(cli, tmp_path):
    out = tmp_path / "n.safetensors"
    cli("noise", "generate", "digits", "-o", out, "--method", "random", "--form", "sample", "--limit", 3, "--seed", 5)
    noise = read_noise(out)
    assert set(noise.keys) == set(open_data("digits", "train", limit=3).ids)
    assert noise.provenance["seed"] == 5
