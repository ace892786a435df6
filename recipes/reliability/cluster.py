"""The same photos by one process, and by a Ray cluster of two machines of which one is lost in mid-job.

    python recipes/reliability/cluster.py [--photos 60]

Both machines are processes on this one with a core each, so that only sameness is measured, not speed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from threading import Thread

from album import fill
from stored import Check

from faceshield import Options, cloak
from faceshield.cloaking.journal import JOURNAL
from faceshield.core.cluster import Cluster


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=60)
    count = parser.parse_args().photos
    check = Check("cluster", f"python recipes/reliability/cluster.py --photos {count}")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15 is next to nothing on a machine that does other work
    from ray.cluster_utils import Cluster as Machines

    with tempfile.TemporaryDirectory() as name:
        os.environ["FACESHIELD_HOME"] = f"{name}/home"
        folder, options, seconds = Path(name), Options(fast=True, jobs=1), {}
        fill(folder / "in", count)
        begun = time.monotonic()
        alone = cloak(folder / "in", folder / "alone", options)
        seconds["alone"] = time.monotonic() - begun
        machines = Machines(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        victim = machines.add_node(num_cpus=1)
        lost_after: list[int] = []

        def lose() -> None:
            journal = folder / "together" / JOURNAL
            while not journal.is_file() or journal.read_bytes().count(b"\n") - 1 < count // 4:
                time.sleep(0.05)
            lost_after.append(journal.read_bytes().count(b"\n") - 1)
            machines.remove_node(victim, allow_graceful=False)

        loss = Thread(target=lose, daemon=True)
        loss.start()
        begun = time.monotonic()
        with Cluster(machines.address) as cluster:
            together = cloak(folder / "in", folder / "together", options, cluster=cluster)
        seconds["together"] = time.monotonic() - begun
        loss.join()
        machines.shutdown()
        hashes = [
            {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / out).glob("*.jpg")}
            for out in ("alone", "together")
        ]
    different = {name for name in hashes[0].keys() | hashes[1].keys() if hashes[0].get(name) != hashes[1].get(name)}
    check.store(
        {
            "photos": count,
            "machines": 2,
            "machines_lost": 1,
            "lost_after_photos": lost_after[0],
            "cloaked": len(hashes[1]),
            "different_files": len(different),
            "same_report": int(alone.photos == together.photos),
            "alone_s": round(seconds["alone"], 1),
            "together_s": round(seconds["together"], 1),
            "ray": version("ray"),
        }
    )


if __name__ == "__main__":
    main()
