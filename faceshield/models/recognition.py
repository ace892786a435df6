"""The networks that learn people as classes (paper §4.5), by the names that recipes and the command line use."""

from __future__ import annotations

import difflib
from typing import Literal, get_args

from faceshield.core.errors import UsageError
from faceshield.models.inception_resnet import Head, InceptionResnetV1
from faceshield.models.resnet import ResNet, resnet18

Network = Literal["resnet18", "inception_resnet_v1"]


def build_network(name: str, classes: int, width: int, head: Head = "linear") -> ResNet | InceptionResnetV1:
    """A fresh network of the collector's: ``width`` is RN-18's, ``head`` Inception-ResNet-v1's.

    Raises UsageError for another name.
    """
    known = get_args(Network)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0)[0]
        raise UsageError(f"model {name!r} is unknown; use {', '.join(known)}; did you mean {near!r}?")
    if name == "resnet18":
        return resnet18(classes, width=width, stem="stride2")
    return InceptionResnetV1(classes, head=head)
