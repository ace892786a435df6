"""A network trained once for all that decides it, kept, and shared by the cells of every recipe."""

from __future__ import annotations

from dataclasses import asdict

from faceshield.core.store import read_tensors, write_tensors
from faceshield.data.examples import Examples
from faceshield.experiments.fitted import Fitted, TrainingSettings, fitted
from faceshield.experiments.plan import digest_of
from faceshield.experiments.run import Context
from faceshield.models.zoo import build
from faceshield.noise.file import data_digest
from faceshield.training.adversarial import Adversary
from faceshield.training.history import History


def trained(
    data: Examples,
    test: Examples,
    settings: TrainingSettings,
    seed: int,
    context: Context,
    *,
    adversary: Adversary | None = None,
) -> Fitted:
    """:func:`faceshield.experiments.fitted.fitted`, or what an earlier cell of any recipe had from the same call.

    The seconds are those of the training, whenever it was. Raises UsageError as ``fitted`` does.
    """
    own = {name: getattr(settings, name) for name in TrainingSettings.model_fields if name not in _PICTURES}
    decides = [
        own, seed, [[data_digest(part), part.sorted().labels.tolist(), part.classes] for part in (data, test)],
        None if adversary is None else asdict(adversary), str(context.runtime.dtype),
    ]  # fmt: skip
    path = context.kept(f"network-{digest_of(decides)[:16]}.safetensors")
    if path.is_file():
        tensors, told = read_tensors(path)
        network = build(settings.model, len(data.classes), width=settings.width)
        network.load_state_dict(tensors)
        history = History(tuple(told["train_loss"]), tuple(told["test_accuracy"]))
        curves = tuple(tuple(curve) for curve in told["class_curves"])
        return Fitted(context.runtime.place(network).eval(), history, curves, told["seconds"])
    made = fitted(data, test, settings, seed, context, adversary=adversary)
    told = {**asdict(made.history), "class_curves": made.class_curves, "seconds": made.seconds}
    context.runtime.ranks.once(lambda: write_tensors(path, made.model.state_dict(), told))
    return made


_PICTURES = ("data", "limit", "test_limit", "size")  # where the pictures came from; they are themselves in the digest
