"""What a job leaves behind besides evaluations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from .columns import now
from .table_base import Base, not_negative, one_of, share
from .words import PHASES, STAGES, SUBNETS


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
    """One line of an architecture's latency: a kernel call of a layer, `position` its place in the model.

    `flops` and `bytes` are those of all its calls, NULL for what is no kernel.
    """

    __tablename__ = "breakdowns"
    __table_args__ = (one_of("phase", PHASES), *not_negative("calls", "flops", "bytes"))

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"), primary_key=True, index=True)
    phase: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    layer: Mapped[str]
    op: Mapped[str]
    family: Mapped[str]
    calls: Mapped[int]
    latency_ms: Mapped[float]
    measured: Mapped[bool]
    flops: Mapped[int | None] = mapped_column(BigInteger)
    bytes: Mapped[int | None] = mapped_column(BigInteger)


class CheckpointRow(Base):
    """A file of weights that a job wrote; of the supernet where `digest` is NULL."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "path"), *not_negative("step"))

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    kind: Mapped[str]
    path: Mapped[str]
    step: Mapped[int]
    digest: Mapped[str | None] = mapped_column(ForeignKey("architectures.digest"), index=True)
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
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"), index=True)
    format: Mapped[str]
    path: Mapped[str]
    weights: Mapped[str]
    max_relative_difference: Mapped[float | None]
    latency_measured_ms: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class QualityRow(Base):
    """How well a search's quality predictor ranked evaluations it had not seen, when it knew `evaluations` of them."""

    __tablename__ = "quality_predictors"
    __table_args__ = (
        *not_negative("evaluations", "held_out", "error"),
        *share("coverage"),
        CheckConstraint("kendall_tau >= -1 AND kendall_tau <= 1", name="kendall_tau_in_range"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    evaluations: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    held_out: Mapped[int]
    kendall_tau: Mapped[float | None]
    error: Mapped[float | None]
    coverage: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
