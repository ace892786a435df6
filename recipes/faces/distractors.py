"""Embed Labeled Faces in the Wild and put the anonymous embeddings into weights/: the crowd of the audit."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from faceshield.auditing.pretrained import load_recogniser
from faceshield.core.errors import UsageError
from faceshield.core.store import write_tensors
from faceshield.evaluation.distractors import CROWD, TARGETS, draw_order, name_distractors
from faceshield.evaluation.embed import combine
from faceshield.evaluation.enrol import enrol
from faceshield.experiments.faces.lfw import EXPERIMENT
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.kept import KeptDetector
from faceshield.imaging.photo import load
from faceshield.models.pretrained import PRETRAINED
from faceshield.models.weights import register

WEIGHTS = Path("weights")
ENROLLED = EXPERIMENT.place(Path("runs/faces/lfw/mini")) / "enrolled"  # what the recipe faces/lfw embedded already
DETECTED = Path("runs/shared/faces-at-any-roll")


def main(images: Path) -> None:
    """``images`` holds NAME/NAME_0001.jpg as LFW is distributed; photos without a face are left out."""
    ids = sorted(path.relative_to(images).as_posix() for path in images.rglob("*.jpg"))
    if not ids:
        raise UsageError(f"{images}: holds no .jpg; give LFW's folder of people")
    detector = KeptDetector(AnyRollDetector(), DETECTED)
    found = [id for id in ids if detector.detect(load(images / id).rgb8())]
    order, people = draw_order(found)
    first = {int(person): place for place, person in reversed(list(zip(order, people, strict=True)))}
    crowd = people >= TARGETS
    chosen = [place for place, inside in zip(order, crowd, strict=True) if inside][:CROWD]
    targets = [first[person] for person in range(TARGETS)]
    numbers = (people[crowd][:CROWD] - TARGETS).to(torch.int32)
    for name in PRETRAINED:
        _write(name, images, [found[place] for place in (*chosen, *targets)], numbers, detector)


def _write(name: str, images: Path, ids: list[str], numbers: torch.Tensor, detector: KeptDetector) -> None:
    recogniser = load_recogniser(torch.device("cpu"), name=name)
    enrolled = enrol(images, ids, detector, recogniser, cache=ENROLLED)
    features = combine(enrolled.raw, unit=False).half()
    tensors = {"crowd": features[: len(numbers)], "people": numbers, "targets": features[len(numbers) :]}
    weights = name_distractors(name)
    write_tensors(WEIGHTS / f"{weights}.safetensors", tensors, {"recogniser": recogniser.name})
    entry = register(
        WEIGHTS,
        weights,
        f"{weights}.safetensors",
        licence="embeddings of Labeled Faces in the Wild (Huang et al. 2007), for research and for measuring one's own",
        source="python recipes/faces/distractors.py LFW_IMAGES",
        input=f"none: (n, {recogniser.size}) and (m, {recogniser.size}) float16 outputs of {PRETRAINED[name].file}",
    )
    print(f"{weights}: {len(numbers)} photos of {len(numbers.unique())} people, {TARGETS} targets,", end=" ")
    print(f"{entry.bytes / 1e6:.1f} MB, sha256 {entry.sha256[:16]}…")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
