"""Architectures as numbers that a model can learn from, computed for whole populations at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...search_space import SearchSpace, Spec, kind_of
from ...search_space.operators.choices import OperatorChoices
from ...search_space.population import ABSENT, Columns, Population
from .problem import Values


class Encoding:
    """Turns a population into features, all of them about 0 to 1, in groups that belong together.

    Every size is a group of its own, so are the residual join, the hidden dimension and the pattern. A layer's mixers
    are described by their kinds and by how far up its choices each field is; the mixers of all layers are one group,
    so are their means over layers. Each known cost is a group, by its logarithm.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._columns = Columns.of(space)
        self._token = _table(space.token_specs, space.token_mixers)
        self._channel = _table(space.channel_specs, space.channel_mixers)
        self._hidden = _table(space.hidden_specs, space.hidden)

    def features(self, population: Population, costs: Values) -> list[Values]:
        """The features (architectures, features of the group) of every group that can differ.

        `costs` (architectures, known costs) are positive.
        """
        columns, indices = self._columns, population.indices
        outer = np.arange(columns.hidden)
        groups = [indices[:, [column]] / max(1, columns.option_counts[column] - 1) for column in outer]
        if self._space.pattern:
            groups.append(indices[:, [columns.pattern]] / max(1, columns.option_counts[columns.pattern] - 1))
        groups.append(self._hidden[indices[:, columns.hidden]])
        for half, table in ((columns.token, self._token), (columns.channel, self._channel)):
            layers = table[indices[:, half]]
            present = (indices[:, half] != ABSENT).sum(axis=1, keepdims=True)
            groups += [layers.reshape(len(layers), layers.shape[1] * layers.shape[2]), layers.sum(axis=1) / present]
        groups += [np.log(np.maximum(costs[:, [column]], 1e-12)) for column in range(costs.shape[1])]
        return [group for group in groups if group.shape[1]]


def _table(specs: Sequence[Spec], operators: Sequence[OperatorChoices]) -> NDArray[np.float64]:
    """A row of features per spec, and a last row of zeros for what is absent (index -1)."""
    rows = [[entry for choices in operators for entry in _entries(choices, spec)] for spec in specs]
    table = np.array([*rows, [0.0] * len(rows[0])])
    return table[:, (table[:-1] != table[0]).any(axis=0)]


def _entries(choices: OperatorChoices, spec: Spec) -> list[float]:
    """Whether a spec is of this kind and if so how far up the choices its fields are."""
    if kind_of(spec) != choices.kind:
        return [0.0] * (1 + len(choices.values))
    entries = [1.0]
    for name, options in choices.values:
        ordered = sorted(options, key=lambda option: (option is None, option))  # type: ignore[arg-type,return-value]
        entries.append((ordered.index(getattr(spec, name)) + 1) / len(ordered))
    return entries
