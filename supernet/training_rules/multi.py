"""Several subnets per batch, each on its own part of it: as many architectures per update at the cost of one.

Source: multi-architectural sampling of ViT-ResNAS, arXiv 2109.00642. There the parts run through one masked pass of
the largest size; here each part runs through its own slices, so that a small subnet also costs what a small one does.
"""

from __future__ import annotations

from .fair import fair
from .rule import Group, Plan, Step


def multi(step: Step) -> Plan:
    """`random_subnets` + 2 subnets on hard labels that share one batch, every option of a choice equally often."""
    return Plan((Group(fair(step).subnets),))
