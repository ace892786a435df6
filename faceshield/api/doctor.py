"""What an installation is, and whether it works: versions, device, precision, weights, free disk, a self-test."""

from __future__ import annotations

import functools
import io
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

import faceshield
from faceshield.core.errors import FaceshieldError, StoreError
from faceshield.core.user_folder import user_folder
from faceshield.models import weights
from faceshield.noise import vault
from faceshield.training.runtime import Runtime, explain_precision, list_devices

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "Pillow", "scikit-image", "facenet-pytorch")
LEAST_FREE = 100 << 20  # bytes: what a hundred identities and a cache of crops need
_EXTRA = re.compile(r"""([\w.-]+)[^;]*;.*\bextra == ['"]([\w-]+)['"]""")


@dataclass(frozen=True)
class Finding:
    """One line of the examination: ``item`` in a word, whether it is ``well``, and what was seen."""

    item: str
    well: bool
    said: str


def examine(device: str = "cpu") -> Iterator[Finding]:
    """Look at this installation, one finding after the other; the self-test on ``device`` is the last.

    Nothing is downloaded, and nothing outside a temporary folder is written. Neither the home folder nor the name of an
    identity is told, so that the findings can be published.
    """
    parts: list[tuple[str, Callable[[], str]]] = [
        ("versions", _tell_versions),
        ("extras", _tell_extras),
        ("device", functools.partial(_tell_device, device)),
        ("precision", lambda: _tell_precision(device)),
        ("weights", _check_weights),
        ("user folder", _check_user_folder),
        ("identities", _check_identities),
        ("self-test", functools.partial(_cloak_portrait, device)),
    ]
    for item, look in parts:
        try:
            yield Finding(item, True, look())
        except FaceshieldError as error:
            yield Finding(item, False, _hide_home(str(error)))
        except Exception as error:  # whatever a broken installation raises is what the reader wants to know
            reason = (str(error).splitlines() or [""])[0]
            yield Finding(item, False, _hide_home(f"{type(error).__name__}: {reason}"))


def _hide_home(text: str) -> str:
    return text.replace(str(Path.home()), "~")


def _tell_versions() -> str:
    named = [f"{name} {metadata.version(name)}" for name in PACKAGES]
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"faceshield {faceshield.__version__}, {python}, {', '.join(named)}"


def _tell_extras() -> str:
    try:
        wanted = metadata.requires("faceshield") or []
    except metadata.PackageNotFoundError:
        return "unknown: faceshield runs from its source without being installed"
    said = []
    for match in filter(None, map(_EXTRA.match, wanted)):
        name, extra = match.groups()
        if extra == "dev":
            continue
        try:
            said.append(f"[{extra}] {name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            said.append(f"[{extra}] {name} is absent")
    return ", ".join(said) or "there are none"


def _tell_device(device: str) -> str:
    return f"{Runtime.best(device).describe()}; usable here: {', '.join(list_devices())}"


def _tell_precision(device: str) -> str:
    runtime = Runtime.best(device)
    name = str(runtime.dtype).removeprefix("torch.")
    return f"{name}, because {explain_precision(runtime.device)}"


def _check_weights() -> str:
    """Raises StoreError that names each file that is not as registered."""
    wrong, total = [], 0
    entries = weights.read_registry()
    for name, entry in entries.items():
        try:
            weights.find_file(name)
            total += entry.bytes
        except StoreError:
            wrong.append(entry.file)
    if wrong:
        raise StoreError(f"missing or damaged: {', '.join(wrong)}; install again, or restore them from the source")
    return f"{len(entries)} files, {total / 1e6:.0f} MB, all with their registered SHA-256"


def _check_user_folder() -> str:
    place = user_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < LEAST_FREE:
        raise StoreError(f"{free / 1e6:.0f} MB are free where it lies; make room, or set FACESHIELD_HOME")
    if not os.access(place, os.W_OK | os.X_OK):
        raise StoreError("it cannot be written; mend its permissions, or set FACESHIELD_HOME")
    return f"{free / 1e9:.1f} GB free"


def _check_identities() -> str:
    """Raises StoreError where another user may read one of them."""
    names = vault.list_names()
    open_to_others = [name for name in names if stat.S_IMODE(vault.locate(name).stat().st_mode) & 0o077]
    if os.name == "posix" and open_to_others:
        raise StoreError(f"{len(open_to_others)} of {len(names)} can be read by others; chmod 600 their files")
    for name in names:
        try:
            vault.load(name)
        except StoreError:
            raise StoreError("one of them is damaged ('faceshield identity list' names it); restore a copy") from None
    return f"{len(names)} kept" + (", for this user alone" if names else "")


def _cloak_portrait(device: str) -> str:
    """Cloak a public portrait with a public noise, and measure the written file. Raises StoreError where it differs."""
    from PIL import Image
    from skimage import data

    from faceshield.cloaking.album import gather
    from faceshield.cloaking.detect import Finder
    from faceshield.cloaking.journal import Journal
    from faceshield.cloaking.options import Options
    from faceshield.cloaking.output_names import plan_outputs
    from faceshield.cloaking.perturbation import IdentityNoise
    from faceshield.cloaking.photo import cloak_one
    from faceshield.cloaking.prepare import make_identity
    from faceshield.core.store import sha256
    from faceshield.imaging.photo import decode

    started = time.monotonic()
    options = Options(identity="self-test", fast=True, jobs=1)
    noise = IdentityNoise(make_identity(options, (), Runtime.best(device)))  # the vault never sees it
    portrait = np.asarray(data.astronaut())[:256, 110:334]
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "portrait.png", Path(folder) / "out"
        Image.fromarray(portrait).save(source)
        album = gather([source], out)
        items, names = plan_outputs(album, out, Journal(out, False))
        content, finder = source.read_bytes(), Finder(options, device)
        report = cloak_one(decode(content, source), sha256(content), items[0], names, noise, finder, options)
        written = (out / str(report.output)).read_bytes()
    with Image.open(io.BytesIO(written)) as picture:
        change = np.abs(np.asarray(picture).astype(int) - portrait)
    y0, x0, y1, x1 = report.faces[0].region
    largest, outside = int(change.max()), change.copy()
    outside[y0:y1, x0:x1] = 0
    if not 0 < largest <= 8 or outside.any():
        raise StoreError(f"the portrait's pixels changed by up to {largest}/255, outside the face {outside.max()}/255")
    return f"a portrait cloaked and checked in {time.monotonic() - started:.1f} s, largest change {largest}/255"
