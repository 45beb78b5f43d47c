"""The reading of evaluations: all of a job's, one of them, and which there are."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import case, func

from ..errors import InputError
from . import frames
from .evaluation_rows import evaluation_query, to_evaluation
from .rows import Evaluation
from .tables import EvaluationRow
from .transactions import Transactions

SHOWN_MATCHES = 5


class EvaluationLedger(Transactions):
    """The evaluations of a ledger."""

    def evaluations(self, job_id: str, fidelity: str | None = None) -> pd.DataFrame:
        """Every evaluation of a job in the order they came, at one fidelity or all; `on_front` is as of now."""
        query = evaluation_query(job_id).order_by(EvaluationRow.seq)
        if fidelity is not None:
            query = query.where(EvaluationRow.fidelity == fidelity)
        return self._frame(frames.EVALUATIONS, query)

    def evaluation(self, job_id: str, digest_prefix: str, fidelity: str | None = None) -> Evaluation:
        """The evaluation of the architecture whose digest is this, or the one whose digest begins so.

        Without a fidelity, the best there is: a complete evaluation before any other, fine-tuned before inherited.

        Raises:
            InputError: none or several of the job's architectures match.
        """
        query = evaluation_query(job_id)
        if fidelity is not None:
            query = query.where(EvaluationRow.fidelity == fidelity)
        best = (
            case((EvaluationRow.state == "complete", 0), else_=1),
            case((EvaluationRow.fidelity == "finetuned", 0), else_=1),
        )
        whole = query.where(EvaluationRow.digest == digest_prefix)
        begins = query.where(func.substr(EvaluationRow.digest, 1, len(digest_prefix)) == digest_prefix)
        with self._reading() as session:
            # A whole digest is looked up; only the beginning of one makes the database go through the job's.
            rows = session.execute(whole.order_by(*best)).all()
            if not rows and digest_prefix:
                rows = session.execute(begins.order_by(EvaluationRow.digest, *best).limit(2 * SHOWN_MATCHES)).all()
        digests = list(dict.fromkeys(row.digest for row in rows))
        if not digests:
            among = f" at fidelity {fidelity}" if fidelity else ""
            raise InputError(
                f"architecture: must be the beginning of a digest that job {job_id} evaluated{among}; "
                f"got {digest_prefix!r}"
            )
        if len(digests) > 1:
            shown = ", ".join(digests[:SHOWN_MATCHES])
            raise InputError(
                f"architecture: several digests begin so ({shown}), give more of one; got {digest_prefix!r}"
            )
        return to_evaluation(rows[0])

    def recorded(self, job_id: str, fidelity: str) -> dict[str, Evaluation]:
        """Every evaluation of a job at a fidelity by digest, in the order they came."""
        query = evaluation_query(job_id).where(EvaluationRow.fidelity == fidelity).order_by(EvaluationRow.seq)
        with self._reading() as session:
            rows = session.execute(query).all()
        return {row.digest: to_evaluation(row) for row in rows}
