"""The tables. What the database can check is a constraint; a NULL is "not known"."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .columns import UtcDateTime, now
from .words import EVALUATION_STATES, FIDELITIES, JOB_STATES, PHASES, STAGES, SUBNETS

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def one_of(column: str, words: Sequence[str]) -> CheckConstraint:
    """The column holds one of these words."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


def not_negative(*columns: str) -> list[CheckConstraint]:
    """None of the columns is below zero (NULL passes)."""
    return [CheckConstraint(f"{column} >= 0", name=f"{column}_not_negative") for column in columns]


class Base(DeclarativeBase):
    """Every table, with named constraints, so that a later migration can name what it changes."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {
        str: Text,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        datetime: UtcDateTime,
    }


class JobRow(Base):
    """A search job: its config as given, how far it is, what it found out."""

    __tablename__ = "jobs"
    __table_args__ = (one_of("state", JOB_STATES), one_of("stage", STAGES), *not_negative("done", "total"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    state: Mapped[str]
    stage: Mapped[str]
    done: Mapped[int]
    total: Mapped[int]
    config: Mapped[dict[str, Any]]
    space: Mapped[dict[str, Any]]
    objectives: Mapped[list[Any]]
    run_dir: Mapped[str]
    facts: Mapped[dict[str, Any]]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class ArchitectureRow(Base):
    """An architecture by its content hash, shared by all jobs."""

    __tablename__ = "architectures"

    digest: Mapped[str] = mapped_column(primary_key=True)
    architecture: Mapped[dict[str, Any]]


class EvaluationRow(Base):
    """An architecture evaluated by a job at a fidelity; `seq` is its place in the job's stream, from 1."""

    __tablename__ = "evaluations"
    __table_args__ = (
        UniqueConstraint("job_id", "digest", "fidelity"),
        one_of("fidelity", FIDELITIES),
        one_of("state", EVALUATION_STATES),
        *not_negative(
            "seq",
            "latency_ms",
            "latency_low_ms",
            "latency_high_ms",
            "latency_measured_ms",
            "param_count",
            "peak_memory_bytes",
            "seconds",
        ),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"))
    fidelity: Mapped[str]
    state: Mapped[str]
    val_loss: Mapped[float | None]
    latency_ms: Mapped[float | None]
    latency_low_ms: Mapped[float | None]
    latency_high_ms: Mapped[float | None]
    latency_measured_ms: Mapped[float | None]
    param_count: Mapped[int | None] = mapped_column(BigInteger)
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    worker: Mapped[str | None]
    seconds: Mapped[float | None]
    reason: Mapped[str | None]
    weights_path: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class FrontMemberRow(Base):
    """A stay on a job's front, from the evaluation that entered to the one that displaced it."""

    __tablename__ = "front_members"
    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "digest", "fidelity"], ["evaluations.job_id", "evaluations.digest", "evaluations.fidelity"]
        ),
        CheckConstraint("left_seq > entered_seq", name="left_after_entered"),
        Index(None, "job_id", "fidelity", "left_seq"),
    )

    job_id: Mapped[str] = mapped_column(primary_key=True)
    fidelity: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    entered_seq: Mapped[int]
    left_seq: Mapped[int | None]


class CurveRow(Base):
    """A point of the supernet's training curve. A NULL loss was not a number."""

    __tablename__ = "curve_points"
    __table_args__ = (one_of("subnet", SUBNETS), *not_negative("step", "seconds"))

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subnet: Mapped[str] = mapped_column(primary_key=True)
    loss_nats: Mapped[float | None]
    seconds: Mapped[float]


class EventRow(Base):
    """Something worth telling that happened in a job."""

    __tablename__ = "events"
    __table_args__ = (one_of("stage", STAGES), Index(None, "job_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    stage: Mapped[str]
    kind: Mapped[str]
    message: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class BreakdownRow(Base):
    """One line of an architecture's latency: a kernel call of a layer, `position` its place in the model."""

    __tablename__ = "breakdowns"
    __table_args__ = (one_of("phase", PHASES), *not_negative("calls"))

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"), primary_key=True)
    phase: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    layer: Mapped[str]
    op: Mapped[str]
    family: Mapped[str]
    calls: Mapped[int]
    latency_ms: Mapped[float]
    measured: Mapped[bool]


class CheckpointRow(Base):
    """A file of weights that a job wrote; of the supernet where `digest` is NULL."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "path"), *not_negative("step"))

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    kind: Mapped[str]
    path: Mapped[str]
    step: Mapped[int]
    digest: Mapped[str | None] = mapped_column(ForeignKey("architectures.digest"))
    sha256: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class ExportRow(Base):
    """An architecture written as a standalone model, and how far its outputs were from the subnet's."""

    __tablename__ = "exports"
    __table_args__ = (
        UniqueConstraint("job_id", "format", "path"),
        *not_negative("max_relative_difference", "latency_measured_ms"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"))
    format: Mapped[str]
    path: Mapped[str]
    weights: Mapped[str]
    max_relative_difference: Mapped[float | None]
    latency_measured_ms: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


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
