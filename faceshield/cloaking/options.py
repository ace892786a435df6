"""What a user can choose; the defaults are the tool's advice."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from faceshield.core.budget import Budget, Look
from faceshield.core.errors import UsageError

Format = Literal["same", "png", "jpeg", "webp"]
Metadata = Literal["keep", "no-location", "none"]
Against = Literal["training", "search", "both"]
Frames = Literal["all", "first"]


@dataclass(frozen=True)
class Options:
    """Choices of one cloaking run.

    Attributes:
        identity: whose noise; made on first use, then reused unchanged.
        epsilon: L∞ bound in [0, 1].
        face: "largest", "all", "2" (as ``detect`` numbers them), "X,Y,W,H" in upright photo pixels, or several of the
            latter two joined by "+".
        faces: the same for single photos, by path as they are given; ``face`` counts for the others.
        like: a picture of the person; in each photo the face most like it is taken.
        against: "training" (Eq. 2: one noise), "search" (a mask for each photo) or "both" within one ε; see
            ``cloaking.strategy``.
        scatter: for masks: lead each photo towards another person drawn for it, not only away from this one.
        recognisers: for masks: names of ``models.pretrained`` that they are made against; () for the tool's choice.
        weights: for "search": facenet-pytorch's VGGFace2 file, one more recogniser that masks are made against.
        look: against training: how strong the noise is in a photo; see ``noise.look``.
        fast: take a noise of the public bank as it is instead of making a private one.
        frames: of an animation: "all", or the "first" as a still picture.
        format: "same" or the format to write.
        quality: "same" or 1 to 100.
        metadata: which tags to keep.
        jobs: photos at a time; 0 for one per core, at most 4.
        resume: continue an interrupted run.
    """

    identity: str = "me"
    epsilon: float = 8 / 255
    face: str = "largest"
    faces: Mapping[str, str] = field(default_factory=dict)
    like: str | Path | None = None
    against: Against = "training"
    scatter: bool = True
    recognisers: tuple[str, ...] = ()
    weights: str | Path | None = None
    look: Look = "balanced"
    fast: bool = False
    frames: Frames = "all"
    format: Format = "same"
    quality: Literal["same"] | int = "same"
    metadata: Metadata = "keep"
    jobs: int = 0
    resume: bool = False

    def __post_init__(self) -> None:
        Budget(self.epsilon)
        known = {"format": Format, "metadata": Metadata, "against": Against, "frames": Frames, "look": Look}
        for name, values in known.items():
            if getattr(self, name) not in get_args(values):
                raise UsageError(f"{name} {getattr(self, name)!r} is unknown; use {', '.join(get_args(values))}")
        if self.quality != "same" and not (isinstance(self.quality, int) and 1 <= self.quality <= 100):
            raise UsageError(f"quality {self.quality!r} is out of range; use 'same' or a number from 1 to 100")
        if self.like is not None and (self.face != "largest" or self.faces):
            chosen = self.face if self.face != "largest" else next(iter(self.faces.values()))
            raise UsageError(f"face={chosen!r} and like={str(self.like)!r} both choose a face; give one of them")
        if self.fast and self.against == "search":
            raise UsageError("fast takes a ready noise against training, and a mask has none; leave out one of them")
        if self.look != "balanced" and self.against != "training":
            raise UsageError(f"look {self.look!r} is for noise against training; leave it out or use against training")
        if self.weights is not None and self.against != "search":
            raise UsageError(f"weights {str(self.weights)!r} are for masks; use them with against search")
        if self.recognisers:
            from faceshield.models.pretrained import pretrained  # torch, which the command line's help does without

            for name in self.recognisers:
                pretrained(name)
        if self.recognisers and self.against == "training":
            raise UsageError(f"recogniser {self.recognisers[0]!r} is for masks; use it with against search or both")
        if self.jobs < 0:
            raise UsageError(f"jobs {self.jobs} is negative; use 0 for one per core")

    @property
    def workers(self) -> int:
        """How many photos are cloaked at a time."""
        return self.jobs or min(4, os.cpu_count() or 1)

    def describe(self) -> dict[str, Any]:
        """The options that decide the output's bytes, as JSON values: all but jobs and resume.

        ``faces`` is left out where there are none, so that a run that an earlier version has begun can be resumed.
        """
        unsaid = {"jobs", "resume", *([] if self.faces else ["faces"])}
        chosen = {key: value for key, value in asdict(self).items() if key not in unsaid}
        paths = {key: None if chosen[key] is None else str(chosen[key]) for key in ("like", "weights")}
        return {**chosen, **paths, "recognisers": list(self.recognisers)}
