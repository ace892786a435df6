"""Adversarial training (appendix D): small changes of a picture no longer matter to the network, nor does the noise."""

from __future__ import annotations

from faceshield.core.budget import Budget
from faceshield.training.adversarial import Adversary

FAST = Adversary(Budget(8 / 255), alpha=10 / 255, steps=1)
"""One step from a random start (Wong et al. 2020): a tenth of PGD-10's time. PGD-10 is ``training.adversarial``'s."""
