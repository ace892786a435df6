"""The identity whose noise the photos carry: loaded from the vault, or made from the person's photos."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence

import torch

from faceshield.cloaking.ensemble import AlignedCrops
from faceshield.cloaking.options import Options
from faceshield.cloaking.strategy import STRATEGIES, choose_secret
from faceshield.core.budget import Budget, format_epsilon
from faceshield.core.errors import UsageError
from faceshield.models.weights import digest_files
from faceshield.noise import vault
from faceshield.noise.identity import Identity, bound_lightness, choose_class, correlation, make_private_noise
from faceshield.noise.surrogate import BANK, load_bank, load_ensemble
from faceshield.noise.transforms import Transforms
from faceshield.training.runtime import Runtime

FEW = 3  # photos; an identity made from fewer gets a notice


def load_identity(options: Options) -> Identity | None:
    """The identity kept under the chosen name; None where there is none, or where photos get nothing but masks.

    Raises UsageError where it was made for another ε: a person's noise never changes silently.
    """
    if not STRATEGIES[options.against].needs_identity or not vault.exists(options.identity):
        return None
    identity = vault.load(options.identity)
    if abs(identity.epsilon - options.epsilon) > 1e-9:
        raise UsageError(
            f"identity {identity.name!r} was made with epsilon {format_epsilon(identity.epsilon)}, not"
            f" {format_epsilon(options.epsilon)}; use another --identity name or delete it first"
        )
    return identity


def make_identity(
    options: Options,
    faces: Sequence[AlignedCrops],
    runtime: Runtime,
    on_step: Callable[[int, int], None] | None = None,
) -> Identity:
    """A new identity from ``faces``, the person's; the caller saves it.

    ``on_step(done, total)`` is called after each step. Raises StoreError where weights are absent or damaged.
    """
    names = STRATEGIES[options.against].surrogates
    bank = load_bank()
    secret = choose_secret()
    if options.fast:
        class_index = choose_class(secret, len(bank.delta))
        delta = Budget(options.epsilon).project(bank.delta[class_index] * (options.epsilon / bank.epsilon))
    else:
        crops = torch.stack([face.on_canvas.image for face in faces]).mul(255).round().byte().to(runtime.device)
        delta, class_index = make_private_noise(
            crops,
            bank.delta,
            load_ensemble(names, runtime.prepare, len(bank.delta)),
            bound_lightness(options.epsilon),
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
        surrogate=digest_files([BANK] if options.fast else names),
        bank_correlation=max(correlation(delta, other) for other in bank.delta),
    )


def list_notices(options: Options, identity: Identity | None) -> list[str]:
    """What the user should know of the noise of ``identity``, one sentence each."""
    if identity is None:
        return []
    notices = []
    if options.fast and identity.kind == "private":
        notices.append(f"identity {identity.name!r} already has a private noise; --fast was not needed")
    if not options.fast and identity.kind == "bank":
        notices.append(
            f"identity {identity.name!r} carries a public noise (it was made with --fast);"
            " use another --identity name for a private one"
        )
    if identity.kind == "private" and identity.photos < FEW:
        notices.append(
            f"the noise of {identity.name!r} was made from {identity.photos} of the person's photos; from about 20"
            " it holds better: cloak more at once under another --identity name"
        )
    return notices
