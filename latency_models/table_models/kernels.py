"""Kernel times of a device that is known by its tables alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import pandas as pd

from ...errors import InputError
from ..calls import KernelCall
from ..families import FUSED
from ..predicting.fit import KernelTime, Roofline
from ..predicting.table_shapes import TableShape, table_shape
from .model import TableModel, usual_runtime

# The 90th percentile of what repeating a campaign on the same device differs by: 35,700 matrix products of an H200.
REPEATED = 0.043
# How far a call may be off that is priced by what it moves: compiled elementwise code keeps near the memory's rate.
NEAR_ROOFLINE, BLIND = 2.0, 4.0


class TableKernels:
    """Times of any call: of a row of a table, by the model of its table, or by what it moves and computes.

    Raises:
        InputError: there is no model of matrix products, whose rates price what no table is about.
    """

    def __init__(self, models: Mapping[str, TableModel]) -> None:
        if "gemm" not in models:
            raise InputError(f"tables: one of gemm is needed; got {', '.join(sorted(models)) or 'none'}")
        self._models = models
        self._times: dict[str, KernelTime] = {}

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
        return model is not None and all(
            any(shape.columns[label] in part.own.words[label] for part in model.parts.values())
            for label in model.kind.labels
        )

    def _by_table(self, model: TableModel, frame: pd.DataFrame) -> dict[str, KernelTime]:
        predicted, measured = model.predict(frame), self._measured[model.kind.name]
        calls = zip(*(frame[column].tolist() for column in model.kind.call), strict=True)
        columns = (predicted[name].tolist() for name in ("time_us", "low_us", "high_us", "extrapolates"))
        found: dict[str, KernelTime] = {}
        for key, call, (time_us, low_us, high_us, extrapolates) in zip(
            frame.index, calls, zip(*columns, strict=True), strict=True
        ):
            known = measured.get(call)
            if known is None:
                found[key] = KernelTime(time_us, low_us, high_us, False, "table", extrapolates)
            else:
                found[key] = KernelTime(known, known * (1 - REPEATED), known * (1 + REPEATED), True)
        return found

    def _by_roofline(self, call: KernelCall) -> KernelTime:
        time_us, factor = self._roofline.time_us(call), NEAR_ROOFLINE if call.family == FUSED else BLIND
        return KernelTime(time_us, time_us / factor, time_us * factor, False, "bytes")

    @cached_property
    def _roofline(self) -> Roofline:
        """The best memory rate that matrix products reach, and the arithmetic of the widest type that was measured."""
        rooflines = [part.own.roofline for part in self._models["gemm"].parts.values()]
        return Roofline(
            flops_per_us=min(one.flops_per_us for one in rooflines),
            bytes_per_us=max(one.bytes_per_us for one in rooflines),
            floor_us=min(one.floor_us for one in rooflines),
        )

    @cached_property
    def _measured(self) -> dict[str, dict[tuple, float]]:
        """The latency of every call that was measured in the runtime that its part was measured in most."""
        found: dict[str, dict[tuple, float]] = {}
        for kind, model in self._models.items():
            columns = list(model.kind.call)
            for part in model.parts.values():
                usual = part.rows[part.rows["runtime"] == usual_runtime(part.rows)]
                calls = zip(*(usual[column].tolist() for column in columns), strict=True)
                found.setdefault(kind, {}).update(zip(calls, usual["latency_us"].tolist(), strict=True))
        return found
