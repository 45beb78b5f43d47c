"""What is held out: whole shapes, in folds or by an expression."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import TableKind


def shape_folds(kind: TableKind, rows: pd.DataFrame, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each row, counted from 0. Rows of one whole shape share a fold; folds have equally many whole shapes.

    Raises:
        InputError: there are fewer whole shapes than folds.
    """
    shape = _whole_shapes(kind, rows)
    count = int(shape.max()) + 1
    if count < folds:
        raise InputError(f"{kind.name}: {folds} folds need as many whole shapes ({_named(kind)}); got {count}")
    order = np.random.default_rng(seed).permutation(count)
    return np.asarray(order[shape] % folds, dtype=np.int64)


def row_folds(kind: TableKind, rows: pd.DataFrame, most: int) -> NDArray[np.int64]:
    """The fold of each of a few rows: whole shapes, or, if all rows are of one, single rows; `most` folds at most."""
    shape = _whole_shapes(kind, rows)
    return (shape if shape.max() > 0 else np.arange(len(rows))) % most


def split_by_expression(
    kind: TableKind, rows: pd.DataFrame, expression: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows to learn from, and rows held out, which a pandas query such as `n > 8192` selects.

    Rows of a whole shape that is held out in part are in neither.

    Raises:
        InputError: the expression is none, or selects no row, or leaves no whole shape to learn from.
    """
    held_out = selected(kind, rows, expression, "--holdout")
    if not held_out.any():
        raise InputError(f"--holdout: at least one row of the {kind.name} table; got none with {expression!r}")
    shape = _whole_shapes(kind, rows)
    learned = ~np.isin(shape, shape[held_out])
    if not learned.any():
        raise InputError(
            f"--holdout: some whole shapes ({_named(kind)}) of the {kind.name} table are left to learn from; "
            f"got none with {expression!r}"
        )
    return learned, held_out


def selected(kind: TableKind, rows: pd.DataFrame, expression: str, option: str) -> NDArray[np.bool_]:
    """The rows that a condition on their call, and `runtime` where they have it, is true of.

    Raises:
        InputError: the expression is no condition; the message starts with the `option` that it was given by.
    """
    calls = rows[[column for column in (*kind.call, "runtime") if column in rows]]
    try:
        answer = calls.eval(expression, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # whatever pandas makes of a text that it cannot read
        reason, columns = " ".join(str(error).split()), ", ".join(map(str, calls))
        raise InputError(f"{option}: a condition on {columns}; got {expression!r} ({reason})") from error
    if not isinstance(answer, pd.Series) or answer.dtype != bool:
        raise InputError(f"{option}: a condition, true or false for each row; got {expression!r}")
    return answer.to_numpy(bool)


def _whole_shapes(kind: TableKind, rows: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(rows.groupby(list(kind.whole_shape), sort=True).ngroup(), dtype=np.int64)


def _named(kind: TableKind) -> str:
    return ", ".join(kind.whole_shape)
