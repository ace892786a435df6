"""The recognisers that an audit asks, each with the distractors as it sees them and its limit of a match."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from faceshield.auditing.pretrained import load_recogniser
from faceshield.evaluation.calibration import load_limit
from faceshield.evaluation.distractors import Distractors, load_distractors
from faceshield.evaluation.enrol import Recogniser
from faceshield.models.pretrained import JUDGE, PRETRAINED, pretrained


@dataclass(frozen=True)
class Judge:
    """A frozen recogniser that searches for a person.

    Attributes:
        name: in ``models.pretrained``.
        title: for people.
        distractors: as it sees them.
        limit: two photos match where they are nearer. It is fixed on a control set, the pairs of different people of
            LFW's protocol, at a false match rate of :data:`~faceshield.evaluation.search.FAR`, as NIST fixes thresholds
            on other photos than those that are reported.
    """

    name: str
    title: str
    recogniser: Recogniser
    distractors: Distractors
    limit: float


def load_judge(name: str, device: torch.device) -> Judge:
    """The judge ``name``. Raises UsageError for an unknown name, StoreError where its files are absent or damaged."""
    entry = pretrained(name)
    return Judge(
        name, entry.title, load_recogniser(device, name=name), load_distractors(name), load_limit(entry.sha256)
    )


def choose_headline(names: Sequence[str], made_against: Collection[str]) -> str:
    """Whose figure stands for the audit: one that took no part in making the masks, JUDGE first, where there is one."""
    for name in (JUDGE, *PRETRAINED):
        if name in names and name not in made_against:
            return name
    return names[0]
