"""Store the counts that ``make crash`` and ``make fuzz`` have left in build/.

python recipes/reliability/counted.py crash build/crash.json
python recipes/reliability/counted.py fuzz build/fuzz.json
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stored import Check

from faceshield.core.store import read_json

COMMANDS = {
    "crash": "python tests/reliability/crash.py --kills {kills} --photos {photos}",
    "fuzz": "python tests/fuzz/run.py --files {files}",
}


def main() -> None:
    """Store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("check", choices=sorted(COMMANDS))
    parser.add_argument("counts", type=Path)
    choice = parser.parse_args()
    found: dict[str, Any] = read_json(choice.counts)
    metrics = {name: value for name, value in found.items() if isinstance(value, int | float)}
    if choice.check == "fuzz":
        metrics |= {f"files_{outcome}": count for outcome, count in found["outcomes"].items()}
        metrics["findings"] = len(found["findings"])
    Check(choice.check, COMMANDS[choice.check].format(**found)).store(metrics)


if __name__ == "__main__":
    main()
