"""What cloaking acts against: training, search or both, and all that depends on that choice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from faceshield.cloaking.ensemble import AlignedCrops, build_ensemble, build_witnesses
from faceshield.cloaking.options import Against, Options
from faceshield.cloaking.perturbation import IdentityNoise, Perturbation, PhotoMasks
from faceshield.evaluation.distractors import name_distractors
from faceshield.models import pretrained
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.weights import find_file
from faceshield.noise import vault
from faceshield.noise.identity import Identity, draw_secret, measure_pattern_loss
from faceshield.noise.surrogate import BANK, SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.training.runtime import Runtime

SECRET = "FACESHIELD_SECRET"
MAX_VIEWED = 60  # photos looked at to learn the person's face; more add time, not protection


@dataclass(frozen=True)
class Strategy:
    """How a run protects against one kind of recogniser, or against both kinds within one ε.

    Attributes:
        word: the value of ``Options.against``.
        surrogates: weight files of the networks that an identity's noise is fitted to; () where no noise is made.
        recognisers: names of ``models.pretrained`` that masks are made against unless the user names others; () where
            no masks are made.
        about: the sentences that open the run's report.
    """

    word: Against
    surrogates: tuple[str, ...]
    recognisers: tuple[str, ...]
    about: str

    @property
    def needs_identity(self) -> bool:
        """Whether the photos carry the noise of an identity."""
        return bool(self.surrogates)

    @property
    def makes_masks(self) -> bool:
        """Whether each photo gets a mask, which needs the person's face from this album."""
        return bool(self.recognisers)

    def choose_recognisers(self, options: Options) -> tuple[str, ...]:
        """The names of the recognisers that masks are made against."""
        return (options.recognisers or self.recognisers) if self.makes_masks else ()

    def require_weights(self, options: Options) -> None:
        """Raise StoreError where a weight file is missing: before photos are looked at, not minutes later."""
        recognisers = self.choose_recognisers(options)
        files = [*(pretrained.pretrained(name).file for name in recognisers), *map(name_distractors, recognisers)]
        for name in (*self.surrogates, *([BANK] if self.needs_identity else []), *files):
            find_file(name)

    def max_viewed(self, fast: bool) -> int:
        """How many photos with the person's face are looked at; a ready noise (``fast``) alone needs just one."""
        return 1 if fast and not self.makes_masks else MAX_VIEWED

    def build_perturbation(
        self,
        options: Options,
        identity: Identity | None,
        faces: Sequence[AlignedCrops],
        runtime: Runtime,
        inception: InceptionResnetV1 | None = None,
    ) -> Perturbation | None:
        """What is added to the photos; None where there is no ``identity`` for its noise or no face for masks.

        ``inception`` is one more recogniser for masks that are not made beside an identity's noise. Raises StoreError
        where weights are absent or damaged.
        """
        if not self.makes_masks:
            return None if identity is None else IdentityNoise(identity, options.look)
        if not faces:
            return None
        stored = vault.load(options.identity) if identity is None and vault.exists(options.identity) else identity
        names = self.choose_recognisers(options)
        inception = None if self.needs_identity else inception
        ensemble = build_ensemble(names, faces, runtime, scatter=options.scatter, inception=inception)
        witnesses = build_witnesses(ensemble, faces, runtime)
        secret = stored.secret if stored else choose_secret()
        pattern_loss = None
        if identity is not None:
            forward = load_ensemble(self.surrogates, runtime.prepare, len(load_bank().delta))
            pattern_loss = partial(measure_pattern_loss, forward, identity.class_index, Transforms())
        return PhotoMasks(ensemble, witnesses, secret, options, runtime.device, identity, pattern_loss)


def choose_secret() -> str:
    """A new secret from the operating system, or FACESHIELD_SECRET where a recipe or a test must be repeatable."""
    return os.environ.get(SECRET) or draw_secret()


_PRIVATE = "Keep this file to yourself: it links output to input."

STRATEGIES: dict[Against, Strategy] = {
    strategy.word: strategy
    for strategy in (
        Strategy(
            "training",
            surrogates=SURROGATES,
            recognisers=(),
            about="Cloaking acts on recognisers trained on these photos. It does not hide a face from a search that"
            f" compares photos without training on them, nor cover copies already online. {_PRIVATE}",
        ),
        Strategy(
            "search",
            surrogates=(),
            recognisers=pretrained.SURROGATES,
            about="Each face was moved away from the person for the frozen recognisers that this report names. Others"
            " find it less often than without, not never (faces/transfer); commercial services were not measured; later"
            " recognisers and ones trained on these photos may still find it, and copies already online are not"
            f" covered. {_PRIVATE}",
        ),
        # Both are made together, step by step. A mask laid on a finished noise undid it, and one that spared its band
        # let a search find more, for that is where recognisers look.
        Strategy(
            "both",
            surrogates=SURROGATES,
            recognisers=pretrained.SURROGATES,
            about="Each face carries the person's noise against recognisers trained on these photos, and a mask that"
            " moves it away from the person for the frozen recognisers that this report names. Others find it less"
            " often than without, not never (faces/transfer), and each takes from the other (faces/selfie);"
            " commercial services were not measured; later recognisers may still find it, and copies already online are"
            f" not covered. {_PRIVATE}",
        ),
    )
}
