"""``make fuzz``: many hostile files through ``cloak``, in a process that may crash, and what became of them.

    python tests/fuzz/run.py --files 10000 -o build/fuzz.json

A file that ends the process (a fault in a codec), that takes over 10 seconds of processor time or that raises is a
finding: its number and how it was made are printed and kept, and the run goes on after it. ``--seed N`` leaves one file
as it is made beside the counts, to look at.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOWEST = 10  # seconds of processor time for one file


def work(first: int, last: int, say: Connection) -> None:
    """Try the files ``first`` … ``last`` − 1; tell each one's number before it, its outcome after it."""
    from mutator import mutate
    from trial import stub_detector, try_file

    stub_detector()
    for seed in range(first, last):
        name, done, data = mutate(seed)
        say.send(("begin", seed, f"{name}: {done}"))
        with tempfile.TemporaryDirectory() as folder:
            signal.setitimer(signal.ITIMER_PROF, SLOWEST)  # its signal ends the process, whatever a codec does
            try:
                outcome, reason = try_file(name, data, Path(folder)), ""
            except BaseException as error:
                outcome, reason = "raised", "".join(traceback.format_exception(error)[-2:])
            signal.setitimer(signal.ITIMER_PROF, 0)
        say.send(("end", outcome, reason))
    say.send(("done", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ""))


def try_all(first: int, last: int) -> tuple[Counter[str], list[dict[str, str | int]], int]:
    """Outcomes, findings and the largest memory in KB, of a process that is started again wherever it dies."""
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, str | int]] = []
    memory, context = 0, multiprocessing.get_context("spawn")
    while first < last:
        hear, say = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(first, last, say), daemon=True)
        process.start()
        say.close()
        made = ""
        try:
            while True:
                kind, value, text = hear.recv()
                if kind == "begin":
                    first, made = value, text
                elif kind == "end":
                    outcomes[value] += 1
                    if value == "raised":
                        findings.append({"file": first, "made": made, "outcome": value, "reason": text})
                        print(json.dumps(findings[-1]), flush=True)
                    first += 1
                    if first % 500 == 0:
                        print(first, dict(outcomes), flush=True)
                else:
                    memory = max(memory, int(value))
        except EOFError:
            process.join()
        if process.exitcode:
            if not made:
                sys.exit(f"the process ended with {process.exitcode} before its first file")
            outcome = "too slow" if process.exitcode == -signal.SIGPROF else "crashed"
            outcomes[outcome] += 1
            findings.append({"file": first, "made": made, "outcome": outcome, "reason": f"exit {process.exitcode}"})
            print(json.dumps(findings[-1]), flush=True)
            first += 1
    return outcomes, findings, memory


def keep_identity(home: Path) -> None:
    """A random noise as "me": no noise need be made."""
    import torch

    from faceshield.noise import vault
    from faceshield.noise.identity import Identity

    delta = (torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(5)) * 4 - 2).clamp(-1, 1) * 8 / 255
    os.environ["FACESHIELD_HOME"] = str(home)
    vault.save(Identity("me", "private", delta, 8 / 255, 3, "5ec7e7" * 5, 1, "2024-01-01", "0" * 64, 0.01))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, help="only write the file of this number")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/fuzz.json"))
    arguments = parser.parse_args()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    if arguments.seed is not None:
        from mutator import mutate

        name, done, data = mutate(arguments.seed)
        (arguments.out.parent / f"{arguments.seed}-{name}").write_bytes(data)
        print(f"{arguments.out.parent / f'{arguments.seed}-{name}'}: {done}")
        return
    home = Path(tempfile.mkdtemp())
    try:
        keep_identity(home)
        outcomes, findings, memory = try_all(arguments.first, arguments.first + arguments.files)
    finally:
        shutil.rmtree(home)
    kept = {"files": arguments.files, "first": arguments.first, "outcomes": dict(outcomes), "findings": findings}
    arguments.out.write_text(json.dumps({**kept, "peak_mb": memory // 1024}, indent=1) + "\n", encoding="utf-8")
    print(f"{dict(outcomes)}, {len(findings)} findings, {memory // 1024} MB at most  →  {arguments.out}")
    sys.exit(bool(findings))


sys.path[:0] = [str(HERE), str(HERE.parent / "imaging")]
if __name__ == "__main__":
    main()
