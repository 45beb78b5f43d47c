"""The balanced rule: every kind of operator learns from as many examples as it would in a model of its own.

Where a layer has K kinds of operators to choose from, a subnet uses the weights of one of them. An update whose subnets
all see the same batch so trains every kind on a K-th of it, and is as far behind a model alone as that model would be
with a K-th of its batch. So here full-size subnets see K batches. Each batch is split over several of them, which costs
no more than one subnet on the whole of it and lets an update average over many mixtures of kinds.
"""

from __future__ import annotations

from collections.abc import Callable

from ...search_space import Architecture
from ...search_space.operators.choices import Value
from .rule import Group, Plan, Step
from .strata import from_largest

PARTS = 8
FULL_SIZE_BATCHES = 4


def balanced(step: Step) -> Plan:
    """Full-size subnets, eight to a batch, on as many batches as a layer has kinds of operators, up to four; then the
    smallest subnet and `random_subnets` others, which share the first of these batches. All learn from hard labels.

    Each subnet draws first how often it takes each kind, then the kinds of its layers. So stacks of one kind alone are
    as frequent as even mixtures; if every layer were drawn for itself, hardly any would be seen.
    """
    parts = min(PARTS, step.examples)
    full_size = [
        Group(tuple(_blend(step, lambda sizes: sizes[0]) for _ in range(parts)), batch)
        for batch in range(min(FULL_SIZE_BATCHES, _kinds(step)))
    ]
    smallest = _blend(step, lambda sizes: sizes[-1])
    others = (_blend(step, step.rng.choice, may_leave_out=True) for _ in range(step.random_subnets))
    return Plan((*full_size, Group((smallest, *others)[:parts])))


def _kinds(step: Step) -> int:
    """The most kinds of operators that a layer can choose among, not counting the one that leaves it out."""
    counts = [len(_working(options)) for name, options in step.space.parameters.items() if _slot(name)]
    return max(counts, default=1)


def _blend(step: Step, pick: Callable[[tuple[Value, ...]], Value], may_leave_out: bool = False) -> Architecture:
    """A subnet whose sizes, given from the largest on, `pick` chooses, and whose kinds follow shares of its own.

    The shares are uniform over all ways to divide a whole.
    """
    shares: dict[tuple[str, Value], float] = {}

    def share(slot: str, kind: Value) -> float:
        return shares.setdefault((slot, kind), step.rng.expovariate(1.0))

    def choose(name: str, options: tuple[Value, ...]) -> Value:
        sizes = from_largest(options)
        if sizes is not None:
            return pick(sizes)
        slot = _slot(name)
        if slot is None:
            return step.rng.choice(options)
        kinds = options if may_leave_out else _working(options)
        return step.rng.choices(kinds, [share(slot, kind) for kind in kinds])[0]

    return step.space.build(choose)


def _slot(name: str) -> str | None:
    """Which half of a layer a parameter chooses the kind of, or None where it chooses something else."""
    last = name.partition("[")[0].rpartition(".")[2]
    return last if last in ("token_mixer", "channel_mixer") else None


def _working(kinds: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(kind for kind in kinds if kind != "none") or kinds
