"""Jobs, architectures and evaluations, the fronts they form, and what users say of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from .columns import now
from .table_base import Base, not_negative, one_of, share
from .words import EVALUATION_STATES, FIDELITIES, JOB_STATES, STAGES


class JobRow(Base):
    """A search job: its config as given, how far it is, what it found out, who runs it.

    `evaluations`, `failed`, `front_size` (of inherited weights) and `best_val_loss` count what its other rows hold and
    change with them. A NULL `priority` keeps a job out of the queue; `attempts` says how often it was claimed from it.
    Who runs a job ends it when `stop_asked` is set.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", JOB_STATES),
        one_of("stage", STAGES),
        *not_negative("done", "total", "attempts", "evaluations", "failed", "front_size"),
        CheckConstraint("(claimed_by IS NULL) = (lease_until IS NULL)", name="claim_has_its_lease"),
        Index(None, "state", "priority", "created_at"),
    )

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
    priority: Mapped[int | None]
    claimed_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    evaluations: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    front_size: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    best_val_loss: Mapped[float | None]
    stop_asked: Mapped[bool] = mapped_column(default=False, server_default=false())


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
            "prefill_latency_ms",
            "decode_latency_ms",
            "train_latency_ms",
        ),
        *share("measured_share", "seen_share"),
        CheckConstraint("attempts >= 1", name="attempts_at_least_one"),
        Index(None, "digest"),
        Index(None, "job_id", "state", "seq"),
        # A sorted page looks at all that it passes over; what it may be filtered by stands in the index as well.
        Index(None, "job_id", "val_loss", "seq", "state", "fidelity", "latency_ms"),
        Index(None, "job_id", "latency_ms", "seq", "state", "fidelity", "val_loss"),
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
    prefill_latency_ms: Mapped[float | None]
    decode_latency_ms: Mapped[float | None]
    train_latency_ms: Mapped[float | None]
    measured_share: Mapped[float | None]
    extrapolates: Mapped[bool | None]
    attempts: Mapped[int | None]
    seen_share: Mapped[float | None]


class FrontMemberRow(Base):
    """A stay on a job's front, from the evaluation that entered to the one that displaced it."""

    __tablename__ = "front_members"
    __table_args__ = (
        ForeignKeyConstraint(
            ["job_id", "digest", "fidelity"], ["evaluations.job_id", "evaluations.digest", "evaluations.fidelity"]
        ),
        CheckConstraint("left_seq > entered_seq", name="left_after_entered"),
        Index(None, "job_id", "fidelity", "left_seq"),
        Index(None, "job_id", "fidelity", "entered_seq"),
    )

    job_id: Mapped[str] = mapped_column(primary_key=True)
    fidelity: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(primary_key=True)
    entered_seq: Mapped[int]
    left_seq: Mapped[int | None]


class NoteRow(Base):
    """What a user wrote about an architecture, whichever job found it."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"), index=True)
    text: Mapped[str]
    author: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class TagRow(Base):
    """A word that a user put on an architecture."""

    __tablename__ = "tags"
    __table_args__ = (Index(None, "tag", "digest"),)

    digest: Mapped[str] = mapped_column(ForeignKey("architectures.digest"), primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)
    author: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
