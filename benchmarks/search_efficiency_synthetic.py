"""An objective by formula on a large space, of which the true front is computed exactly.

Layers add up to a capacity: each by what stands in it and where, and by how it gets on with the layer before. Likes
beside each other get in each other's way, and the best pair (attention over everything beside a long convolution) is
two changes away from every uniform stack. A model's loss falls with its capacity down to a floor that its width sets.
Costs are whole numbers, so the best capacity of every cost is found by dynamic programming over layers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from search_efficiency_objective import Objective

from frontier.jobs.algorithms import Costs, Problem
from frontier.search_space import Attention, CausalConv, SearchSpace
from frontier.search_space.population import ABSENT, Columns, Population

Values = NDArray[np.float64]
SPACE = "hybrid-lm"
LONG_KERNEL = 11
# Windowed attention, attention over everything, short and long convolutions: how a layer gets on with the one before.
PAIRS = np.array([[-0.3, -0.2, 0.1, 0.1], [-0.2, -0.4, 0.1, 0.6], [0.2, 0.1, -0.3, -0.2], [0.1, 0.6, -0.2, -0.4]])
ALONE = np.array([0.5, 0.3, 0.6, 0.3])
FALL = 6.0


class Formula:
    """Costs and losses of a space's architectures, and their true front."""

    def __init__(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(0)
        self._space, self._columns = space, Columns.of(space)
        layers = space.max_depth
        self._kind = np.array([_kind(spec) for spec in space.token_specs])
        self._token_cost = np.array([_token_cost(spec) for spec in space.token_specs])
        self._channel_cost = np.array([max(1, spec.inner // 128) for spec in space.channel_specs])
        place = 0.3 * rng.normal(size=(layers, 4))
        size = 0.5 * np.log(self._token_cost) * rng.uniform(0.3, 1.0, size=(layers, 1))
        self._token_worth = (ALONE + place)[:, self._kind] + size + 0.1 * rng.normal(size=(layers, len(self._kind)))
        taste = rng.uniform(0.1, 0.6, size=(layers, 1))
        self._channel_worth = taste * np.log(self._channel_cost) + 0.1 * rng.normal(
            size=(layers, len(self._channel_cost))
        )
        self._width_cost = np.array(space.width) // 64
        self._floor = 1.0 + 80.0 / np.array(space.width)

    def costs(self, population: Population) -> Values:
        """The cost of every architecture, a whole number."""
        columns, indices = self._columns, population.indices
        token, channel = indices[:, columns.token], indices[:, columns.channel]
        layers = np.where(token == ABSENT, 0, self._token_cost[token] + self._channel_cost[channel])
        return (self._width_cost[indices[:, columns.width][:, 0]] * (4 + layers.sum(axis=1))).astype(np.float64)

    def losses(self, population: Population) -> Values:
        """The loss of every architecture."""
        columns, indices = self._columns, population.indices
        token, channel = indices[:, columns.token], indices[:, columns.channel]
        layer = np.arange(token.shape[1])
        worth = self._token_worth[layer, token] + self._channel_worth[layer, channel]
        kind = self._kind[token]
        worth[:, 1:] += PAIRS[kind[:, :-1], kind[:, 1:]]
        return self._loss(np.where(token == ABSENT, 0, worth).sum(axis=1), indices[:, columns.width][:, 0])

    def best(self) -> Values:
        """Values (any number, 2) that hold the true front: the least loss of every width, depth and cost."""
        found = []
        capacity = {}
        best = self._first_layer()
        for layer in range(1, max(self._space.depth)):
            best = self._with_layer(best, layer)
            capacity[layer + 1] = best.max(axis=0)
        for width in range(len(self._space.width)):
            for depth in self._space.depth:
                (cost,) = np.nonzero(np.isfinite(capacity[depth]))
                loss = self._loss(capacity[depth][cost], np.full(len(cost), width))
                found.append(np.column_stack([loss, self._width_cost[width] * (4 + cost)]))
        return np.concatenate(found).astype(np.float64)

    def _loss(self, capacity: Values, width: NDArray) -> Values:
        return self._floor[width] + 1.5 * np.exp(-capacity / FALL)

    def _layer(self, layer: int) -> Values:
        """The most that a layer is worth by kind and cost: (kinds, costs)."""
        worth = np.full((4, self._token_cost.max() + self._channel_cost.max() + 1), -np.inf)
        for token, kind in enumerate(self._kind):
            for channel, cost in enumerate(self._channel_cost + self._token_cost[token]):
                total = self._token_worth[layer, token] + self._channel_worth[layer, channel]
                worth[kind, cost] = max(worth[kind, cost], total)
        return worth

    def _first_layer(self) -> Values:
        """The best capacity by kind of the last layer and cost: (kinds, costs)."""
        best = np.full((4, self._layer(0).shape[1] * self._space.max_depth), -np.inf)
        best[:, : self._layer(0).shape[1]] = self._layer(0)
        return best

    def _with_layer(self, best: Values, layer: int) -> Values:
        worth, longer = self._layer(layer), np.full_like(best, -np.inf)
        for kind in range(4):
            before = (best + PAIRS[:, [kind]]).max(axis=0)
            for cost in np.nonzero(np.isfinite(worth[kind]))[0]:
                reached = before[: best.shape[1] - cost] + worth[kind, cost]
                longer[kind, cost:] = np.maximum(longer[kind, cost:], reached)
        return longer


def open_synthetic() -> Objective:
    """The objective on the space `SPACE`."""
    space = SearchSpace.load(SPACE)
    formula = Formula(space)

    def costs(population: Population) -> Costs:
        known = formula.costs(population)
        return Costs(np.column_stack([np.full(len(known), np.nan), known]), np.zeros(len(known)))

    def score(population: Population) -> Values:
        return np.column_stack([formula.losses(population), formula.costs(population)])

    problem = Problem(space, ("val_loss", "latency_ms"), costs)
    return Objective.of("formula", problem, score, formula.best(), space.count())


def _kind(spec: Attention | CausalConv) -> int:
    if isinstance(spec, Attention):
        return int(spec.window is None)
    return 2 + (spec.kernel_size >= LONG_KERNEL)


def _token_cost(spec: Attention | CausalConv) -> int:
    if isinstance(spec, Attention):
        return (
            spec.num_heads * spec.head_dim // 64
            + spec.num_kv_heads
            + (2 if spec.window is None else spec.window // 64 - 1)
        )
    return spec.channels // 128 + spec.kernel_size // 5
