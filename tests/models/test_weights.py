import pytest
import torch

from faceshield.core.errors import StoreError
from faceshield.core.store import sha256, write_json, write_tensors
from faceshield.models import weights


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A weights folder with one entry, made the current one."""
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path))
    write_tensors(tmp_path / "tiny.safetensors", {"w": torch.arange(3.0).half()}, {"made": "here"})
    weights.register(tmp_path, "tiny", "tiny.safetensors", licence="MIT", source="a test", input="none")
    return tmp_path


def test_every_shipped_file_is_whole_and_has_a_model_card():
    shipped = weights.read_registry()
    assert "dlib_face_resnet29" in shipped
    for name in shipped:
        path = weights.find_file(name)
        card = "distractors" if name.startswith("distractors_") else path.stem  # one text for all five
        assert path.with_name(f"{card}.md").is_file(), f"{name} has no model card"


def test_load_gives_tensors_as_stored_and_metadata(place):
    tensors, metadata = weights.load("tiny")
    assert torch.equal(tensors["w"], torch.arange(3.0).half())
    assert metadata == {"made": "here"}


def test_registering_again_replaces_and_keeps_the_others(place):
    write_tensors(place / "other.safetensors", {"w": torch.zeros(1)}, {})
    weights.register(place, "other", "other.safetensors", licence="MIT", source="a test", input="none")
    write_tensors(place / "tiny.safetensors", {"w": torch.ones(5)}, {})
    entry = weights.register(place, "tiny", "tiny.safetensors", licence="MIT", source="again", input="none")
    assert entry.sha256 == sha256(place / "tiny.safetensors")
    assert weights.read_registry(place)["tiny"] == entry
    assert set(weights.read_registry(place)) == {"tiny", "other"}
    assert len(weights.load("tiny")[0]["w"]) == 5


def test_an_unknown_name_lists_the_known_ones(place):
    with pytest.raises(StoreError, match=r"'huge'.* knows tiny"):
        weights.load("huge")


def test_a_missing_file_is_named_with_the_fix(place):
    (place / "tiny.safetensors").unlink()
    with pytest.raises(StoreError, match=r"tiny\.safetensors: is missing; restore"):
        weights.load("tiny")
    with pytest.raises(StoreError, match="is missing"):
        weights.register(place, "tiny", "tiny.safetensors", licence="", source="", input="")


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_a_damaged_file_is_refused(place, damage):
    path = place / "tiny.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match=r"tiny\.safetensors: is damaged"):
        weights.load("tiny")


def test_no_registry_says_where_it_was_sought(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(StoreError, match=f"nowhere: has no registry.json; set {weights.VARIABLE}"):
        weights.load("dlib_face_resnet29")


@pytest.mark.parametrize("content", [[1], {"a": 1}, {"a": {"file": "x"}}])
def test_a_registry_of_another_kind_is_refused(tmp_path, content):
    write_json(tmp_path / "registry.json", content)
    with pytest.raises(StoreError, match="is not a registry of weights"):
        weights.read_registry(tmp_path)
