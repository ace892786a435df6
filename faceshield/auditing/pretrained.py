"""The frozen recognisers that come with the tool, ready to embed photos."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import normalize

from faceshield.evaluation.enrol import Recogniser
from faceshield.faces.align import align_box, cut
from faceshield.models import facenet
from faceshield.models.inception_resnet import CHANNELS
from faceshield.models.pretrained import RESNET29, load, pretrained
from faceshield.training.runtime import Runtime


def load_recogniser(device: torch.device, file: Path | None = None, name: str = RESNET29) -> Recogniser:
    """The shipped recogniser ``name`` on ``device``, in float32: bf16 keeps two to three digits, thresholds need three.

    ``file`` is that of facenet-pytorch's VGGFace2 weights, to be used in its place on the crops and with the outputs of
    length 1 that are facenet-pytorch's own. Raises StoreError for another file, UsageError for an unknown name.
    """
    runtime = Runtime(device, torch.float32)
    if file is not None:
        inception, digest = runtime.place(facenet.load(file)), facenet.VGGFACE2.checksum.digest
        return Recogniser(
            lambda batch: normalize(runtime.forward(inception, batch)), device, digest, CHANNELS, align_box
        )
    entry, embedder = pretrained(name), load(name)
    network = runtime.place(embedder)
    return Recogniser(
        lambda batch: runtime.forward(network, batch),
        device,
        entry.sha256,
        embedder.width,
        partial(cut, crop=entry.spec),
    )
