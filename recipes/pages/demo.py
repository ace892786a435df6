"""The main job on a portrait that ships inside scikit-image (NASA, public domain): what ``make demo`` runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from faceshield import Options, cloak
from faceshield.imaging.photo import load
from faceshield.reports.show import amplify_change, write_page


def main(folder: Path) -> None:
    """Leave original.jpg, cloaked.jpg, noise_x16.png, three.png, page.html and faceshield.json in ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    original = folder / "original.jpg"
    Image.fromarray(skimage.data.astronaut()).save(original, quality=95, subsampling=0)
    with tempfile.TemporaryDirectory() as private:  # the demo's identity is nobody's: forget it afterwards
        os.environ["FACESHIELD_HOME"] = private
        print("  finding the face and making a private noise for it ...", flush=True)
        report = cloak(original, folder / "out", Options(identity="demo"))
    (folder / "out" / "original.jpg").rename(folder / "cloaked.jpg")
    (folder / "out" / "faceshield.json").rename(folder / "faceshield.json")
    (folder / "out").rmdir()
    before, after = load(original).pixels, load(folder / "cloaked.jpg").pixels
    Image.fromarray(amplify_change(before, after)).save(folder / "noise_x16.png")
    three = np.concatenate([before, after, amplify_change(before, after)], 1)
    Image.fromarray(three).save(folder / "three.png")
    write_page(original, folder / "cloaked.jpg", folder / "page.html")
    (face,) = report.photos[0].faces
    print(f"  largest change {face.linf_255:g}/255, PSNR {face.psnr} dB, SSIM {face.ssim_face} in the face")
    print(f"  pixels changed outside the face: {_outside(before, after, face.region)} (by JPEG re-encoding alone)")
    print(f"Done: open {folder / 'page.html'}")


def _outside(before: np.ndarray, after: np.ndarray, region: tuple[int, ...]) -> int:
    changed = (before != after).any(2)
    y0, x0, y1, x1 = region
    changed[y0:y1, x0:x1] = False
    return int(changed.sum())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo"))
