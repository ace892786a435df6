"""What happened to each photo and face: dataclasses, and the faceshield.json they are written as."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

import faceshield

Status = Literal["cloaked", "unprotected", "failed"]


@dataclass(frozen=True)
class FaceReport:
    """One cloaked face, measured on the pixels handed to the encoder.

    box x0, y0, x1, y1 in upright pixels · linf_255 in levels of 255 · psnr in dB · ssim_face over ``region``
    (rows and columns y0, x0, y1, x1 that may have changed) · frame: of a moving picture, counted from 1
    """

    box: tuple[float, ...]
    score: float
    region: tuple[int, ...]
    linf_255: float
    psnr: float
    ssim_face: float
    frame: int | None = None


@dataclass(frozen=True)
class PhotoReport:
    """One input file. ``reason`` says why it is unprotected or failed, in one line with the fix.

    ``written_linf_255``: what decoding the written file gives against the original, in the faces' regions;
    ``resaved_linf_255``: the same for the untouched original saved the same way (0 for lossless formats). For JPEG
    both are measured on the faces' parts coded by themselves, which gives the same (see ``cloaking.check``).
    ``still_at``, of a masked photo: its distance, as written, from the person's nearest clean one by ResNet-29, for
    which a match is below ``models.resnet29.MATCH_DISTANCE``.
    ``frames`` and ``frames_cloaked``, of a moving picture: how many it has, and how many of them show the face.
    """

    source: str
    status: Status
    reason: str = ""
    output: str | None = None
    identity: str | None = None
    epsilon: float | None = None
    faces: tuple[FaceReport, ...] = ()
    faces_seen: int = 0
    lossless: bool | None = None
    written_linf_255: float | None = None
    resaved_linf_255: float | None = None
    still_at: float | None = None
    frames: int | None = None
    frames_cloaked: int | None = None
    stripped: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    sha256_input: str | None = None
    sha256_output: str | None = None

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PhotoReport:
        """The inverse of ``asdict`` through JSON."""
        lists = {key: tuple(value[key]) for key in ("stripped", "notices", "changes")}
        faces = tuple(
            FaceReport(**{**face, "box": tuple(face["box"]), "region": tuple(face["region"])})
            for face in value["faces"]
        )
        return PhotoReport(**{**value, **lists, "faces": faces})


@dataclass(frozen=True)
class CloakReport:
    """All photos of a run, in input order, and how they were made."""

    photos: tuple[PhotoReport, ...]
    options: Mapping[str, Any]
    identity: Mapping[str, Any] | None
    ignored: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    started: str = ""
    device: str = ""
    versions: Mapping[str, str] = field(
        default_factory=lambda: {
            "faceshield": faceshield.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
    )

    def having(self, status: Status) -> tuple[PhotoReport, ...]:
        """The photos that ended so."""
        return tuple(photo for photo in self.photos if photo.status == status)

    @property
    def exit_code(self) -> int:
        """0 all cloaked · 3 some left unprotected · 4 some files could not be read or written."""
        return 4 if self.having("failed") else 3 if self.having("unprotected") else 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; infinite PSNR (nothing changed) becomes null."""
        value = asdict(self)
        for photo in value["photos"]:
            for face in photo["faces"]:
                face["psnr"] = face["psnr"] if face["psnr"] != float("inf") else None
        return {"about": ABOUT[self.options.get("against", "training")], **value}


_PRIVATE = "Keep this file to yourself: it links output to input."
ABOUT = {
    "training": "Cloaking acts on recognisers trained on these photos. It does not hide a face from a search that"
    f" compares photos without training on them, nor cover copies already online. {_PRIVATE}",
    "search": "Each face was moved away from the person for four frozen recognisers (dlib's ResNet-29 and three small"
    " ones of our own). Others find it less often than without, not never (faces/search); later ones and ones trained"
    f" on these photos may still find it, and copies already online are not covered. {_PRIVATE}",
    "both": "The middle of each face was moved away from the person for one frozen recogniser (dlib's ResNet-29), and"
    " what lies around it carries the person's noise against training. Measured, each does less than alone: that"
    " recogniser still finds some of the photos (faces/search), and one trained on them still knows the person in a"
    f" part of the clean ones (faces/selfie). Copies already online are not covered. {_PRIVATE}",
}
