"""What architectures chose, as columns: one per choice of their space, and how many layers have each kind of mixer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...search_space import Architecture, SearchSpace

# The option of who was not asked, as an architecture of three blocks has no mixer in a fourth.
NOT_ASKED = "–"
ABSENT = -1


@dataclass(frozen=True, eq=False)
class Choices:
    """What some architectures chose: `codes` (architectures, choices) count into the `options` of each choice."""

    names: tuple[str, ...]
    options: tuple[tuple[str, ...], ...]
    codes: np.ndarray

    def differing(self) -> Choices:
        """Without the choices that all of these architectures made alike."""
        keep = [place for place in range(len(self.names)) if len(np.unique(self.codes[:, place])) > 1]
        return Choices(
            tuple(self.names[place] for place in keep),
            tuple(self.options[place] for place in keep),
            self.codes[:, keep],
        )


def read_choices(space: Mapping[str, Any], architectures: Sequence[Mapping[str, Any]]) -> Choices:
    """What `architectures` of a space chose, both as their JSON.

    Raises:
        ValueError: the space or an architecture can't be read, or one is not in the space.
    """
    known = SearchSpace.parse(dict(space))
    read = [Architecture.from_json(dict(architecture)) for architecture in architectures]
    chosen = [known.encode(architecture) for architecture in read]
    columns = [
        (name, tuple(map(_word, options)), [_place(options, row, name) for row in chosen])
        for name, options in known.parameters.items()
    ]
    columns += _layers("token_mixer", read) + _layers("channel_mixer", read)
    names, options, codes = zip(*columns, strict=True) if columns else ((), (), ())
    return Choices(names, options, np.array(codes, dtype=np.int16).reshape(len(columns), len(read)).T)


def _place(options: tuple[Any, ...], row: Mapping[str, Any], name: str) -> int:
    return options.index(row[name]) if name in row else ABSENT


def _word(value: Any) -> str:
    return "full" if value is None else str(value)


def _layers(slot: str, architectures: Sequence[Architecture]) -> list[tuple[str, tuple[str, ...], list[int]]]:
    """How many layers of each architecture have each kind of mixer in a slot."""
    counted = [Counter(getattr(block, slot).kind for block in one.blocks) for one in architectures]
    kinds = sorted({kind for counts in counted for kind in counts})
    most = max((max(counts.values(), default=0) for counts in counted), default=0)
    numbers = tuple(str(number) for number in range(most + 1))
    return [(f"layers.{kind}", numbers, [counts[kind] for counts in counted]) for kind in kinds if len(kinds) > 1]
