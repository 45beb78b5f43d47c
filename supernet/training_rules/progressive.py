"""Progressive shrinking: training begins with the largest subnet, and smaller options open as it goes on.

Sources: the order, arXiv 1908.09791, translated to transformers (what is inside a block, then width, then depth); the
number of options that are open, the warm-up of ViT-ResNAS, min(1 + floor(e (C - 1) / E), C).
"""

from __future__ import annotations

from ...search_space.operators.choices import Value
from .rule import Plan, Step, on_one_batch
from .strata import from_largest

WIDENING_SHARE = 0.5
PHASES = 3


def progressive(step: Step) -> Plan:
    """The sandwich over the options that are open: the largest subnet teaches the smallest and `random_subnets` others.

    Kinds of operators are open from the start; sizes open from the largest down over the first half of training.
    """
    space = step.space
    largest = space.largest(step.rng_of_all)
    if all(len(open_options(step, name, options)) == 1 for name, options in _sizes(step)):
        return on_one_batch([largest], first_teaches=True)
    smallest = space.build(lambda name, options: _pick_smallest(step, name, options))
    others = [
        space.build(lambda name, options: step.rng.choice(open_options(step, name, options)))
        for _ in range(step.random_subnets)
    ]
    return on_one_batch(dict.fromkeys((largest, smallest, *others)), first_teaches=True)


def open_options(step: Step, name: str, options: tuple[Value, ...]) -> tuple[Value, ...]:
    """The options of a parameter that may be drawn at this step, sizes from the largest on."""
    ordered = from_largest(options)
    if ordered is None:
        return options
    phase_steps = max(1.0, step.total * WIDENING_SHARE / PHASES)
    into_phase = max(0.0, step.index - _phase(name) * phase_steps)
    return ordered[: 1 + int(into_phase * (len(ordered) - 1) / phase_steps)]


def _phase(name: str) -> int:
    """When a parameter begins to shrink: what is inside a block first, then widths, then depths."""
    return {"width": 1, "depth": 2}.get(name.rpartition(".")[2], 0)


def _pick_smallest(step: Step, name: str, options: tuple[Value, ...]) -> Value:
    if from_largest(options) is None:
        return step.rng_of_all.choice(options)
    return open_options(step, name, options)[-1]


def _sizes(step: Step) -> list[tuple[str, tuple[Value, ...]]]:
    return [(name, options) for name, options in step.space.parameters.items() if from_largest(options) is not None]
