"""Devices: measured kernels, published kernel tables, checks of predictions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from .columns import now
from .table_base import Base, not_negative, one_of
from .words import PHASES


class DeviceRow(Base):
    """A device and runtime that kernels are measured on."""

    __tablename__ = "devices"

    name: Mapped[str] = mapped_column(primary_key=True)
    hardware: Mapped[dict[str, Any]]
    composition: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class MeasurementRow(Base):
    """One kernel call as measured on a device; `arguments` is kept as the text that `key` is the hash of.

    NULL in `warm_us` means that the time with a warm cache was not measured apart, in `skewed_us` that the call sends
    its tokens nowhere.
    """

    __tablename__ = "measurements"
    __table_args__ = tuple(not_negative("flops", "bytes", "median_us", "spread_us", "count"))

    device: Mapped[str] = mapped_column(ForeignKey("devices.name"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    op: Mapped[str]
    family: Mapped[str]
    arguments: Mapped[str]
    flops: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    median_us: Mapped[float]
    spread_us: Mapped[float]
    count: Mapped[int]
    timing: Mapped[str] = mapped_column(server_default="clock")
    warm_us: Mapped[float | None]
    kernel_names: Mapped[list[Any]] = mapped_column(server_default="[]")
    note: Mapped[str] = mapped_column(server_default="")
    skewed_us: Mapped[float | None]


class KernelTableRow(Base):
    """A published table of one kind of kernel on a device; `content` is a data frame as Parquet.

    `model` is what was fitted to it, NULL until something is.
    """

    __tablename__ = "kernel_tables"
    __table_args__ = tuple(not_negative("row_count"))

    device: Mapped[str] = mapped_column(ForeignKey("devices.name"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    row_count: Mapped[int]
    runtimes: Mapped[list[Any]]
    sources: Mapped[list[Any]]
    content: Mapped[bytes]
    model: Mapped[bytes | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class DeviceValidationRow(Base):
    """A check of a device's predictions against whole measured models."""

    __tablename__ = "validations"
    __table_args__ = (
        one_of("phase", PHASES),
        *not_negative("batch", "seq_len", "count", "mape", "median_ape", "within_10", "floor_mape"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.name"), index=True)
    space: Mapped[str]
    phase: Mapped[str]
    batch: Mapped[int]
    seq_len: Mapped[int]
    count: Mapped[int]
    mape: Mapped[float | None]
    median_ape: Mapped[float | None]
    within_10: Mapped[float | None]
    kendall_tau: Mapped[float | None]
    floor_mape: Mapped[float | None]
    pairs: Mapped[list[Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
