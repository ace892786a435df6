"""The JPEG view against Pillow's codec, and its straight-through gradient."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from faceshield.noise.jpeg import jpeg


def tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def by_pillow(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file)).astype(float)


@pytest.mark.parametrize("quality", [10, 30, 50, 51, 75, 90, 95])
@pytest.mark.parametrize("size", [(128, 128), (112, 96), (75, 101)])
def test_agrees_with_pillow(portrait, quality, size):
    pixels = np.ascontiguousarray(portrait[40 : 40 + size[0], 60 : 60 + size[1]])
    ours = jpeg(tensor(pixels), torch.tensor([float(quality)]))[0].permute(1, 2, 0).numpy() * 255
    theirs = by_pillow(pixels, quality)
    difference = np.abs(ours - theirs)
    # codecs round Y, Cb, Cr to whole levels before the DCT, which flips a coefficient now and then
    assert difference.mean() < 1.3
    assert difference.mean() < 0.5 * np.abs(theirs - pixels).mean()
    assert np.corrcoef((ours - pixels).ravel(), (theirs - pixels).ravel())[0, 1] > 0.8
    assert abs((ours - theirs).mean()) < 0.2, "brighter or darker than the codec"


def test_quality_is_each_pictures_own(portrait):
    batch = tensor(portrait[:96, :96]).expand(3, -1, -1, -1)
    qualities = torch.tensor([20.0, 60.0, 95.0])
    together = jpeg(batch, qualities)
    for number in range(3):
        alone = jpeg(batch[number : number + 1], qualities[number : number + 1])
        torch.testing.assert_close(together[number : number + 1], alone, rtol=0, atol=1e-6)
    loss = (together - batch).abs().mean((1, 2, 3))
    assert loss[0] > loss[1] > loss[2] > 0


@pytest.mark.parametrize("size", [(16, 16), (8, 8), (1, 1), (17, 33), (64, 112)])
def test_shape_and_range(size):
    out = jpeg(torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)), torch.tensor([1.0, 100.0]))
    assert out.shape == (2, 3, *size)
    assert out.min() >= 0
    assert out.max() <= 1


def test_flat_pictures_stay_flat():
    out = jpeg(torch.full((1, 3, 32, 32), 128 / 255), torch.tensor([50.0]))
    torch.testing.assert_close(out, torch.full_like(out, 128 / 255), rtol=0, atol=1e-4)


def test_gradient_is_that_of_the_codec_without_its_rounding():
    """What is left then is the loss of chroma resolution, written out here."""
    x = (0.4 + 0.2 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))).requires_grad_(True)
    weights = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((jpeg(x, torch.tensor([95.0, 95.0])) * weights).sum(), x)
    luma = torch.tensor([0.299, 0.587, 0.114])
    y = (x * luma.view(1, 3, 1, 1)).sum(1, keepdim=True)
    colour = F.interpolate(F.avg_pool2d(x - y, 2), scale_factor=2.0, mode="bilinear", align_corners=False)
    (theirs,) = torch.autograd.grad(((y + colour) * weights).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
