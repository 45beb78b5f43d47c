"""Exact hypervolume: how much of the space up to a reference point is dominated. All objectives are minimised."""

from __future__ import annotations

import numpy as np

from .front import non_dominated
from .problem import Values


def hypervolume(values: Values, reference: Values) -> float:
    """The volume that rows of `values` (rows, objectives) dominate below `reference` (objectives,).

    Two objectives take n log n; more are cut into slices along the last one.
    """
    inside = values[(values < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    front = inside[non_dominated(inside)]
    if front.shape[1] == 1:
        return float(reference[0] - front[:, 0].min())
    return _area(front, reference) if front.shape[1] == 2 else _sliced(front, reference)


def _area(front: Values, reference: Values) -> float:
    front = front[np.argsort(front[:, 0])]
    ceilings = np.concatenate([reference[1:], front[:-1, 1]])
    return float(((reference[0] - front[:, 0]) * (ceilings - front[:, 1])).sum())


def _sliced(front: Values, reference: Values) -> float:
    front = front[np.argsort(front[:, -1])]
    heights = np.diff(np.append(front[:, -1], reference[-1]))
    slices = (hypervolume(front[: number + 1, :-1], reference[:-1]) for number in range(len(front)))
    return float(sum(height * area for height, area in zip(heights, slices, strict=True)))
