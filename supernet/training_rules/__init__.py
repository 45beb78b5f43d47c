"""Which subnets one update of the shared weights visits: one file per rule, and the table that names them."""

from __future__ import annotations

from .attentive import attentive
from .balanced import balanced
from .fair import fair
from .multi import multi
from .progressive import progressive
from .rule import MOST_BATCHES, Group, ParamCount, Plan, Rule, Step, on_one_batch
from .sandwich import sandwich
from .stratified import stratified
from .uniform import uniform

RULES: dict[str, Rule] = {
    "balanced": balanced,
    "uniform": uniform,
    "sandwich": sandwich,
    "stratified": stratified,
    "progressive": progressive,
    "fair": fair,
    "multi": multi,
    "attentive": attentive,
}

__all__ = ["MOST_BATCHES", "RULES", "Group", "ParamCount", "Plan", "Rule", "Step", "on_one_batch"]
