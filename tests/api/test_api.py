"""The library calls: against foolbox, the written bytes and each other; bad input is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import faceshield
from faceshield.core.errors import FaceshieldError

EPS = 8 / 255


def make_model(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 49, 4))


@pytest.fixture
def batch():
    rng = torch.Generator().manual_seed(1)
    return torch.rand(6, 3, 16, 16, generator=rng), torch.tensor([0, 1, 2, 3, 0, 1])


class Pictures(Dataset):
    """Twelve coloured pictures of three classes, of the asked kind."""

    def __init__(self, kind="pil", classes=None):
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
        self.kind = kind
        if classes is not None:
            self.classes = classes

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        pixels = self.pixels[index]
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        kinds = {"pil": Image.fromarray(pixels), "array": pixels, "bytes": planes, "float": planes / 255}
        return kinds[self.kind], index % 3


def small_model():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 3))


def test_error_max_is_foolboxs_pgd(batch):
    x, y = batch
    model = make_model().eval()
    foolbox = pytest.importorskip("foolbox", reason="foolbox (extra dev) is not installed")
    attack = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=EPS / 10, steps=7, random_start=False)
    reference = attack.run(foolbox.PyTorchModel(model, bounds=(0, 1)), x, y, epsilon=EPS)
    delta = faceshield.error_max(model, x, y, eps=EPS, steps=7)
    torch.testing.assert_close(x + delta, reference, rtol=0, atol=1e-6)


def test_error_min_makes_the_model_surer_and_leaves_it_as_it_was(batch):
    x, y = batch
    model = make_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    delta = faceshield.error_min(model, x, y, eps=EPS, steps=10)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    model.eval()
    assert F.cross_entropy(model(x + delta), y) < F.cross_entropy(model(x), y)


@given(eps=st.floats(0.001, 0.5), steps=st.integers(1, 4), seed=st.integers(0, 99))
def test_delta_stays_in_its_ball_and_pictures_in_range(eps, steps, seed):
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    for make in (faceshield.error_min, faceshield.error_max):
        delta = make(make_model(), x, [0, 3], eps=eps, steps=steps)
        assert float(delta.abs().max()) <= eps + 1e-6
        assert 0 <= float((x + delta).min()) <= float((x + delta).max()) <= 1


def test_arrays_in_arrays_out(batch):
    x, y = batch
    array = faceshield.error_min(make_model(), x.numpy(), y.numpy(), steps=2)
    assert isinstance(array, np.ndarray)
    assert np.array_equal(array, faceshield.error_min(make_model(), x, y, steps=2).numpy())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": torch.rand(2, 3, 16, 16) * 255}, "bring it to \\[0, 1\\]"),
        ({"x": torch.zeros(2, 3, 16, 16, dtype=torch.uint8)}, "expected float RGB images"),
        ({"x": torch.zeros(2, 1, 16, 16)}, "expected float RGB images"),
        ({"y": [0]}, "expected one whole number for each of 2"),
        ({"y": [0.0, 1.0]}, "expected one whole number"),
        ({"y": [0, 4]}, "labels up to 4; the model has 4 classes"),
        ({"eps": 8}, "epsilon"),
        ({"steps": 0}, "steps 0 changes nothing"),
    ],
)
def test_bad_batches_are_refused_in_one_line(change, words):
    arguments = {"x": torch.rand(2, 3, 16, 16), "y": [0, 1], **change}
    with pytest.raises(FaceshieldError, match=words) as caught:
        faceshield.error_min(make_model(), arguments.pop("x"), arguments.pop("y"), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["pil", "array", "bytes", "float"])
@pytest.mark.parametrize("form", ["class", "sample"])
def test_a_data_set_carries_its_noise_in_every_kind_of_picture(kind, form):
    clean = Pictures(kind)
    noise = faceshield.ErrorMin(form, rounds=2, fit_steps=2, batch=4).generate(clean, small_model())
    noisy = faceshield.Unlearnable(clean, noise)
    assert len(noisy) == len(clean)
    changes = []
    for index in range(len(clean)):
        (before, label), (after, same) = clean[index], noisy[index]
        assert type(after) is type(before)
        assert same == label
        a, b = (np.asarray(p, np.float64) * (255 if kind == "float" else 1) for p in (before, after))
        changes.append(np.abs(b - a).max())
    assert 0 < max(changes) <= 8 + 1e-4
    reference = faceshield.Unlearnable(Pictures("array"), noise)
    pixels = np.asarray(noisy[5][0], np.float64) * (255 if kind == "float" else 1)
    expected = reference[5][0].astype(np.float64)
    assert np.allclose(pixels if kind in ("pil", "array") else pixels.transpose(1, 2, 0), expected, atol=1e-4)


def test_neither_a_loader_nor_its_order_changes_the_noise():
    clean, method = Pictures("float"), faceshield.ErrorMin("sample", rounds=1, fit_steps=1, batch=4)
    model = small_model()
    before = model[1].weight.clone()
    plain = method.generate(clean, model)
    shuffled = method.generate(DataLoader(clean, batch_size=5, shuffle=True), model)
    assert plain.delta.equal(shuffled.delta)
    assert model[1].weight.equal(before), "a copy is fitted, not the caller's model"


def test_loaders_batch_the_unlearnable_data():
    clean = Pictures("float", classes=["a", "b", "c"])
    noise = faceshield.ErrorMin("class", rounds=1, fit_steps=1, batch=4).generate(clean, small_model())
    assert tuple(noise.keys) == ("a", "b", "c")
    images, labels = next(iter(DataLoader(faceshield.Unlearnable(clean, noise, protected=[0, 1]), batch_size=12)))
    assert images.shape == (12, 3, 8, 8)
    changed = (images - torch.stack([clean[i][0] for i in range(12)])).abs().amax((1, 2, 3)) > 1e-6
    assert changed.nonzero().flatten().tolist() == [0, 1]
    assert labels.tolist() == [i % 3 for i in range(12)]


class Endless(IterableDataset):
    def __iter__(self):
        return iter(())


class Odd(Dataset):
    def __init__(self, picture, label=0):
        self.item = picture, label

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.item


GOOD = torch.zeros(3, 4, 4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (Endless(), "Endless has no indices"),
        (Odd(torch.full((3, 4, 4), 2.0)), "bring it to \\[0, 1\\]"),
        (Odd(torch.zeros(1, 4, 4)), "use RGB"),
        (Odd(GOOD, "cat"), "label 'cat' is invalid"),
        (Odd(GOOD, -1), "label -1 is invalid"),
        (Odd(GOOD, 0.5), "label 0.5 is invalid"),
    ],
)
def test_bad_data_sets_are_refused_in_one_line(data, words):
    with pytest.raises(FaceshieldError, match=words):
        faceshield.ErrorMin("class").generate(data, small_model())


def test_bad_settings_and_foreign_noise_are_refused():
    with pytest.raises(FaceshieldError, match=r"round.*see faceshield"):
        faceshield.ErrorMin("class", round=2)
    with pytest.raises(FaceshieldError, match="form 'sampel' is unknown"):
        faceshield.ErrorMin("sampel")
    noise = faceshield.ErrorMin("class", rounds=1, fit_steps=1).generate(Pictures("array"), small_model())
    with pytest.raises(FaceshieldError, match="no entry 'a'"):
        faceshield.Unlearnable(Pictures("array", classes=["a", "b", "c"]), noise)[0]


def test_roc_takes_numbers_and_booleans():
    scores, labels = [0.9, 0.8, 0.4, 0.3, 0.2] * 20, [1, 1, 0, 1, 0] * 20
    curve = faceshield.roc(scores, labels)
    assert curve.auc == faceshield.roc(np.array(scores), np.array(labels, bool)).auc == pytest.approx(5 / 6)
    assert curve.tar_at_far(0.1).tar == pytest.approx(2 / 3)
    with pytest.raises(FaceshieldError, match="0 and 1"):
        faceshield.roc(scores, [2, 1, 0, 1, 0] * 20)


def test_detect_gives_faces_of_a_file_or_of_pixels(tmp_path, portrait, put):
    path = put(tmp_path / "photo.png", portrait)
    (face,) = faceshield.detect(path)
    assert face.landmarks.shape == (5, 2)
    assert face.score > 0.9
    (same,) = faceshield.detect(portrait)
    assert np.allclose(face.box, same.box)


def test_evaluate_verification_reads_a_pairs_file(tmp_path, portrait, put):
    rng = np.random.default_rng(0)
    for person in "abcd":
        for number in (1, 2):
            noise = rng.integers(0, 20, portrait.shape, dtype=np.uint8)
            put(tmp_path / "images" / person / f"{person}{number}.png", portrait // 2 + noise)
    rows = ["left,right,same,fold"]
    for fold, (one, other) in enumerate([("a", "b"), ("c", "d")]):
        rows += [f"{one}/{one}1.png,{one}/{one}2.png,1,{fold}", f"{one}/{one}1.png,{other}/{other}1.png,0,{fold}"]
    (tmp_path / "pairs.csv").write_text("\n".join(rows), encoding="utf-8")
    result = faceshield.evaluate_verification(tmp_path / "pairs.csv", tmp_path / "images", recogniser="resnet29")
    assert len(result.pairs) == 4
    assert 0 <= result.roc.auc <= 1
    with pytest.raises(FaceshieldError, match="resnet30"):
        faceshield.evaluate_verification(tmp_path / "pairs.csv", tmp_path / "images", recogniser="resnet30")
