"""What happened to each photo and face: dataclasses, and the faceshield.json they are written as."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

import faceshield
from faceshield.core.store import sha256
from faceshield.noise.identity import Identity

Status = Literal["cloaked", "unprotected", "failed"]


@dataclass(frozen=True)
class FaceReport:
    """One cloaked face, measured on the pixels handed to the encoder.

    Attributes:
        box: x0, y0, x1, y1 in upright pixels.
        score: the detector's, in [0, 1].
        region: y0, x0, y1, x1 of the rows and columns that may have changed.
        linf_255: largest change of a pixel value, in levels of 255.
        psnr: in dB, over ``region``.
        ssim_face: structural similarity over ``region``.
        delta_e_mean, delta_e_p95: CIEDE2000 of what changed in ``region``, mean and 95th percentile.
        tint_mean, contrast_p95: what of it shows as patches and as edges, see ``evaluation.tint``.
        flip_mean: mean FLIP error over ``region``, see ``evaluation.flip``; None where its package is not installed.
        frame: its number in a moving picture, counted from 1.
    """

    box: tuple[float, ...]
    score: float
    region: tuple[int, ...]
    linf_255: float
    psnr: float
    ssim_face: float
    delta_e_mean: float | None = None
    delta_e_p95: float | None = None
    tint_mean: float | None = None
    contrast_p95: float | None = None
    flip_mean: float | None = None
    frame: int | None = None


@dataclass(frozen=True)
class PhotoReport:
    """What happened to one input file.

    Attributes:
        reason: why it is unprotected or failed, in one line with the fix.
        output: where it was written, relative to the output folder.
        lossless: whether the written file keeps every pixel it was given.
        written_linf_255: largest difference in the faces' regions between the written file, decoded, and the original.
            For JPEG the regions are coded by themselves, which gives the same (see ``cloaking.check``).
        resaved_linf_255: the same for the untouched original saved in the same way; 0 for lossless formats.
        distances: of a masked photo, as written, from the person's nearest clean one, by the recogniser's name.
        still_matched: the recognisers that take the masked photo for the person at a false match rate of 1e-3.
        frames, frames_cloaked: of a moving picture, how many it has, and how many of them show the face.
        stripped, notices, changes: see ``imaging.photo.Encoded``.
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
    distances: Mapping[str, float] | None = None
    still_matched: tuple[str, ...] = ()
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
        lists = {key: tuple(value[key]) for key in ("stripped", "notices", "changes", "still_matched")}
        faces = tuple(
            FaceReport(**{**face, "box": tuple(face["box"]), "region": tuple(face["region"])})
            for face in value["faces"]
        )
        return PhotoReport(**{**value, **lists, "faces": faces})


@dataclass(frozen=True)
class CloakReport:
    """All photos of a run, in input order, and how they were made.

    Attributes:
        options: what ``Options.describe`` gives.
        identity: what :func:`describe_identity` gives.
        ignored: files of the input folders that are not pictures.
        notices: what the user should know of the identity.
        started: when the run began, UTC in ISO 8601.
        about: what the run acts against, and what it does not cover.
        recognisers: those that the masks were made against, by name; () where no masks were made.
    """

    photos: tuple[PhotoReport, ...]
    options: Mapping[str, Any]
    identity: Mapping[str, Any] | None
    ignored: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    started: str = ""
    device: str = ""
    about: str = ""
    recognisers: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(
        default_factory=lambda: {
            "faceshield": faceshield.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
    )

    def select(self, status: Status) -> tuple[PhotoReport, ...]:
        """The photos that ended so."""
        return tuple(photo for photo in self.photos if photo.status == status)

    @property
    def exit_code(self) -> int:
        """0 all cloaked · 3 some left unprotected · 4 some files could not be read or written."""
        return 4 if self.select("failed") else 3 if self.select("unprotected") else 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; infinite PSNR (nothing changed) becomes null."""
        value = asdict(self)
        for photo in value["photos"]:
            for face in photo["faces"]:
                face["psnr"] = face["psnr"] if face["psnr"] != float("inf") else None
        return {"about": self.about, **value}


def describe_identity(identity: Identity | None) -> dict[str, Any] | None:
    """What the report may say: neither the secret nor the class index it chose."""
    if identity is None:
        return None
    return {
        "name": identity.name,
        "kind": identity.kind,
        "photos": identity.photos,
        "created": identity.created,
        "surrogate": identity.surrogate,
        "bank_correlation": round(identity.bank_correlation, 3),
        "noise_sha256": hash_noise(identity),
    }


def hash_noise(identity: Identity | None) -> str | None:
    """Hexadecimal SHA-256 of the bytes of an identity's δ."""
    return None if identity is None else sha256(identity.delta.numpy().tobytes())
