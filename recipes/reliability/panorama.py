"""A panorama of 200 megapixels through ``cloak --fast``: the largest photo that is taken, in how much memory?

    python recipes/reliability/panorama.py [--megapixels 200] [--kind plain|turned|grey|progressive|png]

``turned``: its EXIF says that it was taken with the camera on its side. Its cell is panorama-turned, and so on.
The command runs as it is, in a process of its own. ``base_mb`` is the peak of the same command over a photo of 0.06
megapixels: Python, PyTorch and the networks.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image
from stored import Check, run_fresh

HERE = Path(__file__).resolve().parent


KINDS = ("plain", "turned", "grey", "progressive", "png")


def paint(path: Path, megapixels: float, kind: str) -> None:
    """A picture twice as wide as high: a still life again and again, and a portrait of 1,000 pixels and more."""
    height = round((megapixels * 1e6 / 2) ** 0.5)
    tile = skimage.data.coffee()
    rows, columns = -(-height // tile.shape[0]), -(-2 * height // tile.shape[1])
    scene = Image.fromarray(np.tile(tile, (rows, columns, 1))[:height, : 2 * height])
    side = min(3000, height)
    scene.paste(Image.fromarray(skimage.data.astronaut()).resize((side, side)), (height // 2, 0))
    exif = Image.Exif()
    if kind == "turned":
        scene, exif[0x0112] = scene.transpose(Image.Transpose.ROTATE_90), 6
    if kind == "grey":
        scene = scene.convert("L")
    if kind == "png":
        scene.save(path, compress_level=1)
    else:
        scene.save(path, quality=85, progressive=kind == "progressive", exif=exif)


def main() -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=200)
    parser.add_argument("--kind", choices=KINDS, default="plain")
    choice = parser.parse_args()
    size, kind = choice.megapixels, choice.kind
    command = f"python recipes/reliability/panorama.py --megapixels {size:g}"
    plain = kind == "plain"
    check = Check("panorama" if plain else f"panorama-{kind}", command if plain else f"{command} --kind {kind}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACESHIELD_HOME"] = f"{folder}/home"
        seen = {}
        for name, megapixels in (("small", 0.06), ("large", size)):
            source = Path(folder, name, "photo.png" if kind == "png" else "photo.jpg")
            source.parent.mkdir()
            paint(source, min(megapixels, 199.9), kind)
            done = run_fresh(HERE / "watch.py", time.time(), source, f"{folder}/{name}-out")
            seen[name] = json.loads(done)
        bytes_in, (report,) = source.stat().st_size, _read_photos(Path(folder, "large-out"))
    check.store(
        {
            "megapixels": size,
            "file_mb": round(bytes_in / 2**20, 1),
            "cloaked": int(report["status"] == "cloaked"),
            "cloaked_s": seen["large"]["cloaked_s"],
            "base_mb": seen["small"]["peak_mb"],
            "peak_mb": seen["large"]["peak_mb"],
            "peak_over_base_mb": round(seen["large"]["peak_mb"] - seen["small"]["peak_mb"], 1),
        }
    )


def _read_photos(out: Path) -> list[dict[str, str]]:
    photos: list[dict[str, str]] = json.loads((out / "faceshield.json").read_text(encoding="utf-8"))["photos"]
    return photos


if __name__ == "__main__":
    main()
