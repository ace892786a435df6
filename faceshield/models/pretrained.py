"""The recognisers that others trained and that come with the tool: one table, by the name that the commands take.

They differ on purpose, in network, training photos, loss and crop: what leads one astray need not lead the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from faceshield.core.errors import UsageError
from faceshield.core.plugins import find_plugin, name_all
from faceshield.core.store import read_tensors, sha256
from faceshield.imaging.crop import DLIB_150, TEMPLATE_112, CropSpec, template
from faceshield.models import faceres, fr_feature, mobileface, resnet29, sface, weights
from faceshield.models.embedder import Embedder, fill

GROUP: Final = "faceshield.recognisers"

RESNET29 = "resnet29"
"""The name of the default."""

JUDGE = "mobileface"
"""The recogniser that masks are never made against, so that there is one to measure them by."""

SURROGATES = (RESNET29, "sface", "fr_feature", "faceres")
"""The recognisers that masks are made against."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained recogniser.

    Attributes:
        title: Its name for people.
        file: Its name among the weights.
        build: Maps the file's tensors to the frozen network.
        spec: The aligned crop that it expects.
        crop: The same in words.
        away: Distance from a person's photos at which a mask's push ends: well above the distance of a match. Features
            of unit length that say nothing of each other lie √2 apart.
        path: Of another package's recogniser, the safetensors file itself.

    Embeddings are compared by their Euclidean distance, a photo's being the mean of its crop's and the mirror image's.
    """

    title: str
    file: str
    build: Callable[[Mapping[str, Tensor]], Embedder]
    spec: CropSpec
    crop: str
    away: float = 1.7
    path: Path | None = None

    @property
    def sha256(self) -> str:
        """The checksum of its weights, which tells it apart from every other in results and caches."""
        if self.path is not None:
            return sha256(self.path)
        return weights.read_registry()[self.file].sha256


_FIELD = CropSpec(TEMPLATE_112, 112), "MTCNN's five points on the field's 112-pixel crop"

PRETRAINED: dict[str, Pretrained] = {
    RESNET29: Pretrained(
        "ResNet-29 (dlib)",
        resnet29.RECOGNISER,
        resnet29.build,
        CropSpec(DLIB_150, resnet29.CROP_SIZE),
        "MTCNN's five points on its 150-pixel crop",
        away=1.6,
    ),
    "sface": Pretrained("SFace (OpenCV)", "sface", lambda tensors: fill(sface.SFace(), tensors, "SFace"), *_FIELD),
    "fr_feature": Pretrained(
        "MobileFaceNet (Faceplugin)",
        "fr_feature",
        lambda tensors: fill(fr_feature.FrFeature(), tensors, "fr_feature"),
        *_FIELD,
    ),
    "faceres": Pretrained(
        "MobileNet (HSE, VGGFace2)",
        "faceres",
        lambda tensors: fill(faceres.FaceRes(), tensors, "faceres"),
        CropSpec(template(faceres.SIZE, 8), faceres.SIZE),
        "MTCNN's five points on the field's crop and 8 of its pixels around it, as 224 pixels",
    ),
    "mobileface": Pretrained(
        "MobileFace V3", "mobileface", lambda tensors: fill(mobileface.MobileFace(), tensors, "MobileFace"), *_FIELD
    ),
}


def name_recogniser_weights() -> tuple[str, ...]:
    """The shipped recognisers' files, by their names among the weights."""
    return tuple(entry.file for entry in PRETRAINED.values())


def pretrained(name: str) -> Pretrained:
    """The entry ``name`` of :data:`PRETRAINED`, or what another package adds. Raises UsageError for any other name.

    A package adds one by an entry point of the group "faceshield.recognisers": a Pretrained with a ``path``.
    It verifies and is evaluated; masks and audits also need the shipped crowd as it sees it, which it has not.
    """
    found: Pretrained | None = PRETRAINED.get(name) or find_plugin(
        GROUP, name, lambda value: isinstance(value, Pretrained)
    )
    if found is None:
        raise UsageError(f"recogniser {name!r} is unknown; use {', '.join(name_all(GROUP, PRETRAINED))}")
    return found


def load(name: str) -> Embedder:
    """The frozen network ``name``, float32, on the CPU.

    Raises UsageError for another name, StoreError where its file is absent or damaged.
    """
    entry = pretrained(name)
    tensors, _ = weights.load(entry.file) if entry.path is None else read_tensors(entry.path)
    return entry.build(tensors)
