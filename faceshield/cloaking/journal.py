"""What makes an interrupted run resumable: one line for each finished photo, appended and flushed at once."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from faceshield.cloaking.report import PhotoReport
from faceshield.core.errors import StoreError, UsageError
from faceshield.core.store import CLOAKED, sha256, write_bytes

JOURNAL = "faceshield.journal"


class Journal:
    """The reports of the finished photos of ``out``, in a file beside them until the run's report is written.

    Lines are JSON: first the run's settings, then one PhotoReport each. A line cut off by a crash is ignored.

    Attributes:
        done: reports of photos that an earlier run has finished and that need nothing more, by source.
        others: reports of an earlier run's photos that are not part of this one.
        written: SHA-256 of all files that an earlier run wrote, by path below ``out``.
        earlier: the lines of an earlier run; [] where there was none.
    """

    def __init__(self, out: Path, resume: bool) -> None:
        """Writes nothing yet. Raises UsageError where ``out`` holds an earlier run and ``resume`` is False."""
        self.out, self.path = out, out / JOURNAL
        self.done: dict[str, PhotoReport] = {}
        self.others: list[PhotoReport] = []
        self.written: dict[str, str | None] = {}
        self._lock = Lock()
        self.earlier = _lines(self.path) or _report_lines(out / CLOAKED)
        if self.earlier and not resume:
            raise UsageError(f"{out}: already holds an earlier run; use --resume to go on with it or another folder")

    def begin(self, settings: Mapping[str, Any], sources: Collection[str]) -> None:
        """Take over what an earlier run finished: ``sources`` are the photos of this one.

        Raises UsageError where the earlier run had other ``settings``.
        """
        if self.earlier:
            first = self.earlier[0]
            # a run that found no face has used no noise, so that another one may go on with any
            binding = {
                key: value for key, value in settings.items() if key != "noise" or first.get("noise") is not None
            }
            changed = [key for key, value in binding.items() if first.get(key) != value]
            if changed:
                raise UsageError(
                    f"{self.out}: was begun with another {', '.join(changed)}; resume with the same choices"
                )
            try:
                reports = [PhotoReport.from_json(line) for line in self.earlier[1:]]
            except (KeyError, TypeError, AttributeError):
                raise UsageError(f"{self.out}: its account of an earlier run is damaged; use another folder") from None
            self.written = {report.output: report.sha256_output for report in reports if report.output is not None}
            whole = [report for report in reports if _has_output(self.out, report)]
            self.others = [report for report in whole if report.source not in sources]
            self.done = {r.source: r for r in whole if r.source in sources and _has_same_input(r)}
        lines = [dict(settings), *(asdict(report) for report in (*self.done.values(), *self.others))]
        write_bytes(self.path, "".join(json.dumps(line) + "\n" for line in lines).encode())

    def add(self, report: PhotoReport) -> None:
        """Remember a finished photo; safe from several threads. Raises StoreError where the disk is full."""
        try:
            with self._lock, self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(report)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written ({error.strerror}); --resume goes on") from error

    def close(self) -> None:
        """Delete the journal; call it once the run's report is written."""
        self.path.unlink(missing_ok=True)


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _report_lines(path: Path) -> list[dict[str, Any]]:
    """A finished run's report as journal lines, so that ``resume`` can add photos to it."""
    if not path.is_file():
        return []
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return [{**report["options"], "noise": (report["identity"] or {}).get("noise_sha256")}, *report["photos"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: is not this tool's report; choose another output folder") from None


def _has_output(out: Path, report: PhotoReport) -> bool:
    """Whether the output is there and has the SHA-256 of the report."""
    if report.status != "cloaked" or report.output is None:
        return False
    output = out / report.output
    return output.is_file() and sha256(output) == report.sha256_output


def _has_same_input(report: PhotoReport) -> bool:
    """Whether the input is there and has the SHA-256 of the report."""
    source = Path(report.source)
    return source.is_file() and sha256(source) == report.sha256_input
