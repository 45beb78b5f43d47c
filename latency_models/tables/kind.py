"""What a kind of kernel table is: which columns it has, what a row asks of the device, what is held out together.

A table in memory is a data frame in canonical form: the kind's `shape` columns (int64), its `labels` (text), `runtime`
(what measured it: framework, version and kernel, as one text) and `latency_us` (float64).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

Cost = Callable[[pd.DataFrame], "pd.Series[float]"]


@dataclass(frozen=True)
class Derived:
    """A shape column that follows from several published ones.

    `of` is given the published `columns` (int64) and the kind's labels under their canonical names.
    """

    columns: tuple[str, ...]
    of: Callable[[pd.DataFrame], pd.Series[int]]


@dataclass(frozen=True)
class TableKind:
    """One family of published tables.

    `shape` and `labels` together say which call a row measured. `published` maps them to the columns of the files this
    kind is recognised by, each of which has every one of these columns and, in all rows, one of `op_names` as its
    `op_name`. `whole_shape` are the columns whose values are held out together: another size of a known shape is no
    new shape. `flops` and `bytes` are what the rows of a canonical frame compute, and read and write at least.

    `words` are the values a label may have, and what each is called here; a label without words is free text.
    `least` is what a shape column holds at least, where that is not 1. `fixed` are published columns that may hold one
    value only, as nothing in `shape` could tell another.
    """

    name: str
    shape: tuple[str, ...]
    labels: tuple[str, ...]
    published: Mapping[str, str | Derived]
    op_names: tuple[str, ...]
    whole_shape: tuple[str, ...]
    flops: Cost
    bytes: Cost
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)

    @property
    def call(self) -> tuple[str, ...]:
        """The columns that say which call a row measured."""
        return (*self.shape, *self.labels)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a canonical frame, in order."""
        return (*self.call, "runtime", "latency_us")
