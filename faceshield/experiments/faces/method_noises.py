"""The noise that some people's photos wear in methods/faces, by any method, made once and kept for all its cells.

The maker has the photos that are to be protected, and other people whom no collector sees: they are the other classes.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from faceshield.core.budget import Budget
from faceshield.core.cache import Tensors, digest_json, load_or_make_tensors
from faceshield.core.errors import UsageError
from faceshield.core.memory import measure_peak
from faceshield.core.rng import derive_seed
from faceshield.core.types import Form, Noise
from faceshield.data.examples import Examples, concatenate
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import CellKey
from faceshield.experiments.faces.bank import NetworkSettings, read_source
from faceshield.experiments.faces.crops import CropsSettings, fit, require_steps
from faceshield.experiments.faces.equal_look import shrink
from faceshield.models import weights
from faceshield.models.resnet import resnet18
from faceshield.noise.file import digest_data
from faceshield.noise.mix import add
from faceshield.noise.registry import TRAINED, build_method, check_entries, parse_entry
from faceshield.noise.surrogate import NOISE_WEIGHTS, SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import PlainCrop, Transforms
from faceshield.training.generate import train_surrogate
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded

TAILORED = "tailored"
NO_NETWORK = frozenset({"random", "lsp", "ar"})  # these look at no picture, so that other people are of no use
PHOTOS = 20  # of a person, to which tailored noise is fitted


class MakerSettings(NetworkSettings):
    """The maker's other people, the ResNet-18 trained on them, and its ``epochs`` where a method wants it trained."""

    epochs: int


class MadeSettings(CropsSettings):
    """``generate`` maps "NOISE FORM", such as "error-min class", to settings of its method, over the paper's.

    A method has one form. Noise of a method in ``coarse`` is made for pictures so many times smaller, and each of its
    values laid over so many rows and columns: what lies in single pixels is lost when a collector resizes a face.
    """

    maker: MakerSettings
    coarse: dict[str, int] = Field(default={})
    generate: dict[str, dict[str, Any]] = Field(default={})

    @field_validator("generate")
    @classmethod
    def _known_methods(cls, generate: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Raise ValueError as :func:`~faceshield.noise.registry.check_entries`."""
        return check_entries(generate)

    def find_form(self, name: str) -> Form:
        """The form in which the recipe makes a method's noise. Raises UsageError where ``generate`` has none or two."""
        forms = [form for method, form in map(parse_entry, self.generate) if method == name]
        if len(forms) != 1:
            raise UsageError(
                f"noise {name!r} has {len(forms)} entries in generate and needs one, such as '{name} sample'"
            )
        return forms[0]

    def fits(self, key: CellKey) -> None:
        """Raises UsageError for a noise that ``generate`` does not name."""
        for name in getattr(key, "noise", "none").split("+"):
            if name not in ("none", "left-out", TAILORED):
                self.find_form(name)


def load_or_make(name: str, own: Examples, seed: int, settings: MadeSettings, context: Context) -> Noise:
    """The noise of a cell's ``own`` photos of the protected people, no more visible than tailored noise on them.

    ``name`` is tailored, a method's, or two methods' joined by "+", each of which has half of ε.
    ``provenance`` has what :func:`faceshield.experiments.faces.equal_look.shrink` measures, noise_seconds_per_1000
    photos, noise_cpu_seconds_per_1000 (the processor's, whatever else it does) and noise_peak_mb; the training of a
    network that a method wants is part of its cost.
    """
    path = context.cache_path(f"worn-{_digest(name, own, seed, settings, context)[:16]}.safetensors")

    def make() -> Tensors:
        most = None
        if name != TAILORED:
            most = load_or_make(TAILORED, own, seed, settings, context).provenance["delta_e_mean"]
        context.say(f"  making {name}, seed {seed}")
        begun, worked = time.perf_counter(), time.process_time()
        made, peak = measure_peak(lambda: _make(name, own, seed, settings, context))
        spent = {"noise_seconds": time.perf_counter() - begun, "noise_cpu_seconds": time.process_time() - worked}
        cost = {f"{what}_per_1000": round(value / len(own) * 1000, 3) for what, value in spent.items()}
        if peak is not None:
            cost["noise_peak_mb"] = round(peak, 1)
        noise = shrink(replace(made, provenance=cost), own, most)
        told = {"form": noise.form, "keys": list(noise.keys), "epsilon": noise.budget.epsilon}
        levels = (noise.delta * 255).round().to(torch.int8)
        return {"levels": levels}, {**told, "provenance": dict(noise.provenance)}

    tensors, fields = load_or_make_tensors(path, make, context.runtime.ranks)
    budget = Budget(fields["epsilon"])
    return Noise(tensors["levels"].float() / 255, fields["form"], fields["keys"], budget, fields["provenance"])


def _digest(name: str, own: Examples, seed: int, settings: MadeSettings, context: Context) -> str:
    """What decides a noise, and how visible it may be: that of tailored noise."""
    tailored = [require_steps(settings), repr(Transforms()), weights.digest_files(NOISE_WEIGHTS)]
    decides: list[Any] = [name, seed, digest_data(own), own.classes, str(context.runtime.dtype), tailored]
    for part in () if name == TAILORED else name.split("+"):
        form, coarse = settings.find_form(part), settings.coarse.get(part, 1)
        decides += [part, form, settings.generate[f"{part} {form}"], coarse]
        decides += [settings.maker.model_dump(), settings.size, context.content(settings.maker.people)]
    return digest_json(decides)


def _make(name: str, own: Examples, seed: int, settings: MadeSettings, context: Context) -> Noise:
    if name == TAILORED:
        return _make_tailored(own, seed, settings, context)
    names = name.split("+")
    parts = [_make_one(part, own, seed, 8 / 255 / len(names), settings, context) for part in names]
    whole = parts[0]
    for other in parts[1:]:
        whole = add(whole, other, own, bound="sum")
    return whole


def _make_tailored(own: Examples, seed: int, settings: MadeSettings, context: Context) -> Noise:
    """What the command makes for each person, from the secrets of the other face recipes."""
    bank = load_bank()
    ensemble = load_ensemble(SURROGATES, context.runtime.prepare, len(bank.delta))
    each = [
        fit(own.images[own.labels == label][:PHOTOS], bank.delta, ensemble, f"{seed}-{name}", Transforms(),
            require_steps(settings), context)
        for label, name in enumerate(own.classes)
    ]  # fmt: skip
    return Noise(torch.stack(each), "class", own.classes, Budget(bank.epsilon))


def _make_one(name: str, own: Examples, seed: int, epsilon: float, settings: MadeSettings, context: Context) -> Noise:
    """δ on the canvas of the own photos, or of their people."""
    form, coarse, maker = settings.find_form(name), settings.coarse.get(name, 1), settings.maker
    method = build_method(name, form, epsilon=epsilon, **settings.generate[f"{name} {form}"])
    data = own if name in NO_NETWORK else concatenate([own, _read_others(settings, context)])
    data = data.resize(data.images.shape[-1] // coarse)
    network = build_seeded(
        lambda: Framed(resnet18(len(data.classes), width=maker.width, stem="stride2"), settings.size),
        derive_seed(seed, "surrogate"),
    )
    kept: list[dict[str, Tensor]] = []
    if name in TRAINED:
        begun = derive_seed(seed, "surrogate")
        kept = train_surrogate(network, method, data, context.runtime, epochs=maker.epochs, seed=begun)
    theta = replace(learner(network, context.runtime, lr=maker.lr), checkpoints=kept)
    made = method.generate(data, theta, seed=seed)
    keys = own.classes if form == "class" else own.ids
    delta = made.for_batch(keys).repeat_interleave(coarse, -2).repeat_interleave(coarse, -1)
    return Noise(delta, form, keys, made.budget, made.provenance)


def _read_others(settings: MadeSettings, context: Context) -> Examples:
    data = read_source(settings.maker, context)
    ids, classes = (tuple(f"other-{name}" for name in names) for names in (data.ids, data.classes))
    return replace(data, ids=ids, classes=classes)


class Framed(nn.Module):
    """A network that is given the canvas and sees a collector's frame of it, at ``size``, so that δ is the canvas's."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self.frame = PlainCrop(size=size)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] → the network's logits."""
        out: Tensor = self.network(self.frame(x, torch.Generator()))
        return out
