"""The frozen recogniser that comes with the tool, ready to embed photos."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn.functional import normalize

from faceshield.evaluation.enrol import Recogniser
from faceshield.faces.align import align_box
from faceshield.models import facenet, resnet29, weights
from faceshield.models.inception_resnet import CHANNELS
from faceshield.training.runtime import Runtime


def pretrained(device: torch.device, file: Path | None = None) -> Recogniser:
    """The shipped ResNet-29 on ``device``, in float32: bf16 keeps two to three digits, thresholds need three.

    ``file`` is that of facenet-pytorch's VGGFace2 weights, to be used in its place on the crops and with the outputs of
    length 1 that are facenet-pytorch's own. Raises StoreError for another file.
    """
    runtime = Runtime(device, torch.float32)
    if file is not None:
        inception, digest = runtime.place(facenet.load(file)), facenet.VGGFACE2.checksum.digest
        return Recogniser(
            lambda batch: normalize(runtime.forward(inception, batch)), device, digest, CHANNELS, align_box
        )
    network = runtime.place(resnet29.load())
    name = weights.registry()["dlib_face_resnet29"].sha256
    return Recogniser(lambda batch: runtime.forward(network, batch), device, name)
