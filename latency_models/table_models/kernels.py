"""Kernel times of a device that is known by its tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import pandas as pd

from ...errors import InputError
from ..calls import KernelCall
from ..families import FUSED
from ..predicting.fit import KernelTime, Roofline, Source
from ..predicting.table_shapes import TableShape, table_shape
from ..tables import TableKind
from . import roofline

# The 90th percentile of what repeating a campaign on the same device differs by: 35,700 matrix products of an H200.
REPEATED = 0.043
# How far a call may be off that is priced by what it moves: compiled elementwise code keeps near the memory's rate.
NEAR_ROOFLINE, BLIND = 2.0, 4.0


class CallTimes(Protocol):
    """What is known of one kind of kernel: a `TableModel` or a `Transfer`."""

    @property
    def kind(self) -> TableKind: ...

    @property
    def source(self) -> Source: ...

    @property
    def roofline(self) -> roofline.Roofline: ...

    def knows(self, columns: dict[str, int | str]) -> bool: ...

    def usual_rows(self) -> pd.DataFrame: ...

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame: ...


class TableKernels:
    """Times of any call: of a row of a table, by the model of its table, or by what it moves and computes.

    A kind's model is taken from `models` when a call of that kind is asked for the first time.

    Raises:
        InputError: there is no model of matrix products, whose rates price what no table is about.
    """

    def __init__(self, models: Mapping[str, CallTimes]) -> None:
        if "gemm" not in models:
            raise InputError(f"tables: one of gemm is needed; got {', '.join(sorted(models)) or 'none'}")
        self._models = models
        self._times: dict[str, KernelTime] = {}
        self._rows: dict[str, dict[tuple, float]] = {}

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of kernels that there are models of."""
        return tuple(self._models)

    def time(self, call: KernelCall) -> KernelTime:
        """The time of one call; what was asked before is remembered."""
        return self.times([call])[0]

    def times(self, calls: Sequence[KernelCall]) -> list[KernelTime]:
        """The times of calls, which is quicker than asking for one after the other."""
        wanted: dict[str, dict[str, TableShape]] = {}
        for call in {call.key: call for call in calls if call.key not in self._times}.values():
            shape = table_shape(call)
            if shape is not None and self._knows(shape):
                wanted.setdefault(shape.kind, {})[call.key] = shape
            else:
                self._times[call.key] = self._by_roofline(call)
        for kind, shapes in wanted.items():
            frame = pd.DataFrame([shape.columns for shape in shapes.values()], index=pd.Index(list(shapes)))
            self._times |= self._by_table(self._models[kind], frame)
        return [self._times[call.key] for call in calls]

    def _knows(self, shape: TableShape) -> bool:
        """Whether there is a model of the kind, and it has seen the labels that it separates."""
        model = self._models.get(shape.kind)
        return model is not None and model.knows(shape.columns)

    def _by_table(self, model: CallTimes, frame: pd.DataFrame) -> dict[str, KernelTime]:
        predicted, measured = model.predict(frame), self._measured(model)
        calls = zip(*(frame[column].tolist() for column in model.kind.call), strict=True)
        columns = (predicted[name].tolist() for name in ("time_us", "low_us", "high_us", "extrapolates"))
        found: dict[str, KernelTime] = {}
        for key, call, (time_us, low_us, high_us, extrapolates) in zip(
            frame.index, calls, zip(*columns, strict=True), strict=True
        ):
            known = measured.get(call)
            if known is None:
                found[key] = KernelTime(time_us, low_us, high_us, False, model.source, extrapolates)
            else:
                found[key] = KernelTime(known, known * (1 - REPEATED), known * (1 + REPEATED), True)
        return found

    def _by_roofline(self, call: KernelCall) -> KernelTime:
        time_us, factor = self._roofline.time_us(call), NEAR_ROOFLINE if call.family == FUSED else BLIND
        return KernelTime(time_us, time_us / factor, time_us * factor, False, "bytes")

    @cached_property
    def _roofline(self) -> Roofline:
        """That of matrix products."""
        found = self._models["gemm"].roofline
        return Roofline(found.flops_per_us, found.bytes_per_us, found.floor_us)

    def _measured(self, model: CallTimes) -> dict[tuple, float]:
        """The latency of every call that was measured in the usual runtime."""
        if model.kind.name not in self._rows:
            usual = model.usual_rows()
            calls = zip(*(usual[column].tolist() for column in model.kind.call), strict=True)
            self._rows[model.kind.name] = dict(zip(calls, usual["latency_us"].tolist(), strict=True))
        return self._rows[model.kind.name]
