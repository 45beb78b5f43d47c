"""A fitted model as bytes and back: a zip of arrays with one JSON text, nothing that runs when it is read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import InputError
from ..tables import KINDS
from .conformal import Intervals
from .families import FAMILIES
from .few import FewFeatures
from .limits import Limits
from .model import TableModel
from .neighbours import Neighbours
from .own_features import OwnFeatures
from .process import Process
from .regression import Regression
from .roofline import Roofline
from .smooth import SmoothRegression
from .trees import Forest

FORMAT = "frontier table model 2"
FORESTS = ("base", "correction", "spread")

Array = NDArray[Any]


def to_bytes(model: TableModel) -> bytes:
    """The whole model. The same model gives the same bytes."""
    told = {
        "format": FORMAT,
        "kind": model.kind.name,
        "limits": asdict(model.limits),
        "parts": [{"part": part, **_told(regression)} for part, regression in model.parts.items()],
    }
    arrays = {"told": np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)}
    for number, regression in enumerate(model.parts.values()):
        arrays.update({f"{number}/{name}": values for name, values in _arrays(regression).items()})
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def from_bytes(saved: bytes) -> TableModel:
    """What `to_bytes` gave.

    Raises:
        InputError: it is something else, or of another version.
    """
    try:
        with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
            told = json.loads(arrays["told"].tobytes())
            found = told["format"]
            if found == FORMAT:
                return _model(told, dict(arrays))
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"table model: bytes in the format {FORMAT!r}; got {len(saved)} others") from error
    raise InputError(f"table model: the format {FORMAT!r}; got {found!r}")


def _told(regression: Regression | SmoothRegression) -> dict[str, Any]:
    """What is not an array."""
    return {
        "columns": list(regression.rows),
        "words": dict(regression.own.words),
        "roofline": asdict(regression.own.roofline),
    }


def _arrays(regression: Regression | SmoothRegression) -> dict[str, Array]:
    words = regression.own.words
    columns = list(map(str, regression.rows))
    found = {f"rows/{name}": _coded(regression.rows[name], words.get(name)) for name in columns}
    found |= {f"intervals/{name}": values for name, values in vars(regression.intervals).items()}
    if isinstance(regression, SmoothRegression):
        return found | {f"process/{name}": np.asarray(values) for name, values in vars(regression.process).items()}
    found["missed"] = regression.missed
    found |= {f"checks/{name}": values for name, values in vars(regression.checks).items()}
    for name in FORESTS:
        trees = getattr(regression, name).save()
        found |= {f"{name}/{fold}": np.frombuffer(raw, dtype=np.uint8) for fold, raw in enumerate(trees)}
    return found


def _model(told: Mapping[str, Any], arrays: Mapping[str, Array]) -> TableModel:
    kind, limits = KINDS[told["kind"]], Limits(**told["limits"])
    parts = {}
    for number, one in enumerate(told["parts"]):
        own = OwnFeatures(kind, FAMILIES[kind.name], limits, Roofline(**one["roofline"]), one["words"])
        within = _under(f"{number}/", arrays)
        columns = _under("rows/", within)
        rows = pd.DataFrame({name: _decoded(columns[name], own.words.get(name)) for name in one["columns"]})
        restore = _smooth if own.family.smooth else _trees
        parts[tuple(one["part"])] = restore(own, rows, Intervals(**_under("intervals/", within)), within)
    return TableModel(kind, limits, parts)


def _trees(
    own: OwnFeatures, rows: pd.DataFrame, intervals: Intervals, arrays: Mapping[str, Array]
) -> Regression | SmoothRegression:
    forests = {name: _under(f"{name}/", arrays) for name in FORESTS}
    return Regression(
        own=own,
        rows=rows,
        target=np.log(rows["latency_us"].to_numpy(float) / own.roofline_us(rows)),
        missed=arrays["missed"],
        neighbours=tuple(Neighbours(axis, rows) for axis in own.family.axes),
        intervals=intervals,
        checks=Intervals(**_under("checks/", arrays)),
        **{name: Forest.load([raw[str(fold)].tobytes() for fold in range(len(raw))]) for name, raw in forests.items()},
    )


def _smooth(
    own: OwnFeatures, rows: pd.DataFrame, intervals: Intervals, arrays: Mapping[str, Array]
) -> Regression | SmoothRegression:
    found = _under("process/", arrays)
    process = Process(**{name: values if values.ndim else values.item() for name, values in found.items()})
    return SmoothRegression(own, rows, FewFeatures.of(own.kind, rows, own.roofline), process, intervals)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Any]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


def _coded(column: pd.Series[Any], words: list[str] | None) -> Array:
    """Texts as their places in `words`."""
    if words is None:
        return column.to_numpy()
    return column.map({word: code for code, word in enumerate(words)}).to_numpy(np.int32)


def _decoded(values: Array, words: list[str] | None) -> Array | pd.Series[str]:
    return values if words is None else pd.Series(words, dtype="str").iloc[values].reset_index(drop=True)
