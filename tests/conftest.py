"""What every test stands on: a vault of its own, one torch thread, a portrait in the public domain, a ready noise."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import settings
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from faceshield.cli.main import main
from faceshield.core.types import Face
from faceshield.faces import mtcnn
from faceshield.faces.any_roll import AnyRollDetector
from faceshield.faces.detector import Detector
from faceshield.noise import vault
from faceshield.noise.identity import Identity

ROOT = Path(__file__).resolve().parents[1]
EPSILON = 8 / 255

settings.register_profile("faceshield", deadline=None)  # a busy machine is no finding
settings.register_profile("quick", deadline=None, max_examples=20)


def pytest_configure(config: pytest.Config) -> None:
    """Properties are tried on 100 examples where all tests run, on 20 among the quick ones."""
    settings.load_profile("quick" if config.getoption("markexpr") == "not slow" else "faceshield")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Threads that wait for each other on busy cores make every test many times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _one_detector() -> Iterator[None]:
    """The detector's networks are read from the wheel once a session instead of once a run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mtcnn, "_load", functools.cache(mtcnn._load))
        yield


@pytest.fixture(scope="session")
def seen_faces() -> dict[tuple[float, tuple[int, ...], bytes], list[Face]]:
    """The faces of each picture that a test looked at: most look at the same portrait."""
    return {}


@pytest.fixture(autouse=True)
def _faces_found_once(
    request: pytest.FixtureRequest, seen_faces: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detection is repeated in the tests of tests/faces alone, which are about it."""
    if request.path.parent == ROOT / "tests/faces":
        return
    look = AnyRollDetector.detect

    def detect(self: AnyRollDetector, rgb: NDArray[np.uint8]) -> list[Face]:
        key = (self.judge.min_face, rgb.shape, hashlib.sha256(rgb.tobytes()).digest())
        if key not in seen_faces:
            seen_faces[key] = look(self, rgb)
        return list(seen_faces[key])

    monkeypatch.setattr(AnyRollDetector, "detect", detect)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty FACESHIELD_HOME: no test sees or changes the identities of whoever runs it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FACESHIELD_HOME", str(folder))
    monkeypatch.delenv("FACESHIELD_SECRET", raising=False)
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The source checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared photos; tests that need them are skipped elsewhere."""
    path = Path(os.environ.get("FACESHIELD_SHARED", ROOT.parent / "shared")) / "data"
    if not path.is_dir():
        pytest.skip("the shared photos are not here (FACESHIELD_SHARED names their folder)")
    return path


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """(512, 512, 3) uint8 RGB: scikit-image's portrait, in the public domain."""
    return np.asarray(data.astronaut())


@pytest.fixture(scope="session")
def portrait(astronaut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(256, 224, 3) uint8 RGB: head and shoulders of ``astronaut``, small and not square."""
    return np.ascontiguousarray(astronaut[:256, 110:334])


@pytest.fixture(scope="session")
def detector() -> Detector:
    return mtcnn.MtcnnDetector()


@pytest.fixture(scope="session")
def ready() -> Identity:
    """A private noise that took no time: random, as strong as ε allows nearly everywhere."""
    generator = torch.Generator().manual_seed(5)
    delta = (torch.rand(3, 128, 128, generator=generator) * 4 - 2).clamp(-1, 1) * EPSILON
    return Identity("me", "private", delta, EPSILON, 3, "5ec7e7" * 5, 1, "2024-01-01T00:00:00+00:00", "0" * 64, 0.01)


@pytest.fixture
def me(ready: Identity) -> Identity:
    """``ready`` kept in the vault as "me"."""
    vault.save(ready)
    return ready


@pytest.fixture
def keep(ready: Identity) -> Callable[..., Identity]:
    """Keep ``ready`` with other fields, such as another name."""

    def kept(**fields: Any) -> Identity:
        identity = replace(ready, **fields)
        vault.save(identity)
        return identity

    return kept


@pytest.fixture
def cli() -> Callable[..., Result]:
    """Run the command in this process: ``cli("cloak", path, "-o", out)``. A traceback is raised, not swallowed."""

    def run(*arguments: object, code: int | None = 0, **options: Any) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert code is None or result.exit_code == code, f"{result.exit_code}: {result.stdout}{result.stderr}"
        return result

    return run


@pytest.fixture
def put() -> Callable[..., Path]:
    """Save pixels as a picture by Pillow; the suffix names the format unless ``format`` does."""

    def save(path: Path, pixels: NDArray[Any], format: str | None = None, **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, format, **options)
        return path

    return save


@pytest.fixture
def pixels() -> Callable[[Path | bytes], NDArray[Any]]:
    """The stored raster of a picture as Pillow decodes it, int32, EXIF orientation not applied, palettes resolved."""

    def decode(source: Path | bytes) -> NDArray[Any]:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            return np.asarray(picture.convert("RGB") if picture.mode == "P" else picture).astype(np.int32)

    return decode


@pytest.fixture
def report() -> Callable[[Path], dict[str, Any]]:
    """OUT/faceshield.json."""

    def read(out: Path) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((out / "faceshield.json").read_text(encoding="utf-8"))
        return value

    return read


@pytest.fixture
def hashes() -> Callable[[Path], dict[str, str]]:
    """SHA-256 of every file below a folder by relative name."""

    def digest(folder: Path) -> dict[str, str]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return digest
