"""What compares photos in a search: the shipped ResNet-29, or a recogniser that the recipe trains on other people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from faceshield.auditing.pretrained import load_recogniser
from faceshield.core.cache import Tensors, digest_json, load_or_make_tensors
from faceshield.core.errors import UsageError
from faceshield.core.fingerprint import fingerprint
from faceshield.core.store import sha256
from faceshield.data.canvas import crop_canvas, crop_canvas_float
from faceshield.data.examples import concatenate
from faceshield.data.pairs import read_pairs
from faceshield.data.tree import read_tree
from faceshield.evaluation.distractors import TARGETS, draw_order, load_distractors
from faceshield.evaluation.embed import combine, embed_pairs
from faceshield.evaluation.enrol import Recogniser
from faceshield.experiments.engine.context import Context
from faceshield.experiments.engine.experiment import Settings, Source
from faceshield.experiments.faces.lfw import align_photos
from faceshield.faces.align import align
from faceshield.models.resnet import resnet18
from faceshield.noise.file import digest_data
from faceshield.training.loop import build_seeded, train
from faceshield.training.runtime import Runtime

ExtractorName = Literal["resnet29", "trained", "disjoint"]
SEED = 0


class TrainedSettings(Settings):
    """An RN-18 of ``width`` at ``size`` pixels that learns the people of ``people`` and ``others`` as its classes.

    ``others`` taught the recognisers that ship, and masks are made against those: the extractor "disjoint" does without
    them. Both are crops on the noise canvas. The photos of ``lfw`` (``pairs.txt`` and ``images/``) that the pairs name
    are the strangers.
    """

    people: Source
    others: Source
    lfw: Source
    size: int
    width: int
    epochs: int
    lr: float


@dataclass(frozen=True)
class Extractor:
    """A frozen ``recogniser`` · crowd (n, D): its features of the photos of ``load_strangers().crowd``, in that order ·
    ``unit``: whether its features are brought to unit length before they are compared.
    """

    recogniser: Recogniser
    crowd: Tensor
    unit: bool


def load_extractor(name: ExtractorName, trained: TrainedSettings | None, context: Context) -> Extractor:
    """The extractor ``name``: resnet29, or a network trained with the settings ``trained``.

    "trained" learns all people, "disjoint" only those whom the shipped recognisers do not know.

    Raises UsageError for a trained one without settings, and where data is not there.
    """
    if name == "resnet29":
        return Extractor(load_recogniser(context.runtime.device), load_distractors().crowd, unit=False)
    if trained is None:
        raise UsageError(f"extractor {name} needs the setting trained: who it is trained on, and how")
    sources = [trained.people] if name == "disjoint" else [trained.people, trained.others]
    recogniser = train_recogniser(trained, sources, context)
    return Extractor(recogniser, _embed_distractors(recogniser, trained.lfw, context), unit=True)


def train_recogniser(settings: TrainedSettings, sources: Sequence[str], context: Context) -> Recogniser:
    """The recogniser trained on ``sources``, from the cache if an earlier cell trained it.

    It embeds the canvas of :func:`faces.align.align`.

    Raises UsageError where the people are not there.
    """
    data = concatenate([read_tree(context.source(name)) for name in sources])
    data = replace(data, images=crop_canvas(data.images, settings.size))
    options = settings.model_dump(exclude={"people", "others", "lfw"})
    decides = [options, SEED, digest_data(data), str(context.runtime.dtype)]
    path = context.cache_path(f"extractor-{digest_json(decides)[:16]}.safetensors")
    network = build_seeded(lambda: resnet18(len(data.classes), width=settings.width, stem="stride2"), SEED)

    def make() -> Tensors:
        context.say(f"  an extractor learns {len(data.classes)} people from {len(data)} photos")
        history = train(
            network, data, context.runtime, epochs=settings.epochs, seed=SEED, lr=settings.lr,
            on_epoch=context.epochs(settings.epochs),
        )  # fmt: skip
        return network.state_dict(), {"train_loss": history.train_loss}

    network.load_state_dict(load_or_make_tensors(path, make, context.runtime.ranks)[0])
    runtime = Runtime(context.runtime.device, torch.float32)  # as ResNet-29: thresholds need three digits
    runtime.place(network).eval()

    def forward(canvases: Tensor) -> Tensor:
        crops = crop_canvas_float(canvases, settings.size)
        return network.features(crops.contiguous(memory_format=runtime.memory_format))

    return Recogniser(forward, runtime.device, sha256(path), network.head.in_features, align)


def _embed_distractors(recogniser: Recogniser, lfw: str, context: Context) -> Tensor:
    """(n, D): the features of the shipped crowd's own photos, row by row, so that both extractors search one crowd."""
    source = context.source(lfw)
    path = context.work / f"strangers-{digest_json([recogniser.name, fingerprint(source)])[:16]}.safetensors"

    def make() -> Tensors:
        named = set(read_pairs(source / "pairs.txt").ids())
        crops = align_photos(lfw, context)
        crops = crops.select(torch.tensor([id in named for id in crops.ids]))
        order, people = draw_order(crops.ids)
        crowd = people >= TARGETS
        if not (people[crowd] - TARGETS).equal(load_distractors().people):
            raise UsageError(f"{source}: shows other people than the shipped strangers; give LFW, deep-funnelled")
        images = crops.images[order][crowd].to(recogniser.device)
        features = combine(embed_pairs(images, recogniser.forward, batch=128))
        return {"crowd": features}, {"recogniser": recogniser.name}

    return load_or_make_tensors(path, make, context.runtime.ranks)[0]["crowd"]
