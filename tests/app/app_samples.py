"""What a job's process runs in tests: no networks, and deaths on demand. Imported by those processes too."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from faceshield.app.refusals import Limits

PORT, TOKEN = 8765, "a-token-of-the-test"
BASE = f"http://127.0.0.1:{PORT}"
LIMITS = Limits(file_bytes=1 << 20, total_bytes=3 << 20, photos=4, json_bytes=2000, spare_bytes=0)
# a PhotoReport as JSON values; the class itself would bring seconds of torch into each process
REPORT = {
    "status": "cloaked", "reason": "", "identity": None, "epsilon": 8 / 255, "faces": [], "faces_seen": 1,
    "lossless": True, "written_linf_255": 0.0, "resaved_linf_255": 0.0, "distances": None, "still_matched": [],
    "frames": None,
    "frames_cloaked": None, "stripped": [], "notices": [], "changes": [],
}  # fmt: skip
DEADLY, SLOW = b"deadly", b"slow"  # the content of a photo that ends the process, or keeps it at work for ever


def cloak_nothing(connection: Connection, task: str, arguments: Mapping[str, Any]) -> None:
    """Copy each photo as its cloak, one after the other, until one ends the process; resumes as the library does."""
    out = arguments["out"]
    photos = arguments["photos"]
    connection.send(("stage", "cloaking", 0, len(photos)))
    for number, (path, _) in enumerate(photos, 1):
        data = path.read_bytes()
        if data.startswith(SLOW):
            time.sleep(600)
        if data.startswith(DEADLY):
            os._exit(9)
        (out / path.name).write_bytes(data)
        connection.send(("photo", {**REPORT, "source": str(path), "output": path.name}))
        connection.send(("stage", "cloaking", number, len(photos)))
    connection.send(("result", {"notices": [], "about": "", "identity": None}))


def echo(connection: Connection) -> None:
    """An engine's process that answers with its arguments, dies of "die", and refuses "refuse"."""
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        if name == "die":
            os._exit(3)
        connection.send({"said": "no"} if name == "refuse" else {"ok": {**arguments, "process": os.getpid()}})
