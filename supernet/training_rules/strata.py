"""Strata of a space by parameter count, and how an architecture of a given one is drawn.

Uniform samples crowd around the middle sizes. So the drawing tilts every size towards its small or its large options,
and finds by bisection, starting from no tilt at all, how far it has to tilt for a stratum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from ...search_space import Architecture, SearchSpace
from ...search_space.operators.choices import Value
from .rule import ParamCount, Step

STRATA = 8
STEEPEST = 6.0
ATTEMPTS = 40


def stratum_of(count: int, param_count: ParamCount) -> int:
    """Which of `STRATA` equal parts of the space's range of parameter counts a count falls into."""
    low, high = param_count.range
    return min(STRATA - 1, max(0, (count - low) * STRATA // max(1, high - low)))


def draw_in_stratum(step: Step, stratum: int) -> Architecture:
    """An architecture of a stratum; the nearest one that was met where the space has hardly any there."""
    least, most = -STEEPEST, STEEPEST
    met: list[tuple[int, int, Architecture]] = []
    for attempt in range(ATTEMPTS):
        tilt = (least + most) / 2
        architecture = tilted(step.space, step.rng, tilt)
        found = stratum_of(step.param_count(architecture), step.param_count)
        if found == stratum:
            return architecture
        met.append((abs(found - stratum), attempt, architecture))
        least, most = (tilt, most) if found < stratum else (least, tilt)
        if most - least < 1.0:
            # One unlucky draw can send the search to the wrong side, so it reopens.
            least, most = max(-STEEPEST, least - 1.0), min(STEEPEST, most + 1.0)
    return min(met)[2]


def tilted(space: SearchSpace, rng: Random, tilt: float) -> Architecture:
    """A random architecture that prefers large sizes when `tilt` is above 0 and small ones below; kinds are uniform."""

    def choose(_: str, options: tuple[Value, ...]) -> Value:
        ordered = from_largest(options)
        if ordered is None:
            return rng.choice(options)
        ranks = range(len(ordered))
        return rng.choices(ordered, [math.exp(-tilt * rank / max(1, len(ordered) - 1)) for rank in ranks])[0]

    return space.build(choose)


def from_largest(options: Sequence[Value]) -> tuple[Value, ...] | None:
    """Sizes from the largest on (None means unlimited), or None when the options are kinds rather than sizes."""
    if any(isinstance(option, (str, bool)) for option in options):
        return None
    return tuple(sorted(options, key=lambda option: (option is None, option), reverse=True))  # type: ignore[arg-type,return-value]
