"""Noise methods by name, from plain settings: what recipes and the command line ask for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any, Final, Literal, get_args

from faceshield.core.budget import Budget
from faceshield.core.errors import UsageError
from faceshield.core.plugins import find_plugin, name_all
from faceshield.core.types import Form
from faceshield.noise.augmented import Augmented, Contrastive
from faceshield.noise.autoregressive import Autoregressive
from faceshield.noise.base import NoiseMethod
from faceshield.noise.class_blur import ClassBlur
from faceshield.noise.eq5 import Eq5
from faceshield.noise.error_max import ErrorMax
from faceshield.noise.error_min import ErrorMin
from faceshield.noise.gray_aug import GrayAug
from faceshield.noise.lsp import LinearlySeparable
from faceshield.noise.mix import Added, Either
from faceshield.noise.one_pixel import OnePixel
from faceshield.noise.pil import Linearization
from faceshield.noise.random import Random
from faceshield.noise.robust import Robust
from faceshield.noise.stable import Stable
from faceshield.noise.targeted import Targeted
from faceshield.noise.universal import Universal

Variant = Literal["paper", "released-code"]
Settings = dict[str, Any]
Build = Callable[[Form, Budget, Settings], NoiseMethod]

GROUP: Final = "faceshield.noise"
LEARNER_RATE: dict[str, float] = {"paper": 0.025, "released-code": 0.1}  # of SGD for θ, constant
TRAINED = frozenset({"error-max", "tap", "sep"})  # these want a network that has been trained on the clean data
AT_ONCE = frozenset({"random", "lsp", "ar", "pil", "ops", "cuda"})  # made in one go, of no network that is handed in


def build_method(name: str, form: Form = "class", *, epsilon: float = 8 / 255, **settings: Any) -> NoiseMethod:
    """The method ``name`` with the paper's settings (Appendix B, F, I), ``settings`` over them.

    ``epsilon`` in (0, 1]; unless given, α is ε/10, of em-grayaug three times and of rem and sem twice as much.
    ``settings`` are the fields of the method's class, and ``norm``; aue's has also ``strength``.
    ``variant`` of error-min: "paper", or "released-code" (θ fitted on batches of 512 that are never shuffled, λ 0.01 in
    both forms; the rate for θ is :data:`LEARNER_RATE`'s, and the code's loss of negative noise happens later, in
    data.unlearnable). Mixtures take their settings for error-min, plus ``random_form`` and ``bound`` for mix-added.

    Beside those of :data:`METHODS`, another package adds a method by an entry point of the group "faceshield.noise": a
    function of form, budget and settings, a dict that is its own, that returns a NoiseMethod.
    Raises UsageError for an unknown name, form or setting, naming the nearest one.
    """
    build = METHODS.get(name) or find_plugin(GROUP, name, callable)
    if build is None:
        raise _unknown("noise method", name, name_all(GROUP, METHODS))
    _require_known("form", form, get_args(Form))
    return build(form, Budget(epsilon, settings.pop("norm", "linf")), settings)


def parse_entry(entry: str) -> tuple[str, Form]:
    """The name and the form of a recipe's entry such as "error-min sample". Raises UsageError for anything else."""
    name, _, form = entry.partition(" ")
    if form not in get_args(Form):
        raise UsageError(f"{entry!r} names no noise and form; write it like 'error-min sample'")
    return name, "sample" if form == "sample" else "class"


def check_entries(entries: dict[str, Settings], **assumed: Settings) -> dict[str, Settings]:
    """``entries``, "NOISE FORM" → settings, if all can be built; ``assumed`` are settings, by name, that come later.

    For a validator: raises ValueError for an entry that names no method and form, or has a setting that it lacks.
    """
    for entry, options in entries.items():
        try:
            name, form = parse_entry(entry)
            build_method(name, form, **{**assumed.get(name, {}), **options})
        except UsageError as error:
            raise ValueError(f"{entry}: {error}") from None
    return entries


def _require_known(what: str, name: str, names: Collection[str]) -> str:
    if name not in names:
        raise _unknown(what, name, names)
    return name


def _unknown(what: str, name: str, names: Collection[str]) -> UsageError:
    near = difflib.get_close_matches(name, names, 1, 0) or [""]
    return UsageError(f"{what} {name!r} is unknown; did you mean {near[0]!r}? There are {', '.join(sorted(names))}")


def _check_settings(method: Any, settings: Mapping[str, Any]) -> Settings:
    """``settings``, each of them a field of the class ``method``; lists, as YAML has them, as tuples."""
    names = [field.name for field in fields(method) if field.name not in ("form", "budget")]
    return {
        _require_known("setting", name, names): tuple(value) if isinstance(value, list) else value
        for name, value in settings.items()
    }


def _require_form(form: Form, wanted: Form, name: str) -> None:
    if form != wanted:
        raise UsageError(f"{name} noise is made in form {wanted!r} only, not {form!r}")


def _build_random(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    return Random(form, budget, **_check_settings(Random, settings))


def _build_lsp(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    return LinearlySeparable(form, budget, **_check_settings(LinearlySeparable, settings))


def _build_ar(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    return Autoregressive(form, budget, **_check_settings(Autoregressive, settings))


def _build_pil(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    given = {"alpha": budget.epsilon / 10, **_check_settings(Linearization, settings)}
    return Linearization(form, budget, **given)


def _build_ops(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    _require_form(form, "class", "ops")
    _require_whole_range(budget, "ops")
    return OnePixel(budget, **_check_settings(OnePixel, settings))


def _build_cuda(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    _require_form(form, "sample", "cuda")
    _require_whole_range(budget, "cuda")
    return ClassBlur(budget, **_check_settings(ClassBlur, settings))


def _require_whole_range(budget: Budget, name: str) -> None:
    """Raise UsageError where ε promises more than a method can keep."""
    if budget != Budget(1.0):
        raise UsageError(
            f"{name} keeps no epsilon of {budget.epsilon * 255:.4g}/255: it changes pixels by up to the whole range, is"
            " visible on faces, and is here to be compared with; use another method, or epsilon 1"
        )


def _build_error_max(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    if form == "class":
        return Universal(budget, **_check_settings(Universal, settings))
    return ErrorMax(budget, **{"alpha": budget.epsilon / 10, **_check_settings(ErrorMax, settings)})


def _build_error_min(form: Form, budget: Budget, settings: Settings, method: type[ErrorMin] = ErrorMin) -> ErrorMin:
    settings = dict(settings)
    variant = _require_known("variant", settings.pop("variant", "paper"), ("paper", "released-code"))
    released = {"shuffle": False, "batch": 512, "stop_error": 0.01} if variant == "released-code" else {}
    given = {"budget": budget, "alpha": budget.epsilon / 10, **released, **_check_settings(method, settings)}
    return method.sample_wise(**given) if form == "sample" else method(form, **given)


def _build_gray_aug(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    return _build_error_min(form, budget, {"alpha": 3 * budget.epsilon / 10, **settings}, GrayAug)


def _build_augmented(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    settings = dict(settings)
    view = Contrastive(settings.pop("strength", Contrastive.strength))
    return _build_error_min(form, budget, {"view": view, **settings}, Augmented)


def _build_robust(method: type[Robust]) -> Build:
    def build(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
        _require_form(form, "sample", method.name)
        given = _check_settings(method, settings)
        radius = given.get("radius", budget.epsilon / 2)
        return method(budget=budget, **{"alpha": budget.epsilon / 5, "radius": radius, "ascent": radius / 5, **given})

    return build


def _build_eq5(optimizer: Literal["adam", "lbfgs"]) -> Build:
    def build(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
        _require_form(form, "sample", f"eq5-{optimizer}")
        solver_fields = {field.name for field in fields(Eq5)} - {"optimizer"}
        solver = Eq5(optimizer, **{name: value for name, value in settings.items() if name in solver_fields})
        outer = {name: value for name, value in settings.items() if name not in solver_fields}
        return _build_error_min(form, budget, {"fit_steps": 100, "solver": solver, **outer})

    return build


def _build_patch(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    _require_form(form, "class", "patch")
    if "patch" not in settings:
        raise UsageError("patch noise needs its size; add patch: [height, width] in pixels, for example [16, 16]")
    return _build_error_min(form, budget, settings)


def _build_either(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    method = _build_error_min("class", budget, settings)
    path = method.checkpoint
    if path is None:
        return Either(method, method)
    one, two = (
        replace(method, checkpoint=path.with_name(f"{path.stem}-{n}{path.suffix}")) for n in ("first", "second")
    )
    return Either(one, two)


def _build_added(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
    settings = dict(settings)
    uniform = Random(settings.pop("random_form", "sample"), budget)
    bound = settings.pop("bound", "project")
    return Added(_build_error_min("class", budget, settings), uniform, bound)


def _build_targeted(name: str, **defaults: Any) -> Build:
    def build(form: Form, budget: Budget, settings: Settings) -> NoiseMethod:
        _require_form(form, "sample", name)
        return Targeted(budget, **{"alpha": budget.epsilon / 10, **defaults, **_check_settings(Targeted, settings)})

    return build


MethodName = Literal[
    "random", "error-max", "error-min", "eq5-adam", "eq5-lbfgs", "patch", "mix-either", "mix-added",
    "em-grayaug", "aue", "rem", "sem", "tap", "sep", "lsp", "ar", "pil", "ops", "cuda",
]  # fmt: skip
METHODS: Mapping[str, Build] = {
    "random": _build_random,
    "error-max": _build_error_max,
    "error-min": _build_error_min,
    "eq5-adam": _build_eq5("adam"),
    "eq5-lbfgs": _build_eq5("lbfgs"),
    "patch": _build_patch,
    "mix-either": _build_either,
    "mix-added": _build_added,
    "em-grayaug": _build_gray_aug,
    "aue": _build_augmented,
    "rem": _build_robust(Robust),
    "sem": _build_robust(Stable),
    "tap": _build_targeted("tap"),
    "sep": _build_targeted("sep", checkpoints=30, steps=30, toward="features"),
    "lsp": _build_lsp,
    "ar": _build_ar,
    "pil": _build_pil,
    "ops": _build_ops,
    "cuda": _build_cuda,
}
