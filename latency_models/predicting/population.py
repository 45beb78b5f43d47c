"""A population's sections, found by arithmetic on its indices instead of walking its architectures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from ...search_space import SearchSpace
from ...search_space.layout import Place
from ...search_space.population import ABSENT, Columns, Indices
from ..tracing.sections import Option, options
from .costs import NOTHING

UNPRICED = -1

Price = Callable[[Option], int]


class SpaceRows:
    """Where in one workload's cost table the sections of a space's architectures stand.

    Sections are numbered as `options` lists them: the embeddings, the reductions, the halves by stage, width, residual,
    hidden and spec, the heads; behind them one number for a block that is not there.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._columns = Columns.of(space)
        self._options = tuple(options(space))
        self._rows = np.full(len(self._options) + 1, UNPRICED, dtype=np.intp)
        self._rows[-1] = NOTHING

    def of(self, indices: Indices, price: Price) -> NDArray[np.intp]:
        """The table rows of every architecture's sections in running order: (sections, architectures).

        `indices` are rows of a population. `price` gives the table row of a section that none had before.
        """
        numbers = self._numbers(indices.T.astype(np.intp))
        rows = self._rows[numbers]
        if (rows == UNPRICED).any():
            for number in np.unique(numbers[rows == UNPRICED]):
                self._rows[number] = price(self._options[number])
            rows = self._rows[numbers]
        return rows

    def _numbers(self, choices: NDArray[np.intp]) -> NDArray[np.intp]:
        """The numbers of every architecture's sections in running order, from its choices (choices, architectures)."""
        stages, width = self._space.layout.stages, choices[self._columns.width]
        numbers, first_reduction = [width[0]], len(stages[0].width)
        for place in self._space.layout.deepest:
            if place.stage and place.index == 0:
                before, after = (len(stages[stage].width) for stage in (place.stage - 1, place.stage))
                numbers.append(first_reduction + width[place.stage - 1] * after + width[place.stage])
                first_reduction += before * after
            numbers += self._halves(choices, place)
        first_head = len(self._options) - len(stages[-1].width)
        return np.array([*numbers, first_head + width[-1]])

    def _halves(self, choices: NDArray[np.intp], place: Place) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The numbers of both halves of a block."""
        space, columns, absent = self._space, self._columns, len(self._options)
        specs = len(space.token_specs) + len(space.channel_specs)
        width = self._first_widths[place.stage] + choices[columns.width][place.stage]
        joined = width * len(space.residual) + choices[columns.residual]
        first = self._first_half + (joined * len(space.hidden_specs) + choices[columns.hidden]) * specs
        token, channel = choices[columns.token][place.slot], choices[columns.channel][place.slot]
        return (
            np.where(token == ABSENT, absent, first + token),
            np.where(channel == ABSENT, absent, first + len(space.token_specs) + channel),
        )

    @cached_property
    def _first_half(self) -> int:
        return next(number for number, option in enumerate(self._options) if option.block is not None)

    @cached_property
    def _first_widths(self) -> tuple[int, ...]:
        """How many widths the stages before each have."""
        return tuple(accumulate((len(stage.width) for stage in self._space.layout.stages), initial=0))
