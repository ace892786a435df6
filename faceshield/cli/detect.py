"""faceshield detect: which faces a photo shows, numbered as --face N counts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from faceshield.core.errors import FaceshieldError


@click.command("detect")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Boxes, landmarks and scores as JSON.")
@click.option("--draw", type=click.Path(path_type=Path), help="Folder for pictures with the faces drawn in.")
@click.option("--device", default="cpu", show_default=True)
def command(photos: tuple[Path, ...], as_json: bool, draw: Path | None, device: str) -> None:
    """List the faces in PHOTOS: number (largest first), box in upright pixels, score.

    Exit code 3 where a photo shows no clear face, 4 where a file is not a picture.
    """
    from faceshield.cloaking.album import gather, refuse_foreign
    from faceshield.faces.any_roll import AnyRollDetector
    from faceshield.faces.detector import CONFIDENT
    from faceshield.imaging.photo import load
    from faceshield.training.runtime import Runtime

    album = gather(photos, draw)
    if draw is not None:
        refuse_foreign(album, draw)
    detector, found, code = AnyRollDetector(Runtime.best(device).device), [], 0
    for item in album.items:
        try:
            rgb = load(item.source).rgb8()
        except FaceshieldError as error:
            click.echo(f"faceshield: {error}", err=True)
            code = error.exit_code
            continue
        faces = detector.detect(rgb)
        if not any(face.score >= CONFIDENT for face in faces):
            code = code or 3
        if draw is not None:
            from faceshield.reports.faces import draw_faces

            draw_faces(rgb, faces, draw / item.output.with_suffix(".png"))
        found.append(
            {"photo": str(item.source), "width": rgb.shape[1], "height": rgb.shape[0], "faces": _describe_faces(faces)}
        )
        if not as_json:
            click.echo(f"{item.source}: {len(faces)} face{'s' * (len(faces) != 1)}")
            for number, face in enumerate(faces, 1):
                x0, y0, x1, y1 = (round(float(edge)) for edge in face.box)
                doubt = "" if face.score >= CONFIDENT else "  doubtful"
                click.echo(f"  {number}: box {x0},{y0},{x1 - x0},{y1 - y0}  score {face.score:.3f}{doubt}")
    if as_json:
        click.echo(json.dumps(found, indent=1))
    click.get_current_context().exit(code)


def _describe_faces(faces: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "box": [round(float(edge), 1) for edge in face.box],
            "landmarks": [[round(float(value), 1) for value in point] for point in face.landmarks],
            "score": round(face.score, 4),
        }
        for face in faces
    ]
