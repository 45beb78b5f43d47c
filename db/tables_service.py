"""What a service keeps: the commands it was given, the controllers that carry them out, the nodes that jobs run on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from .columns import now
from .table_base import Base, not_negative, one_of, share
from .words import COMMAND_KINDS, COMMAND_STATES


class CommandRow(Base):
    """Something a user asked a controller for, of a job or of none; `share` says how much of it is done."""

    __tablename__ = "commands"
    __table_args__ = (
        one_of("kind", COMMAND_KINDS),
        one_of("state", COMMAND_STATES),
        *share("share"),
        *not_negative("attempts"),
        CheckConstraint("(claimed_by IS NULL) = (lease_until IS NULL)", name="claim_has_its_lease"),
        CheckConstraint("(state = 'running') = (claimed_by IS NOT NULL)", name="who_is_claimed_runs"),
        Index(None, "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    arguments: Mapped[dict[str, Any]]
    state: Mapped[str]
    share: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    message: Mapped[str | None]
    result: Mapped[dict[str, Any]]
    attempts: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    claimed_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class ControllerRow(Base):
    """A controller that announced itself; it counts as alive until `alive_until` and says so again before."""

    __tablename__ = "controllers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    alive_until: Mapped[datetime]


class NodeRow(Base):
    """A machine of the cluster that a job runs on, from when its driver first saw it until it was gone."""

    __tablename__ = "nodes"
    __table_args__ = (
        *not_negative("cpus", "gpus"),
        CheckConstraint("left_at >= joined_at", name="left_after_joined"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    cpus: Mapped[float]
    gpus: Mapped[float]
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
