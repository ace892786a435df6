"""What cloaks one photo after the other, in this process or in one of a cluster, and reports what happens to each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from faceshield.cloaking.album import Item
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.moving import cloak_frames, open_moving
from faceshield.cloaking.open_photos import CRASH
from faceshield.cloaking.options import Options
from faceshield.cloaking.output_names import OutputNames
from faceshield.cloaking.perturbation import Perturbation
from faceshield.cloaking.photo import cloak_one, report_failed, report_unprotected
from faceshield.cloaking.report import PhotoReport
from faceshield.core.errors import FaceshieldError, PhotoError, StoreError, UnprotectedError
from faceshield.core.store import sha256
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode


@dataclass(frozen=True)
class Worker:
    """Cloaks photos with ``perturbation``; None where there is nothing to add, since no photo showed a face.

    Attributes:
        names: where outputs are written.
        hold: what surrounds the work on a file.
    """

    names: OutputNames
    perturbation: Perturbation | None
    finder: Finder
    options: Options
    hold: Callable[[Path], AbstractContextManager[None]] = field(default=lambda path: nullcontext())

    def __call__(self, item: Item) -> PhotoReport:
        """Cloak one file; whatever is wrong with it becomes its report. Raises StoreError for the output folder."""
        try:
            if self.perturbation is None:
                raise UnprotectedError(f"{item.source}: no clear face was found in any of the photos")
            with self.hold(item.source):
                data = read(item.source)
                animation = open_moving(data, item.source, self.options)
                if animation is not None:
                    return cloak_frames(animation, item, self.names, self.perturbation, self.finder, self.options)
                photo, digest = decode(data, item.source, first=self.options.frames == "first"), sha256(data)
                del data  # of a large photo every copy counts
                return cloak_one(photo, digest, item, self.names, self.perturbation, self.finder, self.options)
        except StoreError:
            raise
        except UnprotectedError as error:
            return report_unprotected(item, error)
        except FaceshieldError as error:
            return report_failed(item, error)


def build_worker(names: OutputNames, perturbation: Perturbation, options: Options, device: str) -> Worker:
    """A :class:`Worker` with a detector of its own, for a process of a cluster."""
    return Worker(names, perturbation, Finder(options, device), options)


def report_crash(item: Item) -> PhotoReport:
    """Report a photo that ends the process which works on it."""
    return report_failed(item, PhotoError(f"{item.source}: {CRASH}"))
