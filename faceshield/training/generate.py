"""Noise for a user's own data set: one call from a folder to a file, which goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from faceshield.core.errors import UsageError
from faceshield.core.outputs import check_new_file
from faceshield.core.rng import derive_seed
from faceshield.core.types import Form, Noise, Progress
from faceshield.data.examples import Examples
from faceshield.data.sources import open_training_part
from faceshield.models.zoo import build
from faceshield.noise.base import NoiseMethod
from faceshield.noise.file import digest_data, write_noise
from faceshield.noise.presets import find_preset
from faceshield.noise.registry import AT_ONCE, LEARNER_RATE, METHODS, TRAINED, build_method
from faceshield.noise.targeted import Targeted, choose_epochs
from faceshield.training.learner import learner
from faceshield.training.loop import build_seeded, train
from faceshield.training.runtime import Runtime

RESUMED = METHODS.keys() - AT_ONCE - {"error-max"}  # made round by round; whether another package's is, is not known


@dataclass(frozen=True)
class Request:
    """What noise is wanted. ``epsilon`` in [0, 1]; ``setting`` as :func:`faceshield.noise.presets.find_preset`'s.

    ``width`` is the surrogate's, ``epochs`` the training of the network that error-max, tap and sep need. What is None
    stays the method's own.
    """

    method: str = "error-min"
    form: Form = "class"
    epsilon: float = 8 / 255
    setting: str = "paper"
    seed: int = 0
    model: str = "resnet18"
    width: int = 64
    rounds: int | None = None
    patch: tuple[int, int] | None = None
    epochs: int = 15
    size: int | None = None
    limit: int | None = None


def generate_noise(
    source: str,
    out: Path,
    request: Request,
    runtime: Runtime,
    *,
    version: str,
    resume: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Noise:
    """Make noise for the training part of ``source`` (:func:`faceshield.data.sources.open_training_part`) into ``out``.

    ``version`` is the tool's; the file records it.

    A checkpoint beside ``out`` is written after every round and deleted at the end; with ``resume`` the job goes on
    from it, to the same bytes. ``progress(stage, done, total)`` follows along. Raises UsageError for data or settings
    that are wrong, an ``out`` that exists, and a checkpoint without ``resume``; StoreError for another job's
    checkpoint and where nothing can be written.
    """
    check_new_file(out, "noise is kept as .safetensors", ".safetensors")
    checkpoint = out.with_name(f"{out.stem}.checkpoint.safetensors")
    left = [path for path in _parts(checkpoint) if path.is_file()]
    if left and not resume:
        raise UsageError(f"{left[0]}: was left by an interrupted run; go on with --resume, or delete it")
    options: dict[str, Any] = find_preset(request.setting, request.method, request.form, request.epsilon)
    options |= {name: value for name in ("rounds", "patch") if (value := getattr(request, name)) is not None}
    if request.method in RESUMED:
        options["checkpoint"] = checkpoint
    method = build_method(request.method, request.form, epsilon=request.epsilon, **options)
    progress("reading", 0, 1)
    data = open_training_part(source, request.size, request.limit)
    progress("reading", 1, 1)
    network = build_seeded(
        lambda: build(request.model, len(data.classes), width=request.width), derive_seed(request.seed, "surrogate")
    )
    kept: list[dict[str, Tensor]] = []
    if request.method in TRAINED:
        kept = train_surrogate(
            network, method, data, runtime, epochs=request.epochs, seed=request.seed,
            on_epoch=lambda epoch: progress("training", epoch + 1, request.epochs),
        )  # fmt: skip
    most = int(getattr(method, "rounds", getattr(method, "passes", 1)))

    def tell(number: int, error: float, delta: Tensor) -> None:
        progress("rounds (most)", number + 1, most)

    rate = LEARNER_RATE["released-code" if request.setting == "released-code" else "paper"]
    theta = replace(learner(network, runtime, lr=rate), checkpoints=kept)
    made = method.generate(data, theta, seed=request.seed, on_round=tell)
    noise = Noise(made.delta, made.form, made.keys, made.budget, {**made.provenance, **_origin(request, data, version)})

    def write() -> None:
        write_noise(out, noise)
        for path in _parts(checkpoint):
            path.unlink(missing_ok=True)

    runtime.ranks.once(write)
    return noise


def train_surrogate(
    network: nn.Module, method: NoiseMethod, data: Examples, runtime: Runtime, *, epochs: int, seed: int,
    on_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[dict[str, Tensor]]:  # fmt: skip
    """Train ``network``, in place, on clean pictures, for a method of ``noise.registry.TRAINED``.

    Returns the states along the training that ``method`` asks for, the last of them as the network is at the end.
    """
    wanted = choose_epochs(epochs, method.checkpoints) if isinstance(method, Targeted) else []
    kept: list[dict[str, Tensor]] = []

    def keep(epoch: int, loss: float) -> None:
        if epoch in wanted:
            kept.append({name: value.clone() for name, value in network.state_dict().items()})
        on_epoch(epoch)

    train(network, data, runtime, epochs=epochs, seed=seed, on_epoch=keep)
    return kept


def _parts(checkpoint: Path) -> list[Path]:
    """The files of one job: a mixture of two noises keeps one for each."""
    return [checkpoint, *(checkpoint.with_stem(f"{checkpoint.stem}-{part}") for part in ("first", "second"))]


def _origin(request: Request, data: Examples, version: str) -> dict[str, Any]:
    """What the file tells of its making beside the method's own figures."""
    asked = {name: value for name, value in asdict(request).items() if value is not None and name != "method"}
    return {**asked, "data_sha256": digest_data(data), "faceshield": version}
