"""Uniform single path: one subnet per update, every choice drawn uniformly.  Source: arXiv 1904.00420."""

from __future__ import annotations

from .rule import Plan, Step, on_one_batch


def uniform(step: Step) -> Plan:
    """One random subnet, trained on hard labels."""
    return on_one_batch([step.space.sample(step.rng)])
