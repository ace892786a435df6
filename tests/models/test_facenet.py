"""facenet-pytorch's weights file, fabricated here: its network's own output, and every other file refused."""

from __future__ import annotations

import hashlib
import os
import pickle

import pytest
import torch
from facenet_pytorch import InceptionResnetV1 as Facenet
from facenet_pytorch import fixed_image_standardization

from faceshield.core.download import Checksum
from faceshield.core.errors import StoreError
from faceshield.models.facenet import load


def vouched(path):
    return Checksum("sha256", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture(scope="module")
def reference():
    """A network of facenet-pytorch's whose batch norms' running numbers too are not those of a fresh one."""
    torch.manual_seed(0)
    network = Facenet(classify=True, num_classes=7).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
    return network


@pytest.fixture(
    scope="module", params=[pytest.param(True, marks=pytest.mark.slow), False], ids=["zip", "before torch 1.6"]
)
def file(request, reference, tmp_path_factory):
    """The official file is of the kind that torch wrote before 1.6."""
    path = tmp_path_factory.mktemp("weights") / "made.pt"
    torch.save(reference.state_dict(), path, _use_new_zipfile_serialization=request.param)
    return path


def test_its_features_are_facenets_own_before_they_are_brought_to_unit_length(file, reference, monkeypatch):
    network = load(file, vouched(file))
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    pixels = torch.randint(0, 256, (2, 3, 160, 160), generator=torch.Generator().manual_seed(1))
    before = reference.last_bn.register_forward_hook(lambda module, inputs, output: kept.append(output))
    kept: list[torch.Tensor] = []
    monkeypatch.setattr(reference, "classify", False)
    with torch.no_grad():
        unit = reference(fixed_image_standardization(pixels.float()))
        features = network.features(pixels / 255)
        assert torch.equal(network(pixels / 255), features)
    before.remove()
    torch.testing.assert_close(features, kept[0])
    torch.testing.assert_close(torch.nn.functional.normalize(features), unit)


def test_a_file_that_is_absent_or_another_than_its_checksum_says_is_refused(file, tmp_path):
    with pytest.raises(StoreError, match=r"none.pt: cannot be read \(.*\); 'faceshield data get vggface2' fetches it"):
        load(tmp_path / "none.pt")
    with pytest.raises(StoreError, match=r"made.pt: is a file with SHA256 .*, expected 281cebca.*; delete it and run"):
        load(file)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(StoreError, match=r"cut.pt: is a file with SHA256"):
        load(cut, vouched(file))
    with pytest.raises(StoreError, match=r"cut.pt: is no file of weights alone \(.+\)"):
        load(cut, vouched(cut))


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("kind", ["pickle", "zip", "before torch 1.6"])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(kind, tmp_path):
    path, mark = tmp_path / "hostile.pt", tmp_path / "it ran"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"conv2d_1a.conv.weight": Hostile(mark)}))
    else:
        torch.save({"last_bn.bias": Hostile(mark)}, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(StoreError, match=r"hostile.pt: is no file of weights alone \(.+\); use facenet-pytorch's own"):
        load(path, vouched(path))
    assert not mark.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weights: weights.pop("last_bn.bias"), r"last_bn.bias of \(512,\) is absent"),
        (lambda weights: weights.update({"last_bn.bias": torch.zeros(128)}), r"last_bn.bias of \(512,\) is \(128,\)"),
        (lambda weights: weights.update({"last_bn.bias": "none"}), r"last_bn.bias of \(512,\) is absent"),
    ],
)
def test_weights_of_another_network_are_refused(change, words, reference, tmp_path):
    weights = dict(reference.state_dict())
    change(weights)
    path = tmp_path / "other.pt"
    torch.save(weights, path)
    with pytest.raises(StoreError, match=f"other.pt: is of another network, {words}"):
        load(path, vouched(path))


def test_a_file_of_one_tensor_is_no_network(tmp_path):
    path = tmp_path / "one.pt"
    torch.save(torch.zeros(3), path)
    with pytest.raises(StoreError, match="is of another network"):
        load(path, vouched(path))
