"""The options of the commands that compare faces by a pretrained recogniser, and what they choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from faceshield.core.errors import UsageError

if TYPE_CHECKING:
    import torch

    from faceshield.evaluation.enrol import Recogniser

WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path),
    help="facenet-pytorch's VGGFace2 file, as 'faceshield data get vggface2' leaves it, in place of --recogniser.",
)  # fmt: skip

RECOGNISER = click.option(
    "--recogniser", "name", metavar="NAME",
    help="Who compares: resnet29 (dlib's, the default), sface, fr_feature, faceres or mobileface.",
)  # fmt: skip


def choose_recogniser(name: str | None, file: Path | None, device: torch.device) -> tuple[Recogniser, str]:
    """What --recogniser and --weights name, on ``device``, and in words. Raises UsageError where both are given."""
    from faceshield.auditing.pretrained import load_recogniser
    from faceshield.models.pretrained import RESNET29, pretrained

    if file is not None:
        if name is not None:
            raise UsageError(f"--weights {file} and --recogniser {name}: both say who compares; give one of them")
        return load_recogniser(device, file), "InceptionResnetV1 (facenet-pytorch, VGGFace2), MTCNN's box as 160 pixels"
    recogniser = load_recogniser(device, name=name or RESNET29)
    entry = pretrained(name or RESNET29)
    return recogniser, f"{entry.title}, {entry.crop}"
