"""What a job leaves behind besides evaluations: its curve, events, latency breakdowns, checkpoints and exports."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from sqlalchemy import select

from . import frames
from .breakdowns import Breakdowns, require_evaluated, write_breakdowns
from .columns import now, real
from .inserting import replace
from .rows import CurvePoint, Quality
from .tables import BreakdownRow, CheckpointRow, CurveRow, EventRow, ExportRow, QualityRow
from .transactions import Transactions
from .words import STAGES


class TraceLedger(Transactions):
    """The traces of a ledger's jobs."""

    def add_curve(self, job_id: str, points: Sequence[CurvePoint]) -> None:
        """Write points of the training curve; a point at a (step, subnet) that is there takes its place."""
        rows = [
            {
                "job_id": job_id,
                "step": int(point.step),
                "subnet": point.subnet,
                "loss_nats": real(point.loss_nats),
                "seconds": float(point.seconds),
            }
            for point in points
        ]
        with self._writing() as session:
            self._locked_job(session, job_id)
            replace(session, CurveRow, ("job_id", "step", "subnet"), rows)

    def curve(self, job_id: str) -> pd.DataFrame:
        """The training curve by step; a loss that was not a number is NaN."""
        query = select(CurveRow.step, CurveRow.subnet, CurveRow.loss_nats, CurveRow.seconds)
        return self._frame(
            frames.CURVE, query.where(CurveRow.job_id == job_id).order_by(CurveRow.step, CurveRow.subnet)
        )

    def add_event(self, job_id: str, stage: str, kind: str, message: str) -> None:
        """Write that something happened, now."""
        assert stage in STAGES, f"stage: one of {STAGES}; got {stage!r}"
        with self._writing() as session:
            self._locked_job(session, job_id)
            session.add(EventRow(job_id=job_id, stage=stage, kind=kind, message=message))

    def events(self, job_id: str, limit: int = 100) -> pd.DataFrame:
        """The last `limit` events of a job, the newest first."""
        query = select(EventRow.id, EventRow.stage, EventRow.kind, EventRow.message, EventRow.created_at)
        return self._frame(
            frames.EVENTS, query.where(EventRow.job_id == job_id).order_by(EventRow.id.desc()).limit(limit)
        )

    def add_breakdowns(self, job_id: str, breakdowns: Breakdowns) -> None:
        """Write the latency of architectures, kernel by kernel: `{digest: {phase: [line, ...]}}`.

        A line has the keys layer, op, family, calls, latency_ms and measured. The lines of a (digest, phase) that is
        there are replaced whole.

        Raises:
            InputError: the job has evaluated no architecture of that digest.
        """
        with self._writing() as session:
            self._locked_job(session, job_id)
            write_breakdowns(session, job_id, breakdowns)

    def breakdown(self, job_id: str, digest: str) -> pd.DataFrame:
        """The latency of an architecture by kernel, each phase in the order of the model."""
        query = select(*(getattr(BreakdownRow, name) for name in frames.BREAKDOWN))
        query = query.where(BreakdownRow.job_id == job_id, BreakdownRow.digest == digest)
        return self._frame(frames.BREAKDOWN, query.order_by(BreakdownRow.phase, BreakdownRow.position))

    def add_checkpoint(
        self, job_id: str, kind: str, path: str, step: int, digest: str | None = None, sha256: str | None = None
    ) -> None:
        """Write that a file of weights exists. A file written anew takes the place of what was said of its path."""
        row = {"kind": kind, "path": str(path), "step": int(step), "digest": digest, "sha256": sha256}
        with self._writing() as session:
            self._locked_job(session, job_id)
            if digest is not None:
                require_evaluated(session, job_id, digest)
            replace(session, CheckpointRow, ("job_id", "path"), [{"job_id": job_id, "created_at": now()} | row])

    def checkpoints(self, job_id: str) -> pd.DataFrame:
        """The checkpoints of a job in the order they were written."""
        query = select(*(getattr(CheckpointRow, name) for name in frames.CHECKPOINTS))
        return self._frame(frames.CHECKPOINTS, query.where(CheckpointRow.job_id == job_id).order_by(CheckpointRow.id))

    def add_export(
        self,
        job_id: str,
        digest: str,
        format: str,
        path: str,
        weights: str,
        max_relative_difference: float | None,
        latency_measured_ms: float | None,
    ) -> None:
        """Write that an architecture was exported. An export of the same format to the same path takes its place."""
        row = {
            "digest": digest,
            "format": format,
            "path": str(path),
            "weights": weights,
            "max_relative_difference": real(max_relative_difference),
            "latency_measured_ms": real(latency_measured_ms),
        }
        with self._writing() as session:
            self._locked_job(session, job_id)
            require_evaluated(session, job_id, digest)
            replace(session, ExportRow, ("job_id", "format", "path"), [{"job_id": job_id, "created_at": now()} | row])

    def exports(self, job_id: str) -> pd.DataFrame:
        """The exports of a job in the order they were written."""
        query = select(*(getattr(ExportRow, name) for name in frames.EXPORTS))
        return self._frame(frames.EXPORTS, query.where(ExportRow.job_id == job_id).order_by(ExportRow.id))

    def add_quality(self, job_id: str, quality: Quality) -> None:
        """Write how well the search's predictor did; what is said again of as many evaluations takes its place."""
        row = {
            "job_id": job_id,
            "evaluations": int(quality.evaluations),
            "held_out": int(quality.held_out),
            "kendall_tau": real(quality.kendall_tau),
            "error": real(quality.error),
            "coverage": real(quality.coverage),
            "created_at": now(),
        }
        with self._writing() as session:
            self._locked_job(session, job_id)
            replace(session, QualityRow, ("job_id", "evaluations"), [row])

    def qualities(self, job_id: str) -> pd.DataFrame:
        """How well a job's predictor did, as it came to know more evaluations."""
        query = select(*(getattr(QualityRow, name) for name in frames.QUALITIES))
        return self._frame(frames.QUALITIES, query.where(QualityRow.job_id == job_id).order_by(QualityRow.evaluations))
