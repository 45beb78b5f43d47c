"""Whole populations drawn, mutated and crossed in a few array operations.

n architectures, L blocks of the deepest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .operators import Spec
from .operators.choices import OperatorChoices, Value
from .operators.spec import kind_of
from .pattern import layers_of
from .population import ABSENT, Columns, Indices, Population, present_blocks
from .space import SearchSpace

Odds = NDArray[np.float64]

# Architectures made at once: their intermediate arrays stay in the processor's cache.
CHUNK = 8192


class Breeder:
    """Draws, mutates and crosses populations of one space."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._columns = Columns.of(space)
        self._none = np.array([kind_of(spec) == "none" for spec in space.token_specs])

    def sample(self, count: int, rng: np.random.Generator) -> Population:
        """Architectures distributed as those of `SearchSpace.sample`: every choice uniform, one after the other."""
        return self._joined(self._sampled(rows.stop - rows.start, rng) for rows in _chunks(count))

    def mutate(self, population: Population, rng: np.random.Generator) -> Population:
        """A neighbour of each: one open choice, picked uniformly, changed to another option.

        Other options are as likely as `sample` draws them; what the change newly opens or rules out is drawn anew. A
        choice is a column of the population, so a mixer is replaced whole, where `SearchSpace.mutate` may change one
        field of it.
        """
        self._check(population)
        return self._joined(self._mutated(population.indices[rows], rng) for rows in _chunks(len(population)))

    def crossover(self, first: Population, second: Population, rng: np.random.Generator) -> Population:
        """Children that take sizes and every layer from either parent: those of the same row.

        Raises:
            InputError: there are more of one than of the other.
        """
        self._check(first)
        self._check(second)
        if len(first) != len(second):
            raise InputError(f"second: as many parents as the first, {len(first)}; got {len(second)}")
        pairs = ((first.indices[rows], second.indices[rows]) for rows in _chunks(len(first)))
        return self._joined(self._crossed(*pair, rng) for pair in pairs)

    def _check(self, population: Population) -> None:
        if population.space != self.space:
            raise InputError(f"population: of the space {self.space.name}; got one of {population.space.name}")

    def _joined(self, parts: Iterable[Indices]) -> Population:
        return Population(self.space, np.concatenate(list(parts)))

    def _sampled(self, count: int, rng: np.random.Generator) -> Indices:
        indices = np.full((count, len(self._columns.names)), ABSENT, dtype=np.int16)
        for column, odds in enumerate(self._outer_odds):
            indices[:, column] = np.searchsorted(np.cumsum(odds), rng.random(count) * odds.sum(), side="right")
        return self._settled(indices, [], rng)

    def _mutated(self, parents: Indices, rng: np.random.Generator) -> Indices:
        indices = parents.copy()
        picked = self._picked(parents, rng)
        for column in range(indices.shape[1]):
            rows = np.nonzero(picked == column)[0]
            odds, context = self._odds_of(parents[rows], column)
            others = odds[context]
            others[np.arange(len(rows)), parents[rows, column]] = 0
            reach = np.cumsum(others, axis=1)
            drawn = rng.random(len(rows)) * reach[:, -1]
            indices[rows, column] = (reach <= drawn[:, None]).sum(axis=1)
        return self._settled(indices, [indices], rng)

    def _crossed(self, first: Indices, second: Indices, rng: np.random.Generator) -> Indices:
        of_first = rng.random(first.shape) < 0.5
        # Both halves of a layer come from the same parent.
        of_first[:, self._columns.channel] = of_first[:, self._columns.token]
        taken, other = np.where(of_first, first, second), np.where(of_first, second, first)
        return self._settled(taken, [taken, other], rng)

    def _settled(self, outer: Indices, wanted: Sequence[Indices], rng: np.random.Generator) -> Indices:
        """Architectures with the sizes and pattern of `outer`.

        A layer takes its mixers from the first of `wanted` that has legal ones for it; they are drawn where none has.
        """
        columns, indices = self._columns, outer.copy()
        layouts = self._layout_numbers(outer)
        indices[:, columns.pattern] = self._first_rules[layouts, outer[:, columns.pattern]]
        placed = self._placed[layouts, outer[:, columns.pattern]].astype(np.intp)
        present = present_blocks(self.space, outer)
        token = _filled(placed, self._token_odds, [one[:, columns.token] for one in wanted], rng)
        beside_none = self._none[token].astype(np.intp)
        channel = _filled(beside_none, self._channel_odds, [one[:, columns.channel] for one in wanted], rng)
        indices[:, columns.token] = np.where(present, token, ABSENT)
        indices[:, columns.channel] = np.where(present, channel, ABSENT)
        return indices

    def _picked(self, indices: Indices, rng: np.random.Generator) -> NDArray[np.intp]:
        """A column of each row that has other options than the present one; -1 where none has."""
        is_open = np.zeros(indices.shape, dtype=np.bool_)
        for column in range(indices.shape[1]):
            odds, context = self._odds_of(indices, column)
            is_open[:, column] = ((odds > 0).sum(axis=1) > 1)[context] & (indices[:, column] != ABSENT)
        count = is_open.sum(axis=1)
        chosen = (rng.random(len(indices)) * count).astype(np.intp)
        column_of = (np.cumsum(is_open, axis=1) > chosen[:, None]).argmax(axis=1)
        return np.where(count > 0, column_of, -1)

    def _odds_of(self, indices: Indices, column: int) -> tuple[Odds, NDArray[np.intp]]:
        """How likely the options of a column are in each context (contexts, options), and the context of each row."""
        columns = self._columns
        if column >= columns.channel.start:
            token = indices[:, column - self.space.max_depth]
            return self._channel_odds, self._none[token].astype(np.intp)
        layouts = self._layout_numbers(indices)
        if column >= columns.token.start:
            placed = self._placed[layouts, indices[:, columns.pattern], column - columns.token.start]
            return self._token_odds, placed.astype(np.intp)
        if column == columns.pattern:
            return (self._first_rules == np.arange(len(self._rules))).astype(np.float64), layouts
        return self._outer_odds[column][None], np.zeros(len(indices), dtype=np.intp)

    def _layout_numbers(self, indices: Indices) -> NDArray[np.intp]:
        """Which of the layout's combinations of depths each row has."""
        depths = indices[:, self._columns.depth].T
        return np.ravel_multi_index(tuple(depths), tuple(len(stage.depth) for stage in self.space.layout.stages))

    @cached_property
    def _rules(self) -> tuple[str, ...]:
        return self.space.pattern.at if self.space.pattern else ("none",)

    @cached_property
    def _placed(self) -> NDArray[np.bool_]:
        """Where the pattern's mixer stands: (combinations of depths, rules, L)."""
        combinations = list(self.space.layout.all_depths())
        placed = np.zeros((len(combinations), len(self._rules), self.space.max_depth), dtype=np.bool_)
        for number, depths in enumerate(combinations):
            slots = [place.slot for place in self.space.layout.places(depths)]
            for rule, name in enumerate(self._rules):
                placed[number, rule, slots] = layers_of(name, sum(depths))
        return placed

    @cached_property
    def _first_rules(self) -> NDArray[np.intp]:
        """The first rule that places as this one does: (combinations of depths, rules)."""
        alike = (self._placed[:, :, None] == self._placed[:, None]).all(axis=-1)
        return alike.argmax(axis=-1)

    @cached_property
    def _outer_odds(self) -> tuple[Odds, ...]:
        """How likely each option of the columns before the blocks is."""
        columns = self._columns
        odds = [np.full(count, 1 / count) for count in columns.option_counts[: columns.token.start]]
        odds[columns.hidden] = option_odds(self.space.hidden_specs, self.space.hidden)
        return tuple(odds)

    @cached_property
    def _token_odds(self) -> Odds:
        """How likely each token mixer is where the pattern does not place its own, and where it does."""
        space = self.space
        marks = (False, True) if space.pattern else (False,)
        return np.array([option_odds(space.token_specs, space.layer_mixers(mark)) for mark in marks])

    @cached_property
    def _channel_odds(self) -> Odds:
        """How likely each channel mixer is beside a token mixer, and beside none."""
        space = self.space
        something = tuple(choices for choices in space.channel_mixers if choices.kind != "none")
        return np.array([option_odds(space.channel_specs, mixers) for mixers in (space.channel_mixers, something)])


def _chunks(count: int) -> list[slice]:
    """Rows that are made at once; one empty chunk where there are none."""
    return [slice(start, min(start + CHUNK, count)) for start in range(0, max(1, count), CHUNK)]


def option_odds(specs: Sequence[Spec], operators: Sequence[OperatorChoices]) -> Odds:
    """How likely each spec is when the kind is drawn uniformly, then one field after the other."""
    odds = {spec: _chance(choices, spec) / len(operators) for choices in operators for spec in choices.legal}
    return np.array([odds.get(spec, 0.0) for spec in specs])


def _chance(choices: OperatorChoices, spec: Spec) -> float:
    """How likely uniform choices, one field after the other, lead to this spec."""
    chance, answers = 1.0, choices.answers(spec)

    def answer(name: str, options: tuple[Value, ...]) -> Value:
        nonlocal chance
        chance /= len(options)
        return answers[name.removeprefix(".")]

    assert choices.choose(answer, prefix="") == spec, "the answers of a spec lead to it"
    return chance


def _filled(
    context: NDArray[np.intp], odds: Odds, wanted: Sequence[Indices], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Options (n, L) that are possible by the odds of their context (n, L): the first wanted one, else drawn."""
    filled = np.full(context.shape, ABSENT, dtype=np.intp)
    for options in wanted:
        fits = (filled == ABSENT) & (options != ABSENT) & (odds[context, options] > 0)
        filled = np.where(fits, options, filled)
    for number, chances in enumerate(odds):
        missing = (filled == ABSENT) & (context == number)
        reach = np.cumsum(chances)
        filled[missing] = np.searchsorted(reach, rng.random(missing.sum()) * reach[-1], side="right")
    return filled
