"""One architecture among all that a job evaluated: its own rows, who else found it, and which others were measured."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select

from . import frames
from .evaluation_rows import evaluation_query
from .tables import EvaluationRow, FrontMemberRow, JobRow
from .transactions import Transactions


class LineageLedger(Transactions):
    """Where the architectures of a ledger come from."""

    def lineage(self, job_id: str, digest: str) -> pd.DataFrame:
        """The evaluations of one architecture in the order they came, with its stay on the front of each fidelity.

        `entered_seq` is NA for one that never was on the front, `left_seq` for one that never left it.
        """
        query = (
            evaluation_query(job_id)
            .add_columns(FrontMemberRow.entered_seq, FrontMemberRow.left_seq)
            .where(EvaluationRow.digest == digest)
            .order_by(EvaluationRow.seq)
        )
        return self._frame(frames.LINEAGE, query)

    def finders(self, digest: str) -> pd.DataFrame:
        """The jobs that evaluated an architecture, the oldest first, a row per fidelity."""
        query = (
            select(
                EvaluationRow.job_id,
                JobRow.name,
                EvaluationRow.fidelity,
                EvaluationRow.state,
                EvaluationRow.val_loss,
                EvaluationRow.created_at,
            )
            .join(JobRow, JobRow.id == EvaluationRow.job_id)
            .where(EvaluationRow.digest == digest)
            .order_by(JobRow.created_at, EvaluationRow.seq)
        )
        return self._frame(frames.FINDERS, query)

    def measured_models(self, job_id: str) -> pd.DataFrame:
        """The job's fine-tuned architectures whose latency was measured, with what was predicted, by `seq`."""
        query = (
            select(*(getattr(EvaluationRow, name) for name in frames.MEASURED_MODELS))
            .where(
                EvaluationRow.job_id == job_id,
                EvaluationRow.fidelity == "finetuned",
                EvaluationRow.latency_ms.is_not(None),
                EvaluationRow.latency_measured_ms.is_not(None),
            )
            .order_by(EvaluationRow.seq)
        )
        return self._frame(frames.MEASURED_MODELS, query)
