"""Imported devices in the ledger: published kernel tables, kept whole."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import select

from ..errors import InputError
from . import frames
from .rows import KernelTable
from .tables import DeviceRow, KernelTableRow
from .transactions import Transactions


class TableLedger(Transactions):
    """The kernel tables of a ledger."""

    def import_device(self, name: str, hardware: Mapping[str, Any], tables: Sequence[KernelTable]) -> None:
        """Write a new device and all its tables, or nothing.

        Raises:
            InputError: there is a device of that name.
        """
        rows = [
            KernelTableRow(
                device=name,
                kind=table.kind,
                row_count=len(table.frame),
                runtimes=sorted(str(runtime) for runtime in table.frame["runtime"].unique()),
                sources=[dict(source) for source in table.sources],
                content=table.frame.to_parquet(None, engine="pyarrow", compression="zstd", index=False),
            )
            for table in tables
        ]
        with self._writing() as session:
            if session.get(DeviceRow, name, with_for_update=True) is not None:
                raise InputError(f"device: must be new in {self.url}; got {name!r}")
            session.add(DeviceRow(name=name, hardware=dict(hardware), composition={}))
            session.flush()
            session.add_all(rows)

    def kernel_tables(self, device: str) -> pd.DataFrame:
        """What tables a device has, by kind: rows, runtimes and sources, without their content."""
        query = select(*(getattr(KernelTableRow, name) for name in frames.KERNEL_TABLES))
        with self._reading() as session:
            rows = session.execute(query.where(KernelTableRow.device == device).order_by(KernelTableRow.kind)).all()
        return frames.frame(frames.KERNEL_TABLES, rows)

    def kernel_table(self, device: str, kind: str) -> pd.DataFrame | None:
        """A device's table of one kind, as it was imported; None where there is none."""
        with self._reading() as session:
            row = session.get(KernelTableRow, (device, kind))
            content = None if row is None else row.content
        return None if content is None else pd.read_parquet(io.BytesIO(content), engine="pyarrow")

    def save_kernel_model(self, device: str, kind: str, model: bytes) -> None:
        """Keep what was fitted to a table, in the place of what was fitted before.

        Raises:
            InputError: the device has no such table.
        """
        with self._writing() as session:
            row = session.get(KernelTableRow, (device, kind), with_for_update=True)
            if row is None:
                raise InputError(f"device: one with a table of {kind} in {self.url}; got {device!r}")
            row.model = model

    def kernel_models(self, device: str) -> dict[str, bytes | None]:
        """By kind, what was fitted to a device's tables; None where nothing is yet."""
        query = select(KernelTableRow.kind, KernelTableRow.model).where(KernelTableRow.device == device)
        with self._reading() as session:
            rows = session.execute(query.order_by(KernelTableRow.kind)).all()
        return {row.kind: row.model for row in rows}
