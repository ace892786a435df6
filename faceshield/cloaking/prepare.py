"""The person's noise, ready before any photo is written: kept from an earlier run, or made now and kept."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence

import torch

from faceshield.cloaking.ensemble import AlignedCrops, build_ensemble
from faceshield.cloaking.options import Against, Options
from faceshield.cloaking.perturbation import IdentityNoise, Perturbation, PhotoMasks
from faceshield.core.budget import Budget, epsilon_text
from faceshield.core.errors import UsageError
from faceshield.models.inception_resnet import InceptionResnetV1
from faceshield.models.weights import digest
from faceshield.noise import vault
from faceshield.noise.identity import Identity, choose_class, correlation, new_secret, private_noise
from faceshield.noise.surrogate import BANK, SURROGATE, SURROGATES, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.training.runtime import Runtime

SECRET = "FACESHIELD_SECRET"
FEW = 3  # below this the user is told that the noise stands on little
ENOUGH = 60  # photos looked at to make a noise; more add time, not protection

FIT: dict[Against, tuple[str, ...]] = {"training": SURROGATES, "both": (SURROGATE,)}
"""What a private noise is fitted to: beside a mask, which takes the middle of the face, noise that was fitted to all
surrogates holds less."""


def load_identity(options: Options) -> tuple[Identity | None, list[str]]:
    """The identity kept under the chosen name, if any, and what the user should know of it.

    Raises UsageError where it was made for another ε: a person's noise never changes silently.
    """
    if not vault.exists(options.identity):
        return None, []
    identity = vault.load(options.identity)
    if abs(identity.epsilon - options.epsilon) > 1e-9:
        raise UsageError(
            f"identity {identity.name!r} was made with epsilon {epsilon_text(identity.epsilon)}, not"
            f" {epsilon_text(options.epsilon)}; use another --identity name or delete it first"
        )
    notices = []
    if options.fast and identity.kind == "private":
        notices.append(f"identity {identity.name!r} already has a private noise; --fast was not needed")
    if not options.fast and identity.kind == "bank":
        notices.append(
            f"identity {identity.name!r} carries a public noise (it was made with --fast);"
            " use another --identity name for a private one"
        )
    other: Against = "training" if options.against == "both" else "both"
    if identity.surrogate == digest(FIT[other]):
        notices.append(
            f"identity {identity.name!r} has a noise as it is made with --against {other}, which holds less with"
            f" --against {options.against}; use another --identity name for one made for that"
        )
    return identity, notices


def make_identity(
    options: Options,
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    on_step: Callable[[int, int], None] | None = None,
) -> Identity:
    """A new identity from the person's own faces on the canvas; it is not kept yet.

    Its secret is drawn from the operating system, or is the environment's FACESHIELD_SECRET where a recipe or a test
    must be repeatable. ``on_step(done, total)`` hears of the steps.
    """
    names = FIT[options.against]
    bank = load_bank()
    secret = os.environ.get(SECRET) or new_secret()
    if options.fast:
        class_index = choose_class(secret, len(bank.delta))
        delta = Budget(options.epsilon).project(bank.delta[class_index] * (options.epsilon / bank.epsilon))
    else:
        crops = torch.stack([face.on_canvas.image for face in faces]).mul(255).round().byte().to(runtime.device)
        delta, class_index = private_noise(
            crops,
            len(bank.delta),
            load_ensemble(names, runtime.prepare),
            Budget(options.epsilon),
            Transforms(),
            secret,
            on_step=on_step,
        )
        delta = delta.cpu()
    return Identity(
        name=options.identity,
        kind="bank" if options.fast else "private",
        delta=delta,
        epsilon=options.epsilon,
        class_index=class_index,
        secret=secret,
        photos=0 if options.fast else len(faces),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        surrogate=digest([BANK] if options.fast else names),
        bank_correlation=max(correlation(delta, other) for other in bank.delta),
    )


def build_perturbation(
    options: Options,
    identity: Identity | None,
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    inception: InceptionResnetV1 | None = None,
) -> Perturbation | None:
    """What the photos get of the person of ``faces``; None where there is nothing to give. ``inception``: one more
    recogniser that masks are made against.
    """
    if options.against == "training":
        return None if identity is None else IdentityNoise(identity)
    if not faces:
        return None
    own = identity or (vault.load(options.identity) if vault.exists(options.identity) else None)
    secret = own.secret if own else os.environ.get(SECRET) or new_secret()
    # beside an identity's noise a mask has the middle of the face only: too little for more than one opponent
    alone = identity is None
    known = build_ensemble(
        faces, runtime, shipped_recognisers=alone, scatter=options.scatter, inception=inception if alone else None
    )
    return PhotoMasks(known, secret, options, runtime.device, identity)
