import os
from pathlib import Path

import pytest
import torch

from faceshield.core.errors import StoreError
from faceshield.core.store import read_tensors, write_tensors
from faceshield.models import resnet29, weights
from faceshield.models.embedder import make_golden_input

SHARED = Path(os.environ.get("FACESHIELD_SHARED", Path(__file__).resolve().parents[3] / "shared"))
ORIGINAL = SHARED / "data/pretrained/dlib_face_resnet29.safetensors"


@pytest.fixture(scope="module")
def network():
    return resnet29.load()


@pytest.mark.skipif(not ORIGINAL.is_file(), reason="the full-precision weights are not here")
def test_full_precision_gives_the_golden_embedding():
    golden = read_tensors(ORIGINAL)[0]["golden.embedding"]
    output = resnet29.load(ORIGINAL).embed(make_golden_input(resnet29.CROP_SIZE))[0]
    torch.testing.assert_close(output, golden, rtol=0, atol=1e-5)


def test_shipped_half_precision_is_near_the_golden_embedding(network):
    golden = weights.load("dlib_face_resnet29")[0]["golden.embedding"]
    distance = (network.embed(make_golden_input(resnet29.CROP_SIZE))[0] - golden).norm()
    assert distance < 1e-3  # of 0.6, the distance that decides a match


def test_embed_is_forward_in_any_batch_and_averages_the_mirror(network):
    images = torch.rand(3, 3, 150, 150, generator=torch.Generator().manual_seed(0))
    alone = network(images)
    torch.testing.assert_close(network.embed(images, batch=2), alone, rtol=0, atol=1e-5)
    both = (alone + network(images.flip(-1))) / 2
    torch.testing.assert_close(network.embed(images, flip=True), both, rtol=0, atol=1e-5)
    assert network.embed(images[:0]).shape == (0, 128)


def test_images_get_gradients_and_weights_do_not(network):
    images = torch.rand(1, 3, 150, 150, requires_grad=True)
    network(images).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [("conv.03.weight", None, "conv.03.weight .* found absent"), ("fc.weight", torch.zeros(2, 2), r"found \(2, 2\)")],
)
def test_other_weights_are_refused(tmp_path, name, value, complaint):
    tensors = dict(weights.load("dlib_face_resnet29")[0])
    del tensors[name]
    if value is not None:
        tensors[name] = value
    write_tensors(tmp_path / "w.safetensors", tensors, {})
    with pytest.raises(StoreError, match=complaint):
        resnet29.load(tmp_path / "w.safetensors")
