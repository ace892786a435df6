"""The option of the commands that compare faces by a pretrained recogniser."""

from __future__ import annotations

from pathlib import Path

import click

WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path),
    help="facenet-pytorch's VGGFace2 file, as 'faceshield data get vggface2' leaves it; by default dlib's ResNet-29.",
)  # fmt: skip
