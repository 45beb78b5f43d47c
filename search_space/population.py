"""Many architectures of one space as integers: a row per architecture, a column per choice.

A row says for every choice which of the space's options is taken. Equal rows are equal architectures and the other way
round, so a population is searched, priced and freed of doubles without building a single `Architecture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .architecture import Architecture, Block, Stage
from .operators import Spec
from .space import SearchSpace

ABSENT = -1

Indices = NDArray[np.int16]


@dataclass(frozen=True)
class Columns:
    """Which columns of the matrix hold which choice.

    `width` and `depth` have a column per stage, `token` and `channel` one per block of the deepest architecture, -1
    where a shallower one has no such block. Their options are `space.token_specs` and `space.channel_specs`, those of
    `hidden` are `space.hidden_specs`. `pattern` is the first rule that places the mixer as it stands.
    """

    width: slice
    depth: slice
    residual: int
    hidden: int
    pattern: int
    token: slice
    channel: slice
    names: tuple[str, ...]
    option_counts: tuple[int, ...]

    @classmethod
    def of(cls, space: SearchSpace) -> Columns:
        """The columns of a space."""
        stages, places = space.layout.stages, space.layout.deepest
        prefixes = [space.layout.prefix(number) for number in range(len(stages))]
        options = {f"{prefix}width": len(stage.width) for prefix, stage in zip(prefixes, stages, strict=True)}
        options |= {f"{prefix}depth": len(stage.depth) for prefix, stage in zip(prefixes, stages, strict=True)}
        options |= {"residual": len(space.residual), "hidden": len(space.hidden_specs)}
        options |= {"pattern": len(space.pattern.at) if space.pattern else 1}
        options |= {f"{place.prefix}.token_mixer": len(space.token_specs) for place in places}
        options |= {f"{place.prefix}.channel_mixer": len(space.channel_specs) for place in places}
        first_token = 2 * len(stages) + 3
        return cls(
            width=slice(len(stages)),
            depth=slice(len(stages), 2 * len(stages)),
            residual=first_token - 3,
            hidden=first_token - 2,
            pattern=first_token - 1,
            token=slice(first_token, first_token + len(places)),
            channel=slice(first_token + len(places), None),
            names=tuple(options),
            option_counts=tuple(options.values()),
        )


@dataclass(frozen=True, eq=False)
class Population:
    """Architectures of one space: `indices` is a matrix of architectures by choices (see `Columns`).

    Raises:
        InputError: the matrix has other columns than the space, an index that is no option, or a block where the
            depth leaves none.
    """

    space: SearchSpace
    indices: Indices

    @classmethod
    def of(cls, space: SearchSpace, architectures: Sequence[Architecture]) -> Population:
        """The population of these architectures, in their order.

        Raises:
            InputError: an architecture is not in the space.
        """
        reader = _Reader(space)
        rows = [reader.row(architecture) for architecture in architectures]
        return cls(space, np.array(rows, dtype=np.int16).reshape(len(rows), len(Columns.of(space).names)))

    def __post_init__(self) -> None:
        names = self.columns.names
        if self.indices.ndim != 2 or self.indices.shape[1] != len(names):
            raise InputError(f"indices: a matrix of {len(names)} columns; got the shape {self.indices.shape}")
        if self.indices.dtype != np.int16:
            raise InputError(f"indices: of dtype int16; got {self.indices.dtype}")
        if len(self):
            self._check_options()
            self._check_blocks()

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, rows: NDArray | slice | list[int]) -> Population:
        """The rows that a slice, a mask or an array of row numbers picks."""
        return Population(self.space, self.indices[rows])

    @cached_property
    def columns(self) -> Columns:
        return Columns.of(self.space)

    def architecture(self, row: int) -> Architecture:
        """The architecture of one row."""
        space, columns, indices = self.space, self.columns, self.indices[row]
        stages = tuple(
            Stage(width=choices.width[width], depth=choices.depth[depth])
            for choices, width, depth in zip(
                space.layout.stages, indices[columns.width], indices[columns.depth], strict=True
            )
        )
        return Architecture(
            width=stages[0].width,
            blocks=tuple(
                _block(space.token_specs[token], space.channel_specs[channel])
                for token, channel in zip(indices[columns.token], indices[columns.channel], strict=True)
                if token != ABSENT
            ),
            residual=space.residual[indices[columns.residual]],  # type: ignore[arg-type]
            hidden=space.hidden_specs[indices[columns.hidden]],  # type: ignore[arg-type]
            stages=stages if space.layout.pyramid else (),
        )

    def distinct(self) -> Population:
        """Every architecture once, in the order of first appearance."""
        rows = np.ascontiguousarray(self.indices).view(f"V{self.indices.shape[1] * self.indices.itemsize}")
        first: dict[bytes, int] = {}
        for number, row in enumerate(rows.ravel().tolist()):
            first.setdefault(row, number)
        return self[np.fromiter(first.values(), dtype=np.intp)]

    def _check_options(self) -> None:
        lowest, highest = self.indices.min(axis=0), self.indices.max(axis=0)
        for column, (name, count) in enumerate(zip(self.columns.names, self.columns.option_counts, strict=True)):
            least = ABSENT if column >= self.columns.token.start else 0
            for found in (lowest[column], highest[column]):
                if not least <= found < count:
                    raise InputError(f"indices: {name} is from {least} to {count - 1}; got {found}")

    def _check_blocks(self) -> None:
        present = present_blocks(self.space, self.indices)
        for half in (self.columns.token, self.columns.channel):
            wrong = (self.indices[:, half] != ABSENT) != present
            if wrong.any():
                row, slot = (int(found[0]) for found in np.nonzero(wrong))
                name = self.columns.names[half.start + slot]
                rule = "an option" if present[row, slot] else f"{ABSENT}, the depth leaves no such block"
                raise InputError(f"indices: {name} of row {row} is {rule}; got {self.indices[row, half][slot]}")


@lru_cache(maxsize=2**16)
def _block(token_mixer: Spec, channel_mixer: Spec) -> Block:
    """Thousands of architectures share a few hundred blocks; building one takes longer than finding it."""
    return Block(token_mixer=token_mixer, channel_mixer=channel_mixer)  # type: ignore[arg-type]


def present_blocks(space: SearchSpace, indices: Indices) -> NDArray[np.bool_]:
    """Which blocks of the deepest architecture each row has: (rows, blocks)."""
    columns, places = Columns.of(space), space.layout.deepest
    depths = indices[:, columns.depth]
    depth = np.column_stack([np.array(stage.depth)[depths[:, n]] for n, stage in enumerate(space.layout.stages)])
    return np.array([place.index for place in places]) < depth[:, [place.stage for place in places]]


class _Reader:
    """Looks up which options of a space an architecture takes."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._token = {spec: index for index, spec in enumerate(space.token_specs)}
        self._channel = {spec: index for index, spec in enumerate(space.channel_specs)}

    def row(self, architecture: Architecture) -> list[int]:
        space = self._space
        reason = space.why_not(architecture)
        if reason:
            raise InputError(f"architecture {architecture.digest} is not in space {space.name}: {reason}")
        widths, depths = space.sizes(architecture)
        slots = [place.slot for place in space.layout.places(depths)]
        token, channel = [ABSENT] * space.max_depth, [ABSENT] * space.max_depth
        for slot, block in zip(slots, architecture.blocks, strict=True):
            token[slot] = self._token[block.token_mixer]
            channel[slot] = self._channel[block.channel_mixer]
        stages = space.layout.stages
        return [
            *(stage.width.index(width) for stage, width in zip(stages, widths, strict=True)),
            *(stage.depth.index(depth) for stage, depth in zip(stages, depths, strict=True)),
            space.residual.index(architecture.residual),
            space.hidden_specs.index(architecture.hidden),
            self._rule(architecture),
            *token,
            *channel,
        ]

    def _rule(self, architecture: Architecture) -> int:
        pattern = self._space.pattern
        if pattern is None:
            return 0
        rule = pattern.rule_of(tuple(pattern.places(block.token_mixer) for block in architecture.blocks))
        assert rule is not None, "an architecture in the space keeps to its pattern"
        return pattern.at.index(rule)
