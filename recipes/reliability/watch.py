"""The cloak command in this process, and when its progress bar was told what, with the memory at that time.

    python recipes/reliability/watch.py STARTED SOURCE OUT [stub]

STARTED is the time at which the process was started. Nothing is imported that the command itself does without.
``stub``: faces are found at once, in the middle of each photo, by the stub of tests/fuzz.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path


def read_peak() -> float:
    """The largest resident memory so far in MB (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text(encoding="utf-8"))
    assert found is not None, "this is not Linux"
    return round(int(found[1]) / 1024, 1)


def watch(started: float, source: str, out: str, detector: str = "") -> None:
    """Run the command, and print what was seen of it as a line of JSON."""
    from faceshield.cli.main import main
    from faceshield.cli.progress import Bars

    seen: dict[str, float] = {"longest_silence_s": 0.0}
    show, last = Bars.__call__, 0.0

    def note(self: Bars, stage: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.time()
        seen.setdefault("first_progress_s", round(now - started, 2))
        seen["longest_silence_s"] = max(seen["longest_silence_s"], round(now - (last or now), 2))
        last = now
        if stage == "cloaking":
            if done == 1:
                seen["first_photo_s"] = round(now - started, 2)
            if total is not None and done == total // 10:
                seen["tenth_peak_mb"] = read_peak()
            if done == total:
                seen["cloaked_s"] = round(now - started, 1)
        if stage == "starting" and done == 1 and detector == "stub":
            sys.path.append(str(Path(__file__).resolve().parents[2] / "tests/fuzz"))
            from trial import stub_detector

            stub_detector()
        show(self, stage, done, total)

    Bars.__call__ = note  # type: ignore[method-assign]
    code = main(["cloak", source, "-o", out, "--fast", "--jobs", "2"], standalone_mode=False)
    print(json.dumps({**seen, "peak_mb": read_peak(), "exit_code": code or 0}))


if __name__ == "__main__":
    watch(float(sys.argv[1]), *sys.argv[2:])
