"""The person to protect, as the photos of an album show them: what noise and masks are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faceshield.cloaking.album import Item
from faceshield.cloaking.detect import Finder
from faceshield.cloaking.ensemble import AlignedCrops
from faceshield.cloaking.moving import crop_first_face, open_moving
from faceshield.cloaking.open_photos import OpenPhotos
from faceshield.cloaking.options import Options
from faceshield.cloaking.photo import report_failed, report_unprotected
from faceshield.cloaking.report import PhotoReport
from faceshield.cloaking.strategy import MAX_VIEWED
from faceshield.core.errors import FaceshieldError, StoreError, UnprotectedError
from faceshield.core.store import sha256
from faceshield.imaging.opening import read
from faceshield.imaging.photo import decode


@dataclass
class Person:
    """What a first look at the album gave.

    Attributes:
        faces: the person's face in the photos that were looked at.
        problems: reports of the photos that cannot be cloaked, by path; they are not looked at again.
    """

    faces: list[AlignedCrops] = field(default_factory=list)
    problems: dict[Path, PhotoReport] = field(default_factory=dict)


def find_person(
    items: Sequence[Item],
    options: Options,
    finder: Finder,
    opened: OpenPhotos,
    max_viewed: int,
    on_photo: Callable[[int, int], None],
) -> Person:
    """Look for the person's face in ``max_viewed`` photos spread over ``items``, and in more until one shows it.

    ``on_photo(done, total)`` is called after each photo. What is wrong with a photo ends up in ``problems``.
    """
    step = -(-len(items) // MAX_VIEWED)
    order = [item for first in range(step) for item in items[first::step]]
    person = Person()
    for number, item in enumerate(order, 1):
        if person.faces and number > max_viewed:
            break
        try:
            with opened.hold(item.source):
                person.faces += _crop_faces(item, options, finder)
        except StoreError:
            raise
        except UnprotectedError as error:
            person.problems[item.source] = report_unprotected(item, error)
        except FaceshieldError as error:
            person.problems[item.source] = report_failed(item, error)
        on_photo(number, max(number, min(max_viewed, len(order))))
    return person


def _crop_faces(item: Item, options: Options, finder: Finder) -> list[AlignedCrops]:
    data = read(item.source)
    animation = open_moving(data, item.source, options)
    if animation is not None:
        return [crop_first_face(animation, finder)]
    rgb = decode(data, item.source, first=options.frames == "first").rgb8()
    found = finder.find(rgb, item.source)
    finder.remember(item.source, sha256(data), found)
    return [AlignedCrops.of(rgb, face) for face in found[0][:1]]
