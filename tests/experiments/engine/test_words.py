"""The words that keys may hold are those of the tables that they are looked up in."""

from __future__ import annotations

from typing import get_args

import pytest

from faceshield.attacks import table
from faceshield.evaluation.residual import RESIDUALS
from faceshield.experiments.faces import ablation, bank, battery, command, linkable
from faceshield.experiments.paper import network
from faceshield.models import zoo
from faceshield.noise import registry
from faceshield.training import attack


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (table.Name, table.COUNTERMEASURES),
        (zoo.Network, zoo.NETWORKS),
        (registry.MethodName, registry.METHODS),
        (network.AugmentMixName, network.AUGMENT_AND_MIX),
        (attack.AugmentName, attack.AUGMENTS),
        (ablation.ViewsName, ablation.VIEWS),
        (bank.ViewName, bank.VIEWS),
        (bank.Channels, bank.CHROMA),
        (command.Cloak, command.OPTIONS),
        (linkable.LinkableKey.model_fields["residual"].annotation, RESIDUALS),
        (
            battery.BatteryKey.model_fields["attacker"].annotation,
            {"scratch", *battery.ON_FEATURES, battery.FINE_TUNED},
        ),
    ],
)
def test_each_word_has_its_entry(words, known):
    assert set(get_args(words)) == set(known)
