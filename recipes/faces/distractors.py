"""Embed Labeled Faces in the Wild and put the anonymous embeddings into weights/: the crowd of the audit."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from faceshield.auditing.pretrained import load_recogniser
from faceshield.core.errors import UsageError
from faceshield.core.store import write_tensors
from faceshield.evaluation.distractors import DISTRACTORS, TARGETS, draw_order
from faceshield.evaluation.embed import combine
from faceshield.evaluation.enrol import enrol
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.models.weights import register

WEIGHTS = Path("weights")
CACHE = Path("runs/faces/lfw/mini/enrolled")  # what the recipe faces/lfw embedded already


def main(images: Path) -> None:
    """``images`` holds NAME/NAME_0001.jpg as LFW is distributed; photos without a face are left out."""
    ids = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.jpg"))
    if not ids:
        raise UsageError(f"{images}: holds no .jpg; give LFW's folder of people")
    recogniser = load_recogniser(torch.device("cpu"))
    enrolled = enrol(images, ids, AnyRollDetector(), recogniser, cache=CACHE)
    features = combine(enrolled.raw, unit=False).half()[torch.from_numpy(enrolled.found)]
    order, people = draw_order([id for id, found in zip(ids, enrolled.found, strict=True) if found])
    first = {int(person): i for i, person in reversed(list(zip(order, people, strict=True)))}
    crowd = people >= TARGETS
    tensors = {
        "crowd": features[order][crowd],
        "people": (people[crowd] - TARGETS).to(torch.int32),
        "targets": features[[first[person] for person in range(TARGETS)]],
    }
    write_tensors(WEIGHTS / f"{DISTRACTORS}.safetensors", tensors, {"recogniser": recogniser.name})
    entry = register(
        WEIGHTS,
        DISTRACTORS,
        f"{DISTRACTORS}.safetensors",
        licence="embeddings of Labeled Faces in the Wild (Huang et al. 2007), for research and for measuring one's own",
        source="python recipes/faces/strangers.py LFW_IMAGES",
        input="none: (n, 128) and (m, 128) float16 outputs of dlib_face_resnet29",
    )
    print(f"{len(tensors['crowd'])} photos of {len(people.unique()) - TARGETS} people, {TARGETS} targets")
    print(f"{DISTRACTORS}: {entry.bytes / 1e6:.1f} MB, sha256 {entry.sha256[:16]}…")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
