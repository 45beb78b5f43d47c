"""Devices in the ledger: their measured kernels, and how well predictions for them held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..errors import InputError
from . import frames
from .columns import real
from .inserting import replace
from .rows import Device, KernelMeasurement, ValidationRow
from .tables import DeviceRow, DeviceValidationRow, KernelTableRow, MeasurementRow
from .transactions import Transactions

_FIGURES = ("mape", "median_ape", "within_10", "kendall_tau", "floor_mape")
_MEASUREMENT = tuple(KernelMeasurement.__dataclass_fields__)


class DeviceLedger(Transactions):
    """The devices of a ledger."""

    def save_device(self, name: str, hardware: Mapping[str, Any], composition: Mapping[str, Any]) -> None:
        """Write a device, or replace what is said of it; its measurements and validations stay."""
        with self._writing() as session:
            row = session.get(DeviceRow, name, with_for_update=True)
            if row is None:
                session.add(DeviceRow(name=name, hardware=dict(hardware), composition=dict(composition)))
            else:
                row.hardware, row.composition = dict(hardware), dict(composition)

    def device(self, name: str) -> Device | None:
        """A device by its name; None where there is none."""
        with self._reading() as session:
            row = session.get(DeviceRow, name)
            return None if row is None else Device(row.name, row.hardware, row.composition, row.created_at)

    def devices(self) -> pd.DataFrame:
        """Every device by name, with the number of its measurements, rows of imported tables and validations."""
        measured = select(func.count()).where(MeasurementRow.device == DeviceRow.name).scalar_subquery()
        rows_of_tables = func.coalesce(func.sum(KernelTableRow.row_count), 0)
        imported = select(rows_of_tables).where(KernelTableRow.device == DeviceRow.name).scalar_subquery()
        validated = select(func.count()).where(DeviceValidationRow.device == DeviceRow.name).scalar_subquery()
        query = select(DeviceRow.name, DeviceRow.hardware, measured, imported, validated, DeviceRow.created_at)
        with self._reading() as session:
            rows = session.execute(query.order_by(DeviceRow.name)).all()
        return frames.frame(frames.DEVICES, rows)

    def add_measurements(self, device: str, rows: Sequence[KernelMeasurement]) -> None:
        """Write measured kernel calls; a call measured anew takes the place of the one of its key.

        Raises:
            InputError: there is no such device.
        """
        values = [
            {
                "device": device,
                "key": row.key,
                "op": row.op,
                "family": row.family,
                "arguments": row.arguments,
                "flops": int(row.flops),
                "bytes": int(row.bytes),
                "median_us": float(row.median_us),
                "spread_us": float(row.spread_us),
                "count": int(row.count),
                "timing": row.timing,
                "warm_us": real(row.warm_us),
                "skewed_us": real(row.skewed_us),
                "kernel_names": list(row.kernel_names),
                "note": row.note,
            }
            for row in rows
        ]
        with self._writing() as session:
            self._require_device(session, device)
            replace(session, MeasurementRow, ("device", "key"), values)

    def measurements(self, device: str) -> list[KernelMeasurement]:
        """Every measured kernel call of a device, by key."""
        query = select(*(getattr(MeasurementRow, name) for name in _MEASUREMENT))
        with self._reading() as session:
            rows = session.execute(query.where(MeasurementRow.device == device).order_by(MeasurementRow.key)).all()
        return [KernelMeasurement(**{**row._mapping, "kernel_names": tuple(row.kernel_names)}) for row in rows]

    def add_validation(self, device: str, validation: ValidationRow) -> None:
        """Write a check of a device's predictions. Raises InputError where there is no such device."""
        row = DeviceValidationRow(
            device=device,
            space=validation.space,
            phase=validation.phase,
            batch=int(validation.batch),
            seq_len=int(validation.seq_len),
            count=int(validation.count),
            pairs=[dict(pair) for pair in validation.pairs],
            **{name: real(getattr(validation, name)) for name in _FIGURES},
        )
        with self._writing() as session:
            self._require_device(session, device)
            session.add(row)

    def validations(self, device: str | None = None) -> pd.DataFrame:
        """The validations of one device or all, in the order they were made; `pairs` holds lists."""
        query = select(*(getattr(DeviceValidationRow, name) for name in frames.VALIDATIONS))
        if device is not None:
            query = query.where(DeviceValidationRow.device == device)
        with self._reading() as session:
            rows = session.execute(query.order_by(DeviceValidationRow.id)).all()
        return frames.frame(frames.VALIDATIONS, rows)

    def _require_device(self, session: Session, name: str) -> None:
        if session.get(DeviceRow, name) is None:
            raise InputError(f"device: must be in {self.url}; got {name!r}")
