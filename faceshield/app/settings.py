"""What the page lets a person choose for a run, and the Options that it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from faceshield.app.refusals import Refusal

if TYPE_CHECKING:  # torch takes seconds, and the server does without
    from faceshield.cloaking.options import Options

CHOICES: dict[str, tuple[Any, ...]] = {
    "levels": (4, 6, 8, 12, 16),
    "against": ("training", "search", "both"),
    "metadata": ("keep", "no-location", "none"),
    "format": ("same", "png", "jpeg", "webp"),
}


@dataclass(frozen=True)
class Settings:
    """One run's choices.

    Attributes:
        identity: whose noise.
        levels: ε in levels of 255.
        ready: take a ready-made public noise instead of making a private one (``--fast``).
        against, metadata, format: as in ``cloaking.options.Options``.
    """

    identity: str = "me"
    levels: int = 8
    ready: bool = False
    against: str = "training"
    metadata: str = "keep"
    format: str = "same"

    @staticmethod
    def from_json(value: object) -> Settings:
        """Read what the page sends. Raises Refusal for anything that it does not offer."""
        known = Settings()
        if not isinstance(value, Mapping) or not set(value) <= set(asdict(known)):
            raise Refusal("settings")
        for name, given in value.items():
            if type(given) is not type(getattr(known, name)) or given not in CHOICES.get(name, (given,)):
                raise Refusal("settings", name=name)
        return Settings(**value)

    @property
    def needs_identity(self) -> bool:
        """Whether photos carry the noise of an identity; masks alone do not."""
        return self.against != "search"

    def build_options(self, faces: Mapping[str, str], *, resume: bool = False, jobs: int = 0) -> Options:
        """The Options of a run with these ``faces``, by path; an identity that is made already keeps its own ε.

        Raises UsageError for a name that cannot be used, StoreError where the identity's file is damaged.
        """
        from faceshield.cloaking.options import Options
        from faceshield.noise import vault

        given: dict[str, Any] = {name: getattr(self, name) for name in ("identity", "against", "metadata", "format")}
        made = self.needs_identity and vault.exists(self.identity)
        epsilon = vault.load(self.identity).epsilon if made else self.levels / 255
        ready = self.ready and self.needs_identity
        return Options(**given, epsilon=epsilon, fast=ready, faces=faces, resume=resume, jobs=jobs)
