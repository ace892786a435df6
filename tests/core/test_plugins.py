"""Another package, here tests/plugin, adds a method, a counter-measure and a recogniser without a fork."""

from __future__ import annotations

import sys

import pytest
import torch
from safetensors.torch import save_file

from faceshield.attacks.table import COUNTERMEASURES, find_countermeasure
from faceshield.core.errors import UsageError
from faceshield.core.plugins import find_plugin, list_plugins
from faceshield.data.examples import Examples
from faceshield.models import pretrained
from faceshield.noise.registry import METHODS, build_method


@pytest.fixture
def plugin(root, monkeypatch, tmp_path):
    """tests/plugin on the path as if it were installed."""
    weights = tmp_path / "mean.safetensors"
    save_file({"none": torch.zeros(1)}, weights)
    monkeypatch.setenv("EXTRA_SHIELD", str(weights))
    monkeypatch.syspath_prepend(str(root / "tests/plugin"))
    yield
    sys.modules.pop("extra_shield", None)


def test_without_a_package_there_are_none():
    assert list_plugins("faceshield.noise") == []
    with pytest.raises(UsageError, match="noise method 'constant' is unknown; did you mean"):
        build_method("constant")


def test_a_noise_method(plugin):
    data = Examples(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), ("a", "b"), ("x", "y"))
    noise = build_method("constant", epsilon=8 / 255, share=0.5).generate(data, None, seed=0)
    assert torch.equal(noise.delta, torch.full((2, 3, 4, 4), 4 / 255))
    with pytest.raises(UsageError, match="did you mean 'constant'"):
        build_method("constants")
    assert "constant" not in METHODS


def test_noise_by_the_command(plugin, cli, tmp_path):
    out = tmp_path / "n.safetensors"
    text = cli("noise", "generate", "digits", "-o", out, "--method", "constant", "--limit", "20", "--width", "2").stdout
    assert "class-wise constant noise for 10 keys" in text


def test_a_countermeasure(plugin):
    pictures = torch.full((1, 3, 2, 2), 100, dtype=torch.uint8)
    assert find_countermeasure("darker").apply(pictures).unique().tolist() == [50]
    with pytest.raises(UsageError, match=r"'darkest' is unknown; use none, .*, purify, broken, darker, gone"):
        find_countermeasure("darkest")


def test_a_recogniser_compares_photos(plugin, cli, put, portrait, tmp_path):
    entry = pretrained.pretrained("mean-colour")
    assert len(entry.sha256) == 64
    assert pretrained.load("mean-colour").embed(torch.ones(1, 3, 112, 112)).tolist() == [[1, 1, 1]]
    photo = put(tmp_path / "a.png", portrait)
    refused = cli("verify", photo, photo, "--recogniser", "mean-colour", code=5)
    assert "was measured with other weights; give --calibration" in refused.stderr
    assert "mean-colour" not in pretrained.PRETRAINED


def test_a_mask_against_it_is_refused_in_one_line(plugin, cli, put, portrait, tmp_path):
    photo = put(tmp_path / "a.png", portrait)
    asked = ("--against", "search", "--recogniser", "mean-colour")
    assert "mean-colour" in cli("cloak", photo, "-o", tmp_path / "out", *asked, code=5).stderr


def test_a_package_never_takes_the_place_of_what_the_tool_has(plugin):
    assert find_countermeasure("grey") is COUNTERMEASURES["grey"]


@pytest.mark.parametrize(("name", "words"), [("broken", "does not fit there"), ("gone", "cannot be imported")])
def test_a_package_that_is_broken_is_named(name, words, plugin):
    with pytest.raises(UsageError, match=f"'{name}'.*extra_shield.*{words}|'{name}' {words} from extra_shield_gone"):
        find_countermeasure(name)


def test_two_packages_with_one_name_are_refused(plugin, monkeypatch, tmp_path):
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[faceshield.noise]\nconstant = other:build\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="claimed by extra_shield:build_constant and by other:build"):
        find_plugin("faceshield.noise", "constant", callable)
