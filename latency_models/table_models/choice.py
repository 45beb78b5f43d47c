"""Which calls to measure when not all can be: those that make the rest best known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import TableKind
from .few import FewModel
from .process import Process

Values = NDArray[np.float64]
Positions = NDArray[np.int64]
Measure = Callable[[pd.DataFrame], "pd.Series[float]"]

# Calls measured before there is a model to choose by, and between fits of it.
START, BATCH = 60, 60
# Calls that are looked at as candidates, and calls that stand for all when uncertainty is averaged.
CANDIDATES, REFERENCES = 2000, 1000


def choose(kind: TableKind, calls: pd.DataFrame, measure: Measure, count: int, seed: int) -> pd.DataFrame:
    """Measure `count` of `calls`, a canonical frame without `latency_us`, and give them with it.

    The first are spread evenly over log sizes. Each later one is that which lowers the mean variance of all predictions
    most; length scales are learned anew after each batch.  Source: Cohn, NIPS 1993. Calls that occur more often in what
    is to be predicted may be given more than once.
    """
    assert count <= len(calls), "no more calls can be measured than there are"
    random = np.random.default_rng(seed)
    chosen = _spread_out(kind, calls, min(START, count), random, calls.head(0))
    measured = _measured(calls, chosen, measure)
    while len(chosen) < count:
        model = FewModel.fit(kind, measured)
        new = _most_telling(model, calls, chosen, min(BATCH, count - len(chosen)), random)
        chosen = np.concatenate([chosen, new])
        measured = pd.concat([measured, _measured(calls, new, measure)])
    return measured


def propose(kind: TableKind, calls: pd.DataFrame, measured: pd.DataFrame | None, count: int, seed: int) -> pd.DataFrame:
    """`count` of `calls` to measure next, as `choose` would, after those that were `measured` already.

    Raises:
        InputError: fewer calls than that are left.
    """
    known = calls.head(0) if measured is None else measured
    seen = pd.MultiIndex.from_frame(known[list(kind.call)])
    left = calls[~pd.MultiIndex.from_frame(calls[list(kind.call)]).isin(seen)]
    if not 1 <= count <= len(left):
        raise InputError(f"count: from 1 to the {len(left)} calls that are not measured; got {count}")
    random = np.random.default_rng(seed)
    if len(known) < START:
        return left.iloc[_spread_out(kind, left, count, random, known)]
    nothing = np.empty(0, dtype=np.int64)
    return left.iloc[_most_telling(FewModel.fit(kind, known), left, nothing, count, random)]


def _measured(calls: pd.DataFrame, at: Positions, measure: Measure) -> pd.DataFrame:
    rows = calls.iloc[at]
    return rows.assign(latency_us=measure(rows))


def _spread_out(
    kind: TableKind, calls: pd.DataFrame, count: int, random: np.random.Generator, known: pd.DataFrame
) -> Positions:
    """Each farthest from those before it and those known, in standardised log sizes.  Source: Gonzalez 1985."""
    pool = random.permutation(len(calls))[: max(CANDIDATES, count)]
    sizes, known_sizes = (np.log2(rows[list(kind.shape)].to_numpy(float) + 1) for rows in (calls.iloc[pool], known))
    scale = np.maximum(sizes.std(axis=0), 1e-9)
    points, known_points = sizes / scale, known_sizes / scale
    distance = np.full(len(points), np.inf)
    for point in known_points:
        distance = np.minimum(distance, ((points - point) ** 2).sum(axis=1))
    picked = [int(distance.argmax())]
    for _ in range(1, count):
        distance = np.minimum(distance, ((points - points[picked[-1]]) ** 2).sum(axis=1))
        # Calls of one shape differ in their labels, and none is taken twice.
        distance[picked[-1]] = -1.0
        picked.append(int(distance.argmax()))
    return np.asarray(pool[picked], dtype=np.int64)


def _most_telling(
    model: FewModel, calls: pd.DataFrame, chosen: Positions, count: int, random: np.random.Generator
) -> Positions:
    left = np.setdiff1d(np.arange(len(calls)), chosen)
    pool = random.permutation(left)[: max(CANDIDATES, count)]
    stand_for_all = random.permutation(len(calls))[:REFERENCES]
    features = model.features.of_rows(calls)
    picked = lower_variance(model.process, features[pool], features[stand_for_all], count)
    return np.asarray(pool[picked], dtype=np.int64)


def lower_variance(process: Process, candidates: Values, references: Values, count: int) -> Positions:
    """Candidates that, one after the other, lower the mean variance at the references most."""
    between = process.covariance(references, candidates)
    among = process.covariance(candidates, candidates)
    picked: list[int] = []
    for _ in range(count):
        variance = np.maximum(np.diag(among), 0.0) + process.noise
        gain = (between**2).sum(axis=0) / variance
        gain[picked] = -1.0
        best = int(gain.argmax())
        picked.append(best)
        # What a measurement there would leave unknown.
        between = between - np.outer(between[:, best], among[best]) / variance[best]
        among = among - np.outer(among[:, best], among[best]) / variance[best]
    return np.array(picked, dtype=np.int64)
